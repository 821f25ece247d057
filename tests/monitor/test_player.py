"""The player: every moment in its turn, speeds that pass over what nobody could read, and ends that are ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.monitor.player import SPEEDS, Player
from tests.support.data.factories import make_snapshot
from tests.support.waits import HANG_S


class Tape:
    """Moments `every_s` apart; those in `damaged` can't be read."""

    def __init__(self, count: int, every_s: float, damaged: Sequence[int] = ()) -> None:
        self.times = [1000.0 + every_s * index for index in range(count)]
        self.totals: list[Totals] = []
        self.marks: list[Mark] = []
        self._damaged = damaged

    def moment(self, index: int) -> Moment:
        if index in self._damaged:
            raise BadInput("damaged")
        return Moment(make_snapshot(taken_at=self.times[index]), ())


class Shown:
    """A player and what it showed."""

    def __init__(self, tape: Tape) -> None:
        self.times: list[float] = []
        self.follows: list[bool] = []
        self.errors: list[PgtopError] = []
        self.changes = 0
        self.came = asyncio.Event()
        self.player = Player(tape, self._shown, self._failed, self._changed)

    def _shown(self, moment: Moment, follows: bool) -> None:
        self.times.append(moment.snapshot.taken_at)
        self.follows.append(follows)
        self.came.set()

    def _failed(self, error: PgtopError) -> None:
        self.errors.append(error)

    def _changed(self) -> None:
        self.changes += 1
        self.came.set()

    async def until_end(self) -> None:
        while self.player.playing:
            self.came.clear()
            await asyncio.wait_for(self.came.wait(), HANG_S)


async def played(tape: Tape, speed: float) -> Shown:
    """The tape from its beginning to its end."""
    shown = Shown(tape)
    shown.player.speed = speed
    task = asyncio.create_task(shown.player.run())
    await shown.until_end()
    await shown.player.stop()
    await task
    return shown


async def test_every_moment_is_shown_in_order_and_follows_the_one_before() -> None:
    shown = await played(Tape(5, 0.2), 2.0)
    assert shown.times == [1000.0, 1000.2, 1000.4, 1000.6, 1000.8]
    assert shown.follows == [False, True, True, True, True]
    assert shown.player.at_end
    assert shown.changes == 1


async def test_a_high_speed_passes_over_moments_but_shows_the_last() -> None:
    shown = await played(Tape(500, 2.0), SPEEDS[-1])
    assert len(shown.times) < 100
    assert shown.times[-1] == 1000.0 + 2.0 * 499


async def test_a_clock_that_was_put_back_passes_nothing_over() -> None:
    tape = Tape(6, 0.1)
    tape.times[3:] = [900.0, 900.1, 900.2]
    shown = await played(tape, 1.0)
    assert shown.times == tape.times


async def test_a_moment_that_cannot_be_read_is_told_and_passed_over() -> None:
    shown = await played(Tape(4, 0.1, damaged=(1, 2)), 1.0)
    assert shown.times == [1000.0, 1000.0 + 0.1 * 3]
    assert len(shown.errors) == 2


async def test_a_tape_whose_end_cannot_be_read_ends_there() -> None:
    shown = await played(Tape(4, 0.1, damaged=(2, 3)), 1.0)
    assert len(shown.times) == 2
    assert not shown.player.playing


async def test_a_seek_is_shown_at_once_and_follows_nothing() -> None:
    shown = Shown(Tape(100, 2.0))
    shown.player.play(False)
    assert shown.player.seek(50)
    assert shown.player.seek(51)
    assert shown.player.seek(999)
    assert shown.player.seek(-3)
    assert shown.times == [1100.0, 1102.0, 1198.0, 1000.0]
    assert shown.follows == [False, True, False, False]


async def test_a_player_that_is_paused_ends_when_it_is_stopped() -> None:
    shown = Shown(Tape(100, 2.0))
    shown.player.play(False)
    task = asyncio.create_task(shown.player.run(wait_first=True))
    await asyncio.sleep(0)
    await asyncio.wait_for(shown.player.stop(), HANG_S)
    await task
    assert shown.times == []


def test_speeds_end_at_both_ends() -> None:
    player = Player(Tape(2, 1.0), lambda _moment, _follows: None, lambda _error: None, lambda: None)
    for _ in range(20):
        player.faster(1)
    assert player.speed == SPEEDS[-1]
    for _ in range(40):
        player.faster(-1)
    assert player.speed == SPEEDS[0]
