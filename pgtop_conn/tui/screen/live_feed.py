"""LiveFeed: polls of a server, their pace, and stepping back to those that were kept."""

from __future__ import annotations

import logging
from collections.abc import Callable

from textual.binding import Binding

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Tape
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.poller import Poller, SnapshotLoop
from pgtop_conn.monitor.signal_queue import VERIFY_EVERY_S
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.keys import monitor
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.tui.screen.time_travel import TimeTravel
from pgtop_conn.tui.widgets.pieces import Row

log = logging.getLogger(__name__)

#: Steps of the interval keys, in seconds.
INTERVALS_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
READ_ONLY = "Started with --read-only: no session can be cancelled or terminated"
LOOKING_BACK = "This is how it was: nothing is sent from here"


class LiveFeed:
    """One source, asked by one poller. `pending` is how many sessions are awaited that were signalled."""

    def __init__(
        self, state: MonitorState, desk: Desk, source: Source, options: ScreenOptions, pending: Callable[[], int]
    ) -> None:
        self._state = state
        self._desk = desk
        self._first = options.first
        self._pending = pending
        self.travel = TimeTravel(state, desk, options.ring)
        self.interval_s = options.interval_s
        read_only = state.terms.policy.read_only
        self.bindings = monitor.available(read_only)
        self.remark = f"{READ_ONLY}." if read_only else ""
        self.poller: SnapshotLoop = Poller(source, self.next_interval_s, desk.polled, self._failed)

    @property
    def tape(self) -> Tape | None:
        return self.travel.ring

    @property
    def index(self) -> int | None:
        return self.travel.index

    @property
    def held(self) -> bool:
        return self._state.paused is not None

    @property
    def refusal(self) -> str:
        if self._state.terms.policy.read_only:
            return READ_ONLY
        if self._state.past is None:
            return ""
        return f"{LOOKING_BACK}; {self._desk.key_of('live')} goes back to live"

    def begin(self) -> None:
        if self._first is not None:
            self._desk.polled(self._first)
        self._desk.run(self.poller.run(wait_first=self._first is not None), "poll")

    def _failed(self, error: PgtopError) -> None:
        log.warning("poll failed: %s", error)
        self._state.fail(error)
        self._desk.redraw_gauges()

    def next_interval_s(self) -> float:
        """Seconds between two polls: while an end is awaited they are closer together."""
        return min(self.interval_s, VERIFY_EVERY_S) if self._pending() else self.interval_s

    def keys(self, offered: list[Binding]) -> tuple[list[Binding], Row]:
        return offered, ()

    def pause(self) -> None:
        if self._state.past is not None:
            live = self._desk.key_of("live")
            self._desk.tell(f"An earlier moment holds still anyway; {live} goes back to live")
            return
        self._state.pause()
        self._desk.redraw()

    def refresh(self) -> None:
        self.poller.wake()

    def pace(self, step: int) -> None:
        steps = [s for s in INTERVALS_S if (s > self.interval_s if step > 0 else s < self.interval_s)]
        if steps:
            self.interval_s = steps[0] if step > 0 else steps[-1]
            self._desk.redraw_gauges()
            self.poller.wake()

    def step(self, step: int) -> None:
        self.travel.step(step)

    def last(self) -> None:
        """Back to now; where that is what is shown, to the last line of the table as End always does."""
        if self._state.past is not None:
            self.travel.leave()
        else:
            self._desk.table.put_cursor(len(self._desk.table.lines) - 1)
            self._desk.redraw_keys()

    def go_to(self, at: float) -> None:
        self.travel.go_to(at)
