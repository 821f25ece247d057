"""ReplayFeed: moments of a recording, and keys that move in its time. Nothing is asked and nothing sent."""

from __future__ import annotations

from textual.binding import Binding

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Moment, Tape
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.history.restore import restored
from pgtop_conn.model.history.seek import nearest_before, next_mark, next_peak
from pgtop_conn.monitor.player import Player
from pgtop_conn.monitor.poller import SnapshotLoop
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.monitor.tape_reader import TapeReader
from pgtop_conn.tui.dialogs.go_to_time import GoToTime
from pgtop_conn.tui.keys.monitor import available
from pgtop_conn.tui.keys.replay import KEYS, LEFT_OUT, OWN, SHOWN
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.tui.screen.time_travel import RELIVE, relive
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.status.replay_status import Playing, playing

RECORDED = "This is a recording: no session can be cancelled or terminated"


class ReplayFeed:
    """Shows what the player gives it as if it were polled; `tape` is the whole recording, of one moment at least.

    Raises PgtopError where its first moment can't be read.
    """

    def __init__(self, state: MonitorState, desk: Desk, tape: Tape, options: ScreenOptions) -> None:
        self._state = state
        self._desk = desk
        self._recording = TapeReader(tape)
        self._said_first = options.tape_remark
        self._first = tape.moment(0)
        self.interval_s = options.interval_s
        self.player = Player(self._recording, self._shown, self._unreadable, desk.redraw_keys)
        self.poller: SnapshotLoop = self.player
        left = [one for one in available(read_only=True) if one.id not in OWN | LEFT_OUT]
        self.bindings = [*KEYS, *left]
        self.remark = f"{RECORDED}."
        self.refusal = RECORDED
        #: Whether all is known that makes the rates of the moment that is shown.
        self._whole = True

    @property
    def tape(self) -> Tape:
        return self._recording

    @property
    def index(self) -> int:
        return self.player.index or 0

    @property
    def held(self) -> bool:
        return not self.player.playing

    # What the player brings.

    def begin(self) -> None:
        first = self._first
        self._desk.run(self._recording.read_ahead(), "read ahead")
        if self._said_first:
            self._desk.tell(self._said_first, "warning")
        self._state.observation.knows(first.snapshot, first.leaks)
        self._desk.polled(first.snapshot)
        self._desk.run(self.player.run(wait_first=True), "poll")

    def _shown(self, moment: Moment, follows: bool) -> None:
        state = self._state
        if not follows:
            state.observation = restored(state.counts, self._recording.totals, self.index)
        state.observation.knows(moment.snapshot, moment.leaks)
        self._desk.polled(moment.snapshot)
        # Where the playing goes on before that was read, it is read up to the next one.
        if not follows or not self._whole:
            self._whole = False
            self._desk.run(relive(state, self._recording, self.index, moment, self._relived), RELIVE, alone=True)

    def _relived(self, found: Observation) -> None:
        self._state.observation, self._whole = found, True
        self._desk.redraw()

    def _unreadable(self, error: PgtopError) -> None:
        self._desk.tell(f"A moment can't be shown: {error}", "warning")

    def keys(self, offered: list[Binding]) -> tuple[list[Binding], Row]:
        player = self.player
        state = Playing(player.playing, player.at_end, player.speed, self.index, self._recording.times)
        keys = [one for one in offered if one.id in SHOWN or (one.id in OWN and one.show)]
        return keys, playing(state, ascii_only=self._state.terms.ascii)

    # Moving in time.

    def pause(self) -> None:
        if self.player.at_end:
            self.player.seek(0)
        self.player.play(not self.player.playing)
        self._desk.redraw_keys()

    def refresh(self) -> None:
        self.player.wake()

    def pace(self, step: int) -> None:
        self.player.faster(step)
        self._desk.redraw_keys()

    def step(self, step: int) -> None:
        self._hold_at(self.index + step)

    def last(self) -> None:
        self._hold_at(self.player.last)

    def go_to(self, at: float) -> None:
        self._hold_at(nearest_before(self._recording.times, at))

    def signal(self, step: int) -> None:
        """To the next signal, or with -1 to the one before."""
        index = next_mark(self._recording.marks, self._recording.times, self.index, step)
        self._hold_if(index, "No signal was sent" if not self._recording.marks else "No further signal that way")

    def peak(self, step: int) -> None:
        """To the next peak of the slots in use, or with -1 to the one before."""
        self._hold_if(next_peak(self._recording.totals, self.index, step), "No further peak that way")

    def jump(self) -> None:
        """To a time that is typed."""
        self._desk.push(GoToTime(self._recording.times, self.index), self._jumped)

    def _jumped(self, index: int | None) -> None:
        if index is not None:
            self.player.seek(index)

    def _hold_if(self, index: int | None, otherwise: str) -> None:
        if index is None:
            self._desk.tell(otherwise)
        else:
            self._hold_at(index)

    def _hold_at(self, index: int) -> None:
        self.player.play(False)
        if not 0 <= index <= self.player.last:
            self._desk.tell("This is the beginning of the recording" if index < 0 else "This is its end")
        self.player.seek(index)
