"""The ring: every poll of the last minutes, ever fewer of what is before, and never more than it may take."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings

from pgtop_conn.model.history.moments import Mark, Moment
from pgtop_conn.recording import ring as ring_module
from pgtop_conn.recording.ring import Ring
from tests.recording.test_file import steps
from tests.support.data.factories import NOW, make_backend, make_snapshot
from tests.support.data.moments import same, sequences, totals_of


def filled(moments: list[Moment], memory: int = 64 * 2**20) -> Ring:
    """A ring that was given these."""
    ring = Ring(memory)
    for moment in moments:
        ring.add(moment, totals_of(moment))
    return ring


def every(seconds: float, count: int) -> list[Moment]:
    """Polls so far apart."""
    snapshot = make_snapshot([make_backend(1)])
    return [Moment(replace(snapshot, taken_at=NOW + seconds * number), ()) for number in range(count)]


@settings(max_examples=60, deadline=None)
@given(sequences())
def test_what_is_kept_is_what_was_added(moments: list[Moment]) -> None:
    ring = filled(moments)
    assert list(ring.times) == [moment.snapshot.taken_at for moment in moments]
    assert same(list(ring.totals), [totals_of(moment) for moment in moments])
    assert all(same(ring.moment(index), moment) for index, moment in enumerate(moments))


def test_it_gets_thinner_with_age() -> None:
    moments = every(2.0, 6 * 1800)
    times = filled(moments).times
    now = moments[-1].snapshot.taken_at
    apart = [(now - later, later - earlier) for earlier, later in pairwise(times)]
    assert times[-1] == now
    assert times[0] == NOW
    assert {gap for age, gap in apart if age < 600} == {2.0}
    assert {gap for age, gap in apart if 1200 < age < 4 * 3600} == {10.0}
    assert {gap for age, gap in apart if age > 5 * 3600} == {60.0}
    assert len(times) < 2200


def test_a_clock_that_was_put_back_changes_neither_the_order_nor_what_is_kept() -> None:
    before = every(2.0, 3000)
    after = [Moment(replace(one.snapshot, taken_at=one.snapshot.taken_at - 86_400.0), ()) for one in before]
    polled = {one.snapshot.taken_at: number for number, one in enumerate([*before, *after])}
    times = filled([*before, *after]).times
    numbers = [polled[at] for at in times]
    assert numbers == sorted(set(numbers))
    assert numbers[-300:] == list(range(5700, 6000))
    # Every poll of ten minutes, and of one block at most behind them; before that every fifth.
    assert len(times) < 300 + 512 + 6000 / 5


def test_each_kept_moment_can_be_shown() -> None:
    moments = steps(900, sessions=5)
    by_time = {moment.snapshot.taken_at: moment for moment in moments}
    ring = filled(moments)
    for index in (0, 1, 40, len(ring.times) - 1, len(ring.times) // 2, 7):
        assert same(ring.moment(index), by_time[ring.times[index]])
        assert ring.totals[index].at == ring.times[index]


def test_it_takes_no_more_than_it_may_and_the_oldest_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "BLOCK_MOMENTS", 16)
    memory = 60_000
    ring = Ring(memory)
    for moment in steps(1200, sessions=40):
        ring.add(moment, totals_of(moment))
        assert ring.size <= memory
    assert ring.times[0] > NOW + 100
    assert ring.times[-1] == NOW + 2.0 * 1199
    assert list(ring.times) == sorted(ring.times)
    assert ring.moment(0).snapshot.taken_at == ring.times[0]


def test_a_clock_that_was_put_back_keeps_what_comes() -> None:
    ring = filled([*every(2.0, 50), *every(2.0, 3)])
    assert ring.times[-1] == NOW + 4.0
    assert ring.moment(len(ring.times) - 1).snapshot.taken_at == NOW + 4.0


def test_looking_back_goes_on_while_polls_come_in() -> None:
    ring = Ring()
    moments = steps(300, sessions=5)
    for number, moment in enumerate(moments):
        ring.add(moment, totals_of(moment))
        back = max(0, number - 3)
        assert same(ring.moment(ring.times.index(moments[back].snapshot.taken_at)), moments[back])
    ring.rest()
    assert same(ring.moment(len(ring.times) - 1), moments[-1])


def test_a_step_back_shares_its_sessions_with_the_step_before() -> None:
    ring = filled(steps(40, sessions=10))
    last, before = ring.moment(39).snapshot, ring.moment(38).snapshot
    assert sum(a is b for a, b in zip(last.backends, before.backends, strict=True)) == 9


def test_marks_are_kept_and_the_oldest_give_way() -> None:
    ring = Ring()
    for number in range(1200):
        ring.mark(Mark(NOW + number, "cancel", number, "app", "web", "gone", "marks"))
    assert [mark.pid for mark in ring.marks] == list(range(200, 1200))


def test_there_is_no_such_moment() -> None:
    with pytest.raises(IndexError):
        Ring().moment(0)
