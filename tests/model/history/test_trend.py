"""Rates and forecasts on made-up histories: leak, noise, saw-tooth, step, restart."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.history.trend import (
    GROUPS_EVERY_S,
    GROUPS_KEPT,
    RATE_NEEDS_S,
    TREND_SIGMAS,
    TREND_TAU,
    History,
    Trend,
    current_rate,
    slope,
)
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Counters
from tests.support.data.factories import NOW, make_backend, make_own, make_server, make_snapshot

GROUP = (("app", "web"),)
#: 1000 slots, 997 of them for ordinary roles, one in use.
ROOMY = SlotBudget.of(make_snapshot([make_own()], server=make_server(max_connections=1000)))


def history_of(used: Iterable[float], every_s: float = 2.0, started_at: float = 1.0) -> History:
    history = History()
    for index, value in enumerate(used):
        count = round(value)
        history.add(NOW + index * every_s, count, partial(dict, [(GROUP, count)]), started_at=started_at)
    return history


def trend_of(history: History) -> Trend:
    trend = history.trend(ROOMY)
    assert trend is not None
    return trend


@given(
    per_minute=st.floats(1, 120),
    every_s=st.sampled_from([0.25, 1.0, 2.0, 10.0]),
    seed=st.integers(0, 10_000),
    noise=st.integers(0, 2),
)
def test_a_leak_has_its_rate_and_a_forecast_through_noise(
    per_minute: float, every_s: float, seed: int, noise: int
) -> None:
    rng = random.Random(seed)
    polls = int(400 / every_s)
    climb = per_minute * 300 / 60
    history = history_of(
        (10 + per_minute * i * every_s / 60 + rng.randint(-noise, noise) for i in range(polls)), every_s
    )
    trend = trend_of(history)
    assert trend.per_minute is not None
    # Counts are whole numbers with noise of a few sessions: over five minutes that bounds the error of the rate.
    assert trend.per_minute == pytest.approx(per_minute, abs=(2 * noise + 1.5) / 5 * 1.5)
    if climb > 20 * (noise + 1):
        assert trend.seconds_to_full == pytest.approx(60 * ROOMY.ordinary_free / trend.per_minute)
        assert history.per_minute(GROUP) == pytest.approx(per_minute, rel=0.3, abs=1.5)


@given(seed=st.integers(0, 10_000), spread=st.integers(1, 20))
def test_noise_around_a_level_is_no_forecast(seed: int, spread: int) -> None:
    rng = random.Random(seed)
    assert trend_of(history_of(100 + rng.randint(-spread, spread) for _ in range(150))).seconds_to_full is None


@given(period=st.integers(4, 30), height=st.integers(2, 60))
def test_a_saw_tooth_is_no_forecast(period: int, height: int) -> None:
    values = [100 + height * (i % period) / period for i in range(150)]
    assert trend_of(history_of(values)).seconds_to_full is None


@given(at=st.integers(0, 149), height=st.integers(1, 500))
def test_one_step_is_no_growth_per_minute_for_ever(at: int, height: int) -> None:
    history = history_of(100 + (height if i >= at else 0) for i in range(150))
    trend = trend_of(history)
    # A step in the middle of the window is seen by half of all pairs; as soon as it is old it is flat again.
    assert trend_of(history_of([100.0] * 10 + [100.0 + height] * 300)).seconds_to_full is None
    assert trend.peak == (100 + height if at < 150 else 100)


@given(st.integers(0, 29), st.integers(1, 500))
def test_one_burst_does_not_make_a_rate(burst: int, height: int) -> None:
    values = [50.0] * 60
    values[burst] += height
    assert trend_of(history_of(values)).per_minute == 0.0


def test_falling_and_flat_have_no_forecast() -> None:
    for values in ([50.0] * 60, [float(v) for v in range(150, 40, -1)]):
        assert trend_of(history_of(values)).seconds_to_full is None


def test_a_restart_begins_the_rate_anew_and_keeps_the_high_water_mark() -> None:
    history = history_of(range(10, 90), started_at=1.0)
    before = trend_of(history)
    assert before.per_minute == pytest.approx(30)
    for index in range(3):
        history.add(NOW + 200 + 2 * index, 3, lambda: {GROUP: 3}, started_at=NOW + 190)
    after = trend_of(history)
    assert (after.per_minute, after.seconds_to_full) == (None, None)
    assert (after.peak, after.peak_at) == (before.peak, before.peak_at) == (89, NOW + 158)
    assert history.per_minute(GROUP) is None


def test_little_history_says_nothing() -> None:
    history = history_of([1, 2, 3])
    assert trend_of(history).per_minute is None
    assert history.per_minute(GROUP) is None
    assert History().trend(ROOMY) is None
    needed = math.ceil(RATE_NEEDS_S / 2.0) + 1
    assert trend_of(history_of(range(needed))).per_minute is not None


def test_no_forecast_when_it_is_full_already() -> None:
    rows = [make_own(), *(make_backend(pid) for pid in range(1, 97))]
    trend = history_of(range(60)).trend(SlotBudget.of(make_snapshot(rows)))
    assert trend is not None
    assert trend.seconds_to_full is None


def test_a_clock_set_back_starts_again() -> None:
    history = history_of(range(60))
    history.add(NOW - 1000, 5, dict, started_at=1.0)
    assert history.used(10) == [5]


def counted(history: History, seconds: Iterable[int], opened_per_s: float, transactions_per_s: float) -> None:
    for second in seconds:
        history.add(
            NOW + second,
            10 + second // 2,
            dict,
            started_at=1.0,
            counters=Counters(
                at=NOW + second,
                opened=int(opened_per_s * second),
                abandoned=0,
                fatal=second,
                killed=3,
                transactions=int(transactions_per_s * second),
                numbackends=10,
            ),
        )


def test_sessions_a_second_come_from_the_counters() -> None:
    history = History()
    counted(history, range(0, 100, 5), 2.0, 40.0)
    churn = history.churn()
    assert churn is not None
    assert (churn.opened, churn.killed, churn.fatal) == (2.0, 0.0, 1.0)
    assert churn.transactions == pytest.approx(40.0)


def test_reset_counters_and_one_reading_say_nothing() -> None:
    history = History()
    assert history.churn() is None
    counted(history, [0], 1, 1)
    assert history.churn() is None
    history = History()
    counted(history, range(0, 50, 5), 2.0, 40.0)
    history.add(NOW + 55, 10, dict, started_at=1.0, counters=Counters(NOW + 55, 0, 0, 0, 0, 0, 10))
    assert history.churn() is None


def test_servers_without_session_counters_still_count_transactions() -> None:
    history = History()
    for second in (0, 5, 10):
        counters = Counters(NOW + second, None, None, None, None, 100 * second, 3)
        history.add(NOW + second, 10, dict, counters=counters)
    churn = history.churn()
    assert churn is not None
    assert (churn.opened, churn.transactions) == (None, 100.0)


def test_connections_that_climb_without_more_work_are_the_leak_signature() -> None:
    flat = History()
    counted(flat, range(0, 120, 5), 1.0, 50.0)
    assert flat.leak_signature()
    busy = History()
    for second in range(0, 120, 5):
        transactions = second * second
        counters = Counters(NOW + second, second, 0, 0, 0, transactions, 10)
        busy.add(NOW + second, 10 + second // 2, dict, counters=counters)
    assert not busy.leak_signature()
    steady = History()
    for second in range(0, 120, 5):
        steady.add(NOW + second, 10, dict, counters=Counters(NOW + second, second, 0, 0, 0, 50 * second, 10))
    assert not steady.leak_signature()


def test_a_refill_after_a_kill_and_a_full_server_show_what_happens_now() -> None:
    flat, refill = [55.0] * 150, [30.0 + 2 * index for index in range(20)]
    refilling = trend_of(history_of([*flat, *refill]))
    assert refilling.per_minute is not None
    assert refilling.per_minute > 20
    full = trend_of(history_of([*(float(v) for v in range(20, 140)), *([140.0] * 32)]))
    assert full.per_minute == 0.0


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 4)), min_size=1, max_size=12),
    st.integers(1, 3 * GROUPS_KEPT),
    st.booleans(),
)
def test_rates_of_groups_are_those_of_all_counts_of_the_window(
    cycle: list[dict[str, int]], polls: int, restart: bool
) -> None:
    """Only what changes is kept of them: it comes to the same."""
    history, kept = History(), list[tuple[float, dict[str, int]]]()
    for index in range(polls):
        at, counts = NOW + index * GROUPS_EVERY_S, cycle[index % len(cycle)]
        started = float(restart and index >= polls // 2)
        if restart and index == polls // 2:
            kept.clear()
        kept.append((at, counts))
        history.add(at, 1, partial(dict, counts), started_at=started)
    for group in "abcd":
        points = [(at, counts.get(group, 0)) for at, counts in kept[-GROUPS_KEPT:]]
        assert history.per_minute(group) == current_rate(points)


@given(st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 5)), min_size=2, max_size=24))
def test_a_slope_is_the_median_of_all_pairs(steps: list[tuple[float, int]]) -> None:
    """And a trend where they agree on their sign."""
    at, series = NOW, list[tuple[float, float]]()
    for step, value in steps:
        series.append((at := at + step, value))
    if series[-1][0] - series[0][0] < RATE_NEEDS_S:
        assert slope(series) == (None, False)
        return
    pairs = [(one, other) for index, one in enumerate(series) for other in series[index + 1 :]]
    slopes = [(other[1] - one[1]) / (other[0] - one[0]) for one, other in pairs]
    agreed = abs(sum(slope > 0 for slope in slopes) - sum(slope < 0 for slope in slopes)) / len(slopes)
    count = len(series)
    spread = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    assert slope(series) == (60.0 * statistics.median(slopes), agreed >= min(TREND_TAU, TREND_SIGMAS * spread))
