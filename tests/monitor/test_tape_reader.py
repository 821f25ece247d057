"""Totals of a recording: read ahead a few at a time, complete when they are needed, whatever is damaged."""

from __future__ import annotations

from collections.abc import Sequence

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.monitor.tape_reader import AT_ONCE, TapeReader
from tests.support.data.crowds import POLLS
from tests.support.data.factories import NOW
from tests.support.data.histories import make_totals
from tests.support.data.tapes import ListTape
from tests.support.fake_source import monitor, on_main, screen_text


class Lazy(list[Totals]):
    """Counts what was read; those in `damaged` can't be."""

    def __init__(self, totals: Sequence[Totals], damaged: Sequence[int] = ()) -> None:
        super().__init__(totals)
        self.read = 0
        self._damaged = damaged

    def __getitem__(self, index: int) -> Totals:  # type: ignore[override]
        self.read += 1
        if index in self._damaged:
            raise BadInput("damaged")
        return super().__getitem__(index)


class LazyTape(ListTape):
    """A tape on such totals."""

    def __init__(self, totals: Lazy) -> None:
        super().__init__()
        self.totals = totals

    @property
    def times(self) -> list[float]:
        return [NOW + 2.0 * index for index in range(len(self.totals))]


async def test_totals_are_read_once_and_a_few_at_a_time() -> None:
    lazy = Lazy([make_totals(NOW + 2.0 * index, used=index) for index in range(3 * AT_ONCE)])
    tape = TapeReader(LazyTape(lazy))
    reading = tape.read_ahead()
    reading.send(None)
    assert lazy.read == AT_ONCE
    reading.close()
    assert [one.used for one in tape.totals] == list(range(3 * AT_ONCE))
    await tape.read_ahead()
    assert lazy.read == 3 * AT_ONCE


def test_totals_that_cannot_be_read_are_those_before_them() -> None:
    lazy = Lazy([make_totals(NOW, used=number) for number in (5, 6, 7, 8)], damaged=(0, 2))
    totals = TapeReader(LazyTape(lazy)).totals
    assert [one.used for one in totals] == [0, 6, 6, 8]
    assert [one.at for one in totals[:3:2]] == [NOW, NOW + 4.0]


class DamagedTape(ListTape):
    """Its second moment can't be read, nor what it adds up to."""

    def __init__(self) -> None:
        super().__init__(POLLS)
        self.totals = Lazy(self.totals, damaged=(1,))

    def moment(self, index: int) -> Moment:
        if index == 1:
            raise BadInput("damaged")
        return super().moment(index)


async def test_a_recording_with_a_moment_that_cannot_be_read_is_shown_and_its_history_drawn() -> None:
    tape = DamagedTape()
    tape.mark(Mark(at=NOW + 1.0, action="cancel", pid=1, role="r", app="a", outcome="gone", chosen_by="the cursor"))
    async with monitor(tape=tape) as (app, _source, pilot):
        await pilot.press("p", "end")
        assert "21/100" in screen_text(app)[1]
        await pilot.press("M", "h", "m", "N", "enter")
        await pilot.pause()
        assert on_main(app)
