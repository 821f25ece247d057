"""Capacity from history: figures that are weighted by time, what is unknown, and the sum behind what can be given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.history.moments import OTHERS, Totals
from pgtop_conn.model.history.timeline import column_of, columns, gaps, restarts
from pgtop_conn.model.history.usage import ENOUGH_S, Usage, growth, sentences, usage
from pgtop_conn.model.slots import Level
from tests.support.data.factories import NOW
from tests.support.data.histories import STARTED, histories, make_totals, series

DAY = 86_400


def of(totals: list[Totals]) -> Usage:
    found = usage(totals)
    assert found is not None
    return found


def test_no_poll_tells_nothing() -> None:
    assert usage([]) is None
    assert columns([], 80) == []


def test_peak_median_and_p95_are_weighted_by_time() -> None:
    # 100 s at 10, 6 s at 50, and the last poll stands for no time of its own.
    found = of([*series([10] * 50), make_totals(NOW + 100, 50), make_totals(NOW + 103, 50), make_totals(NOW + 106, 90)])
    assert (found.peak, found.peak_at) == (90, NOW + 106)
    assert (found.median, found.p95, found.observed_s) == (10, 50, 106.0)
    # Thinned to a poll every 20 s it is the same: what stands for longer weighs more.
    thin = [*series([10] * 5, 20), make_totals(NOW + 100, 50), make_totals(NOW + 103, 50), make_totals(NOW + 106, 90)]
    again = of(thin)
    assert (again.median, again.p95, again.observed_s, again.peak) == (10, 50, 106.0, 90)


def test_a_gap_and_a_restart_are_no_time_of_observation() -> None:
    before, after = series([90] * 10), series([10] * 10, since=NOW + 600)
    found = of([*before, *after])
    assert gaps([*before, *after]) == [(NOW + 18, NOW + 600)]
    assert found.observed_s == 36.0
    restarted = [*before, *series([10] * 10, since=NOW + 20, started_at=STARTED + 50)]
    assert gaps(restarted) == []
    assert restarts(restarted) == [(NOW + 18, NOW + 20)]
    assert of(restarted).observed_s == 36.0
    # What is unknown is no restart.
    assert restarts([*before, *series([1], since=NOW + 20, started_at=None)]) == []


def test_a_history_that_is_thinner_where_it_is_older_has_no_gaps() -> None:
    old, middle = series([1] * 20, 60), series([1] * 20, 10, since=NOW + 1200)
    new = series([1] * 20, 2, since=NOW + 1400)
    assert gaps([*old, *middle, *new]) == []
    assert gaps([*old, *middle, *series([1] * 20, 2, since=NOW + 1500)]) == [(NOW + 1390, NOW + 1500)]


def test_hours_that_nobody_saw_are_unknown() -> None:
    # NOW is 12:00 UTC; 90 minutes.
    found = of(series([20] * 2701))
    assert sorted(found.hours) == [12, 13]
    assert (found.hours[12].mean, found.hours[12].most, found.hours[12].seen_s) == (20.0, 20, 3600.0)
    assert found.hours[13].seen_s == 1800.0
    # A poll stands for the time on both sides of the full hour.
    across = of([make_totals(NOW + 3590, 30), make_totals(NOW + 3610, 50)])
    assert [(hour, one.mean, one.most, one.seen_s) for hour, one in across.hours.items()] == [
        (12, 30.0, 30, 10.0),
        (13, 30.0, 50, 10.0),
    ]
    local = usage(series([20] * 10), zone=timezone(timedelta(hours=5, minutes=30)))
    assert local is not None
    assert list(local.hours) == [17]


def test_time_in_levels() -> None:
    # 97 ordinary slots: warning from 77.6, critical from 92.15, full from 97 on.
    found = of(series([10, 78, 93, 97, 100, 10], 60))
    assert found.level_s == {Level.OK: 60.0, Level.WARNING: 60.0, Level.CRITICAL: 60.0, Level.FULL: 120.0}


def test_who_grew() -> None:
    apps = [{"a": 5, "b": 9, "c": 1}, {"a": 30, "b": 8}, {"a": 25, "b": 9, "d": 2}]
    polls = [make_totals(NOW + 1800 * number, apps=one) for number, one in enumerate(apps)]
    found = growth(polls)
    assert [(one.app, one.first, one.last, one.most, one.per_hour) for one in found] == [
        ("a", 5, 25, 30, 20.0),
        ("d", 0, 2, 2, 2.0),
        ("c", 1, 0, 1, -1.0),
        ("b", 9, 9, 9, 0.0),
    ]
    # Who was not among those that are counted by name is unknown, not nobody.
    found = growth([replace(polls[0], apps={"b": 3, OTHERS: 7}), polls[1]])
    assert [(one.app, one.first, one.change, one.per_hour) for one in found] == [
        ("b", 3, 5, 10.0),
        ("a", None, None, None),
    ]
    assert all(one.per_hour is None for one in growth(series([1, 2])))


@pytest.mark.parametrize(
    ("peak", "most", "said"),
    [
        (60, 100, "You could give 27 more connections to the pools: 97 slots of ordinary logins (max_connections 100"
         " without its reserves) - 60 at the peak - 10 as a buffer (10 % of 97) = 27"),
        (86, 100, "You could give 1 more connection to the pools"),
        (87, 100, "Nothing is left to give to the pools: 97"),
        (97, 100, "Nothing is left to give to the pools, 10 are missing to a safe distance: 97"),
        (4, 20, "You could give 10 more connections to the pools: 17 slots of ordinary logins (max_connections 20"
         " without its reserves) - 4 at the peak - 3 as a buffer (at least 3) = 10"),
    ],
)  # fmt: skip
def test_what_could_be_given_to_the_pools(peak: int, most: int, said: str) -> None:
    day = [*series([3] * 1440, 60, max=most), make_totals(NOW + DAY, peak, max=most)]
    assert len(sentences(of(day))) == 1
    assert sentences(of(day))[0].startswith(said)


def test_what_narrows_it_and_how_far_it_can_be_trusted() -> None:
    limits = [
        {"role reporting": (9, 10), "database shop": (5, 80)},
        {"role reporting": (4, 10), "database shop": (5, 80)},
    ]
    found = of([make_totals(NOW + 60 * number, 20, limits=one, exact=False) for number, one in enumerate(limits)])
    said = sentences(found)
    assert said[1] == "role reporting has a limit of its own: 10 - 9 at its peak = 1 more, whatever is free"
    assert said[2].startswith("1 min were watched, less than a day: this is the peak of that time only")
    assert "upper bound" in said[3]
    assert len(said) == 4
    assert [(one.name, one.most, one.most_at) for one in found.limits] == [
        ("role reporting", 9, NOW),
        ("database shop", 5, NOW),
    ]
    full = of([make_totals(NOW + 60 * number, limits={"role x": (3, 3)}) for number in range(3)])
    assert full.limits[0].full_s == 120.0
    assert sentences(full)[1] == "role x has a limit of its own: all 3 were used, so no more, whatever is free"


def test_the_reserves_and_the_capacity_are_those_of_the_newest_poll() -> None:
    found = of([make_totals(NOW, 10, max=100), make_totals(NOW + 2, 10, max=200, ordinary_capacity=150)])
    assert (found.max, found.ordinary_capacity, found.buffer, found.spare) == (200, 150, 15, 125)


@given(histories())
def test_what_is_true_of_every_history(history: list[Totals]) -> None:
    found = of(history)
    assert found.median <= found.p95 <= found.peak == max(one.used for one in history)
    assert min(one.used for one in history) <= found.median
    assert sum(found.level_s.values()) == pytest.approx(found.observed_s)
    assert sum(hour.seen_s for hour in found.hours.values()) == pytest.approx(found.observed_s, abs=1e-3)
    assert 0 <= found.observed_s <= found.last_at - found.first_at + 1e-6
    assert max(hour.most for hour in found.hours.values()) == found.peak
    assert found.spare + found.peak + found.buffer == found.ordinary_capacity
    assert sentences(found)
    assert found.is_short == (found.observed_s < ENOUGH_S)
    # The order in which polls come is no matter.
    again = of(sorted(history, key=lambda one: one.used))
    assert (again.peak, again.p95, again.observed_s) == (found.peak, found.p95, found.observed_s)


@given(histories(min_size=2), st.data())
def test_more_history_never_lowers_the_peak(history: list[Totals], data: st.DataObject) -> None:
    part = data.draw(st.integers(1, len(history)))
    assert of(history[:part]).peak <= of(history).peak


@given(histories(), st.integers(1, 200))
def test_columns_keep_the_peak_and_leave_gaps_empty(history: list[Totals], width: int) -> None:
    found = columns(history, width)
    assert len(found) == width
    assert max(one.totals.used for one in found if one.totals) == max(one.used for one in history)
    assert not any(one.gap and one.totals for one in found)
    for one in history:
        index = column_of(found, one.at, history[-1].at)
        assert index is not None
        seen = found[index].totals
        assert seen is not None
        assert seen.used >= one.used
