"""TimeTravel: stepping back to what was kept of the polls: the whole screen as it was then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import KeepingTape, Moment, Tape
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.history.restore import reliving, restored
from pgtop_conn.model.history.seek import nearest_before
from pgtop_conn.monitor.state import MonitorState, Past
from pgtop_conn.monitor.tape_writer import BREATH_S
from pgtop_conn.tui.screen.desk import Desk

#: A moment that is looked at for so long is worth reading what came before it.
SETTLED_S = 0.5
#: The work of reading it.
RELIVE = "relive"


class TimeTravel:
    """The only caller of look_back() and leave_past(); polls go on and are kept meanwhile."""

    def __init__(self, state: MonitorState, desk: Desk, ring: KeepingTape | None) -> None:
        self._state = state
        self._desk = desk
        self.ring = ring

    @property
    def index(self) -> int | None:
        """The moment on the screen, by its index on the ring now; None where none is kept."""
        if self.ring is None or not self.ring.times:
            return None
        times, past = self.ring.times, self._state.past
        return len(times) - 1 if past is None else nearest_before(times, past.at)

    def go_to_moment(self, index: int) -> bool:
        """Show the screen as it was then; whether that could be read."""
        ring, state = self.ring, self._state
        if ring is None:
            return False
        try:
            moment = ring.moment(index)
        except PgtopError as error:
            self._desk.tell(f"That moment can't be shown: {error}", "warning")
            return False
        observation = restored(state.counts, ring.totals, index + 1)
        observation.knows(moment.snapshot, moment.leaks)
        past = state.look_back(moment, observation)
        self._desk.redraw()
        work = relive(state, ring, index, moment, lambda found: self._relived(past, found))
        self._desk.run(work, RELIVE, alone=True)
        return True

    def _relived(self, past: Past, found: Observation) -> None:
        if self._state.past is past:
            self._state.look_back(past.moment, found)
            self._desk.redraw()

    def leave(self) -> None:
        """Back to the newest poll."""
        if self._state.past is not None:
            self._desk.end(RELIVE)
            self._state.leave_past()
            if self.ring is not None:
                self.ring.rest()
            self._desk.redraw()

    def step(self, step: int) -> None:
        """So many polls later, or with a negative number earlier."""
        ring, index = self.ring, self.index
        if ring is None or index is None:
            self._desk.tell("Nothing is kept to step back to", "warning")
        elif index + step < 0:
            self._desk.tell("This is the oldest moment that is kept", "warning")
        elif index + step >= len(ring.times) - 1:
            self.leave()
        else:
            self.go_to_moment(index + step)

    def go_to(self, at: float) -> None:
        """To the moment of this time."""
        if self.ring is not None:
            self.step(nearest_before(self.ring.times, at) - (self.index or 0))


async def relive(
    state: MonitorState, tape: Tape, index: int, moment: Moment, done: Callable[[Observation], None]
) -> None:
    """Read what came before this moment while nothing else is to be done, and give what is known from it."""
    # Who steps on, or plays fast, waits for none of it.
    await asyncio.sleep(SETTLED_S)
    known = None
    for found in reliving(state.counts, tape, moment, index):
        known = found
        await asyncio.sleep(BREATH_S)
    if known is not None:
        done(known)
