"""Diagnosing: the findings with their remedies, and the incident report. Facts are read when one of them is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.facts_reader import FactsReader
from pgtop_conn.monitor.poller import SnapshotLoop
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.tui.options import ReportWriter
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.view.dialogs import diagnosis
from pgtop_conn.view.dialogs.diagnosis import Section
from pgtop_conn.view.table.groups import GROUPINGS, paths_to
from pgtop_conn.view.table.lines import shown


class Diagnosing:
    """Asks the source while `poller` does not; `changed` is called when the reading of facts begins and ends."""

    def __init__(
        self,
        state: MonitorState,
        desk: Desk,
        source: Source,
        poller: SnapshotLoop,
        reports: ReportWriter | None,
        changed: Callable[[], None],
    ) -> None:
        self._state = state
        self._desk = desk
        self._poller = poller
        self._reports = reports
        self.facts = FactsReader(source, poller, changed)

    def sections(self) -> list[Section]:
        """The diagnosis of what the screen tells of."""
        case = self._state.case(self.facts.facts)
        if case is None:
            return []
        return diagnosis.sections(case, diagnose(case), sizing(case), self.facts.state)

    def diagnose(self) -> None:
        """Open the diagnosis; it goes on with the polls."""
        snapshot = self._state.told
        if snapshot is not None:
            self._desk.run(self.facts.have(), "facts")
            dialog = Diagnosis(self.sections, snapshot, lambda: self.facts.state, self.report)
            self._desk.push(dialog, self._show_sessions)

    def _show_sessions(self, words: str | None) -> None:
        """The table of what a finding is about; a pause would show other sessions than those."""
        state, snapshot = self._state, self._state.told
        if words and snapshot is not None:
            state.resume()
            found, tags = parse(words), state.shown_tags
            grouping = GROUPINGS[state.view.grouping]
            paths = (paths_to(backend, grouping, tags) for backend in shown(snapshot, found, tags))
            state.view = replace(state.view, expanded=state.view.expanded.union(*paths))
            state.choose(found, leaks_only=False)
            self._desk.redraw()
            self._desk.table.put_cursor(0)

    def report(self) -> None:
        """Write an incident report, in the background."""
        if self._reports is None:
            self._desk.tell("No report can be written here", "warning")
        elif self._state.newest is not None:
            self._desk.run(self._write(self._reports), "report")

    async def _write(self, reports: ReportWriter) -> None:
        facts = await self.facts.have()
        case = self._state.case(facts)
        if case is None:
            return
        try:
            # No poll is taken in while the other thread reads what the polls left.
            async with self._poller.turn:
                path = await asyncio.to_thread(reports.write, case, diagnose(case))
        except (PgtopError, OSError) as error:
            self._desk.tell(f"No report was written: {error}", "error")
        else:
            self._desk.tell(f"Report written: {path}")
