"""A desk for controllers, without an application: what is told and pushed is kept, and the table is a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from textual.screen import Screen

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.signal_queue import Severity
from pgtop_conn.monitor.state import MonitorState, Terms
from pgtop_conn.tui.screen.desk import Result
from pgtop_conn.tui.widgets.session_table import SessionTable
from pgtop_conn.view.table.lines import ViewState, build


class Unmounted(SessionTable):
    """A table that is on no screen: it shows ten lines at a time, and scrolls nowhere."""

    @property
    def page(self) -> int:
        return 10

    def reveal(self, index: int) -> None:
        """Nothing is in sight."""


class FakeDesk:
    """Draws into the table what the state says, and counts how often it was asked to."""

    def __init__(self, state: MonitorState) -> None:
        self.state = state
        self.table = Unmounted()
        self.told: list[tuple[str, Severity]] = []
        self.copied: list[str] = []
        self.drawn: list[str] = []
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self._pushed: list[tuple[Screen[Any], Callable[[Any], None] | None]] = []

    @property
    def said(self) -> str:
        """The newest message; "" where nothing was told."""
        return self.told[-1][0] if self.told else ""

    @property
    def dialog(self) -> Screen[Any]:
        """The dialog that is open."""
        return self._pushed[-1][0]

    @property
    def dialogs(self) -> int:
        """How many were pushed and not answered."""
        return len(self._pushed)

    def answer(self, result: object) -> None:
        """Dismiss the open dialog with this."""
        _, answered = self._pushed.pop()
        if answered is not None:
            answered(result)

    async def finished(self, name: str) -> None:
        """Wait until the work of this name is done."""
        await self.tasks[name]

    def tell(self, text: str, severity: Severity = "information") -> None:
        self.told.append((text, severity))

    def push(self, dialog: Screen[Result], answered: Callable[[Result | None], None] | None = None) -> None:
        self._pushed.append((dialog, answered))

    def run(self, work: Coroutine[Any, Any, Any], name: str, *, alone: bool = False) -> None:
        if alone:
            self.end(name)
        self.tasks[name] = asyncio.create_task(work, name=name)

    def end(self, name: str) -> None:
        if name in self.tasks:
            self.tasks.pop(name).cancel()

    def later(self, call: Callable[[], None]) -> None:
        call()

    def copy(self, text: str) -> str:
        self.copied.append(text)
        return ""

    def key_of(self, name: str) -> str:
        return f"<{name}>"

    def polled(self, snapshot: Snapshot) -> None:
        self.state.take(snapshot)
        self.redraw()

    def redraw(self) -> None:
        self.redraw_gauges()
        self.redraw_table()

    def redraw_gauges(self) -> None:
        self.drawn.append("gauges")

    def redraw_table(self) -> None:
        self.drawn.append("table")
        frame = self.state.frame()
        if frame is not None:
            self.table.show(build(frame, self.state.view), frame)

    def redraw_keys(self) -> None:
        self.drawn.append("keys")


def desk_of(
    snapshot: Snapshot | None, *, view: ViewState | None = None, policy: Policy | None = None
) -> tuple[MonitorState, FakeDesk]:
    """A state that has taken in this poll, and its desk."""
    state = MonitorState(view or ViewState(), Terms(policy or Policy()))
    desk = FakeDesk(state)
    if snapshot is not None:
        desk.polled(snapshot)
    return state, desk


def pids_in(table: SessionTable) -> list[int]:
    """The sessions that are listed, in order."""
    return [line.backend.pid for line in table.lines if line.backend is not None]
