"""What the main screen keeps of every poll, and stepping back to it: the whole screen as it was then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import KeepingTape, Mark, Moment, Tape, Totals
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.history.restore import reliving, restored
from pgtop_conn.model.history.seek import nearest_before
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Status
from pgtop_conn.monitor.tape_writer import BREATH_S, Recorder, Taping
from pgtop_conn.tui.dialogs.history import HistoryScreen
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.browsing import Past
from pgtop_conn.tui.screen.diagnosing import ExplainingScreen

#: Ends of targets that no signal was sent for.
NOT_SIGNALLED = (Status.NOT_SENT, Status.CHANGED, Status.DENIED)
#: A moment that is looked at for so long is worth reading what came before it.
SETTLED_S = 0.5


class TravellingScreen(ExplainingScreen):
    """`past` is set by these keys and by nothing else; polls go on and are kept meanwhile."""

    def __init__(self, source: Source, options: ScreenOptions) -> None:
        super().__init__(source, options)
        self._ring = options.ring
        self.taping: Taping | None = None

    @property
    def tape(self) -> Tape | None:
        """Where the moments are that the keys go to."""
        return self._ring

    @property
    def moment_index(self) -> int | None:
        """The moment on the screen, by its index on the tape now; None where none is kept."""
        tape = self.tape
        if tape is None or not tape.times:
            return None
        return len(tape.times) - 1 if self.past is None else nearest_before(tape.times, self.past.at)

    def keep(self, snapshot: Snapshot) -> None:
        """Keep the newest poll, as it is shown."""
        keepers = [one for one in (self._ring, self.taping) if one is not None]
        if keepers:
            moment, totals = Moment(snapshot, self.leaks), Totals.of(snapshot, self.budget_of(snapshot))
            for keeper in keepers:
                keeper.add(moment, totals)

    def signalled(self, action: Action, outcomes: Sequence[Outcome]) -> None:
        if self.snapshot is None:
            return
        keepers = [one for one in (self._ring, self.taping) if one is not None]
        for mark in marks_of(action, outcomes, self.snapshot.taken_at):
            for keeper in keepers:
                keeper.mark(mark)

    # Recording.

    def action_record(self) -> None:
        """Begin a recording with what was kept so far, or end the one that goes on."""
        if self.taping is not None:
            self.run_worker(self._end_taping(), name="taping")
        elif self.options.open_recorder is None or self.snapshot is None:
            self.tell("Nothing can be recorded here", "warning")
        else:
            self.start_taping(self.options.open_recorder, self._ring)

    def start_taping(self, open_recorder: Callable[[Snapshot], Recorder], before: KeepingTape | None) -> None:
        """Record to a file of its own from now on, behind what was kept `before`."""
        if self.snapshot is None:
            return
        try:
            taping = Taping(open_recorder(self.snapshot), self._not_taped)
        except PgtopError as error:
            self.tell(str(error), "error")
            return
        taping.start(before)
        self.taping = taping
        self.show_gauges()
        self.tell(f"Recording to {taping.path}; {self.key_of('record')} ends it")

    def _not_taped(self, error: PgtopError) -> None:
        self.tell(str(error), "error")

    async def _end_taping(self) -> None:
        taping = self.taping
        await self.stop_taping()
        self.show_gauges()
        if taping is not None:
            self.tell(f"Recorded: {taping.path}")

    async def stop_taping(self, patience_s: float | None = None) -> None:
        """End the recording that goes on, if any; what waits is written, what was before as far as there is time."""
        taping, self.taping = self.taping, None
        if taping is not None:
            await taping.close(patience_s)

    # Stepping back.

    def go_to_moment(self, index: int) -> bool:
        """Show the screen as it was then; whether that could be read."""
        tape = self.tape
        if tape is None:
            return False
        try:
            moment = tape.moment(index)
        except PgtopError as error:
            self.tell(f"That moment can't be shown: {error}", "warning")
            return False
        observation = restored(self._counts, tape.totals, index + 1)
        observation.knows(moment.snapshot, moment.leaks)
        self.past = past = Past(moment, tags_of(moment.snapshot, self.options.labels, moment.leaks), observation)
        self._show_all()
        self.relive(index, moment, lambda found: self._relived(past, found))
        return True

    def relive(self, index: int, moment: Moment, done: Callable[[Observation], None]) -> None:
        """Read what came before this moment while nothing else is to be done, and give what is known from it."""
        self.run_worker(self._relive(index, moment, done), name="relive", group="relive", exclusive=True)

    async def _relive(self, index: int, moment: Moment, done: Callable[[Observation], None]) -> None:
        # Who steps on, or plays fast, waits for none of it.
        await asyncio.sleep(SETTLED_S)
        tape, known = self.tape, None
        if tape is None:
            return
        for found in reliving(self._counts, tape, moment, index):
            known = found
            await asyncio.sleep(BREATH_S)
        if known is not None:
            done(known)

    def _relived(self, past: Past, found: Observation) -> None:
        if self.past is past:
            self.past = replace(past, observation=found)
            self._show_all()

    def leave_past(self) -> None:
        """Back to the newest poll."""
        if self.past is not None:
            self.workers.cancel_group(self, "relive")
            self.past = None
            if self._ring is not None:
                self._ring.rest()
            self._show_all()

    def _show_all(self) -> None:
        self.show_gauges()
        self.show_table()

    def action_step(self, step: int) -> None:
        tape, index = self.tape, self.moment_index
        if tape is None or index is None:
            self.tell("Nothing is kept to step back to", "warning")
        elif index + step < 0:
            self.tell("This is the oldest moment that is kept", "warning")
        elif index + step >= len(tape.times) - 1:
            self.leave_past()
        else:
            self.go_to_moment(index + step)

    def action_live(self) -> None:
        """Back to now; where that is what is shown, to the last line of the table as End always does."""
        if self.past is None:
            self.action_last()
        else:
            self.leave_past()

    def action_history(self) -> None:
        tape, index = self.tape, self.moment_index
        if tape is None or index is None:
            self.tell("Nothing is kept yet", "warning")
        else:
            self.app.push_screen(HistoryScreen(tape, index, ascii_only=self.options.ascii), self._chose_moment)

    def _chose_moment(self, at: float | None) -> None:
        tape = self.tape
        if at is not None and tape is not None:
            index = nearest_before(tape.times, at)
            self.action_step(index - (self.moment_index or 0))


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
