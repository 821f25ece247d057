"""The main screen on a recording: the same lines, and keys that move in its time. Nothing is asked and nothing sent."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Moment, Tape
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.history.restore import restored
from pgtop_conn.model.history.seek import nearest_before, next_mark, next_peak
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.player import Player
from pgtop_conn.monitor.tape_reader import ReadTape
from pgtop_conn.tui.dialogs.go_to_time import Jump
from pgtop_conn.tui.keys.monitor import available
from pgtop_conn.tui.keys.replay import KEYS, LEFT_OUT, OWN, SHOWN
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.monitor_screen import MainScreen
from pgtop_conn.view.status.replay_status import Playing, playing

RECORDED = "This is a recording: no session can be cancelled or terminated"


class ReplayScreen(MainScreen):
    """Shows what the player gives it as if it were polled; `tape` is the whole recording, of one moment at least.

    Raises PgtopError where its first moment can't be read.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, source: Source, tape: Tape, options: ScreenOptions) -> None:
        self._recording = ReadTape(tape)
        self.player = Player(self._recording, self._shown, self._unreadable, self.show_progress)
        first = tape.moment(0)
        super().__init__(
            source, replace(options, first=first.snapshot, ring=None, open_recorder=None, always_record=None)
        )
        self.observation.knows(first.snapshot, first.leaks)
        #: Whether all is known that makes the rates of the moment that is shown.
        self._whole = True
        left = [one for one in available(read_only=True) if one.id not in OWN | LEFT_OUT]
        self.use_bindings([*KEYS, *left])

    def on_mount(self) -> None:
        self.run_worker(self._recording.read_ahead(), name="read ahead")
        if self.options.tape_remark:
            self.tell(self.options.tape_remark, "warning")

    def make_poller(self, source: Source) -> Player:
        return self.player

    @property
    def tape(self) -> Tape:
        return self._recording

    @property
    def moment_index(self) -> int:
        return self.player.index or 0

    @property
    def held(self) -> bool:
        return not self.player.playing

    @property
    def refusal(self) -> str:
        return RECORDED

    @property
    def remark(self) -> str:
        return f"{RECORDED}."

    # What the player brings.

    def _shown(self, moment: Moment, follows: bool) -> None:
        if not follows:
            self.observation = restored(self._counts, self._recording.totals, self.moment_index)
        self.observation.knows(moment.snapshot, moment.leaks)
        self.on_polled(moment.snapshot)
        # Where the playing goes on before that was read, it is read up to the next one.
        if not follows or not self._whole:
            self._whole = False
            self.relive(self.moment_index, moment, self._relived_here)

    def _relived_here(self, found: Observation) -> None:
        self.observation, self._whole = found, True
        self.show_gauges()
        self.show_table()

    def _unreadable(self, error: PgtopError) -> None:
        self.tell(f"A moment can't be shown: {error}", "warning")

    def show_progress(self) -> None:
        player = self.player
        state = Playing(player.playing, player.at_end, player.speed, self.moment_index, self._recording.times)
        keys = self.offered()
        if not self.filter_bar.display:
            keys = [one for one in keys if one.id in SHOWN or (one.id in OWN and one.show)]
        self.show_key_line(keys, playing(state, ascii_only=self.options.ascii))

    # Moving in time.

    def go_to_moment(self, index: int) -> bool:
        return self.player.seek(index)

    def action_pause(self) -> None:
        if self.player.at_end:
            self.player.seek(0)
        self.player.play(not self.player.playing)
        self.show_progress()

    def action_interval(self, step: int) -> None:
        self.player.faster(step)
        self.show_progress()

    def action_step(self, step: int) -> None:
        self._hold_at(self.moment_index + step)

    def action_live(self) -> None:
        self._hold_at(self.player.last)

    def action_signal(self, step: int) -> None:
        index = next_mark(self._recording.marks, self._recording.times, self.moment_index, step)
        self._hold_if(index, "No signal was sent" if not self._recording.marks else "No further signal that way")

    def action_peak(self, step: int) -> None:
        self._hold_if(next_peak(self._recording.totals, self.moment_index, step), "No further peak that way")

    def action_jump(self) -> None:
        self.app.push_screen(Jump(self._recording.times, self.moment_index), self._jumped)

    def _jumped(self, index: int | None) -> None:
        if index is not None:
            self.go_to_moment(index)

    def _chose_moment(self, at: float | None) -> None:
        if at is not None:
            self._hold_at(nearest_before(self._recording.times, at))

    def _hold_if(self, index: int | None, otherwise: str) -> None:
        if index is None:
            self.tell(otherwise)
        else:
            self._hold_at(index)

    def _hold_at(self, index: int) -> None:
        self.player.play(False)
        if not 0 <= index <= self.player.last:
            self.tell("This is the beginning of the recording" if index < 0 else "This is its end")
        self.go_to_moment(index)
