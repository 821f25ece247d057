"""Rates and forecasts on made-up histories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.history import History
from pgtop_conn.model.slots import SlotBudget
from tests.factories import NOW, make_snapshot


def history_of(*used: int, every_s: float = 2.0) -> History:
    history = History()
    for index, value in enumerate(used):
        history.add(NOW + index * every_s, value, {("app", "web"): value})
    return history


def test_a_steady_leak_has_its_rate_and_a_forecast() -> None:
    history = history_of(*range(10, 70))
    trend = history.trend(SlotBudget.of(make_snapshot()))
    assert trend is not None
    assert trend.per_minute is not None
    assert abs(trend.per_minute - 30.0) < 0.01
    assert trend.seconds_to_full is not None
    assert abs(trend.seconds_to_full - 95 / 30 * 60) < 1
    assert history.per_minute(("app", "web")) == trend.per_minute
    assert (trend.peak, trend.peak_at) == (69, NOW + 118)


def test_flat_and_falling_have_no_forecast() -> None:
    budget = SlotBudget.of(make_snapshot())
    for values in ([50] * 40, range(90, 40, -1)):
        trend = history_of(*values).trend(budget)
        assert trend is not None
        assert trend.seconds_to_full is None


@given(st.lists(st.integers(-3, 3), min_size=30, max_size=120), st.integers(0, 29))
def test_one_burst_does_not_make_a_rate(noise: list[int], burst: int) -> None:
    values = [50 for _ in noise]
    values[burst] += 40
    rate = history_of(*values).per_minute()
    assert rate == 0.0


def test_little_history_says_nothing() -> None:
    assert history_of(1, 2, 3).per_minute() is None
    assert History().trend(SlotBudget.of(make_snapshot())) is None


def test_a_clock_set_back_starts_again() -> None:
    history = history_of(*range(60))
    history.add(NOW - 1000, 5, {})
    assert history.used(10) == [5]
