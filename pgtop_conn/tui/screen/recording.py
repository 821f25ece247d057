"""Recording: what is kept of every poll and signal: in memory, and in a recording file while one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Keeper, KeepingTape, Mark, Moment, Totals
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.monitor.tape_writer import RecordingFile, TapeWriter
from pgtop_conn.tui.options import RecordingStore
from pgtop_conn.tui.screen.desk import Desk

#: Ends of targets that no signal was sent for.
NOT_SIGNALLED = (Status.NOT_SENT, Status.CHANGED, Status.DENIED)


class RecordingControl:
    """`ring` keeps moments in memory; `store` begins recordings. None of either keeps nothing there."""

    def __init__(self, state: MonitorState, desk: Desk, ring: KeepingTape | None, store: RecordingStore | None) -> None:
        self._state = state
        self._desk = desk
        self._ring = ring
        self._store = store
        self._begun = False
        #: The recording that is being made.
        self.taping: TapeWriter | None = None

    def _keepers(self) -> Iterator[Keeper]:
        if self._ring is not None:
            yield self._ring
        if self.taping is not None:
            yield self.taping

    def keep(self, snapshot: Snapshot) -> None:
        """Keep the newest poll, as it is shown; with the first one begins the recording of the session, if any."""
        keepers = list(self._keepers())
        if keepers:
            moment, totals = Moment(snapshot, self._state.leaks), Totals.of(snapshot, self._state.budget(snapshot))
            for keeper in keepers:
                keeper.add(moment, totals)
        if not self._begun and self._store is not None and self._store.always:
            self._start(self._store.begin_session, snapshot)
        self._begun = True

    def mark(self, action: Action, outcomes: Sequence[Outcome]) -> None:
        """Keep what was signalled."""
        if self._state.newest is None:
            return
        for mark in marks_of(action, outcomes, self._state.newest.taken_at):
            for keeper in self._keepers():
                keeper.mark(mark)

    def toggle(self) -> None:
        """Begin a recording with what was kept so far, or end the one that goes on."""
        if self.taping is not None:
            self._desk.run(self._end(), "taping")
        elif self._store is None or self._state.newest is None:
            self._desk.tell("Nothing can be recorded here", "warning")
        else:
            self._start(self._store.begin, self._state.newest)

    def _start(self, begin: Callable[[Snapshot], RecordingFile], snapshot: Snapshot) -> None:
        """Record to a file of its own from now on, behind what was kept before."""
        try:
            taping = TapeWriter(begin(snapshot), self._not_taped)
        except PgtopError as error:
            self._desk.tell(str(error), "error")
            return
        taping.start(self._ring)
        self.taping = taping
        self._desk.redraw_gauges()
        self._desk.tell(f"Recording to {taping.path}; {self._desk.key_of('record')} ends it")

    def _not_taped(self, error: PgtopError) -> None:
        self._desk.tell(str(error), "error")

    async def _end(self) -> None:
        taping = self.taping
        await self.stop()
        self._desk.redraw_gauges()
        if taping is not None:
            self._desk.tell(f"Recorded: {taping.path}")

    async def stop(self, patience_s: float | None = None) -> None:
        """End the recording that goes on, if any; what waits is written, what was before as far as there is time."""
        taping, self.taping = self.taping, None
        if taping is not None:
            await taping.close(patience_s)


def marks_of(action: Action, outcomes: Sequence[Outcome], at: float) -> list[Mark]:
    """A mark for each session that a signal was sent to."""
    return [
        Mark(
            at=at,
            action=str(action),
            pid=one.target.key.pid,
            role=one.target.role,
            app=one.target.app,
            outcome=str(one.status),
            chosen_by=one.target.chosen_by,
        )
        for one in outcomes
        if one.status not in NOT_SIGNALLED
    ]
