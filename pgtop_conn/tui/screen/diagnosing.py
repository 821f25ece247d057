"""What the main screen says about why: the leaks of each poll, the diagnosis, and the report."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.filters.language import NO_TAGS, Tags, parse
from pgtop_conn.model.findings import Case
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.facts_reader import FactsReader
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.signalling import ActingScreen
from pgtop_conn.view.dialogs import diagnosis
from pgtop_conn.view.dialogs.diagnosis import Section
from pgtop_conn.view.table.groups import GROUPINGS, group_counts, paths_to
from pgtop_conn.view.table.lines import shown


class ExplainingScreen(ActingScreen):
    """Learns from every poll; asks the source for facts only when a diagnosis or a report is wanted."""

    def __init__(self, source: Source, options: ScreenOptions) -> None:
        super().__init__(source, options)
        self.observation = Observation(self._counts)
        self.leaks: tuple[Leak, ...] = ()
        self.facts = FactsReader(source, self.poller, self._facts_changed)
        self._sources: Tags = NO_TAGS

    def budget_of(self, snapshot: Snapshot) -> SlotBudget:
        """Counted once a poll."""
        raise NotImplementedError

    def observe(self, snapshot: Snapshot) -> None:
        """Take in a poll: its leaks and tags are found once, here."""
        self._sources = tags_of(snapshot, self.options.labels)
        self.observation.add(snapshot, self.budget_of(snapshot))
        self.leaks = self.observation.leaks(snapshot)
        self.tags = tags_of(snapshot, self.options.labels, self.leaks)

    def ending(self, keys: Iterable[BackendKey]) -> None:
        self.observation.signalled(keys)

    def _counts(self, backends: Sequence[Backend]) -> Mapping[Hashable, int]:
        return group_counts(backends, self._sources)

    # The diagnosis.

    def case(self) -> Case | None:
        """Everything that is known by now; None before the first poll."""
        snapshot = self.told_snapshot
        if snapshot is None:
            return None
        observation = self.observation if self.past is None else self.past.observation
        return Case.of(snapshot, self.budget_of(snapshot), observation, self.facts.facts, self.options.ram)

    def sections(self) -> list[Section]:
        """The diagnosis of the newest poll."""
        case = self.case()
        if case is None:
            return []
        return diagnosis.sections(case, diagnose(case), sizing(case), self.facts.state)

    def action_diagnose(self) -> None:
        snapshot = self.told_snapshot
        if snapshot is not None:
            self.run_worker(self.facts.have(), name="facts")
            dialog = Diagnosis(self.sections, snapshot, lambda: self.facts.state, self.action_report)
            self.app.push_screen(dialog, self._show_sessions)

    def _facts_changed(self) -> None:
        for screen in self.app.screen_stack:
            if isinstance(screen, Diagnosis):
                screen.facts_changed()

    def _show_sessions(self, words: str | None) -> None:
        """The table of what a finding is about; a pause would show other sessions than those."""
        snapshot = self.told_snapshot
        if words and snapshot is not None:
            self.paused = None
            found, tags = parse(words), self.shown_tags
            grouping = GROUPINGS[self.view.grouping]
            paths = (paths_to(backend, grouping, tags) for backend in shown(snapshot, found, tags))
            self.view = replace(self.view, expanded=self.view.expanded.union(*paths))
            self._set_filter(found, leaks_only=False)
            self.show_gauges()
            self.table.put_cursor(0)

    # The report.

    def action_report(self) -> None:
        if self.options.write_report is None:
            self.tell("No report can be written here", "warning")
        elif self.snapshot is not None:
            self.run_worker(self._write_report(), name="report")

    async def _write_report(self) -> None:
        await self.facts.have()
        case, write = self.case(), self.options.write_report
        if case is None or write is None:
            return
        try:
            # No poll is taken in while the other thread reads what the polls left.
            async with self.poller.turn:
                path = await asyncio.to_thread(write, case, diagnose(case))
        except (PgtopError, OSError) as error:
            self.tell(f"No report was written: {error}", "error")
        else:
            self.tell(f"Report written: {path}")
