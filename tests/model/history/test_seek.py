"""Where to go on a tape: typed times, signals and peaks."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.history.moments import Mark
from pgtop_conn.model.history.seek import moment_named, nearest_before, next_mark, peaks

#: 2026-11-21 12:00 to 16:00 local time, a moment a minute.
NOON = datetime(2026, 11, 21, 12).astimezone().timestamp()
TIMES = [NOON + 60.0 * minute for minute in range(241)]


def mark(at: float) -> Mark:
    return Mark(at=at, action="terminate", pid=1, role="r", app="a", outcome="gone", chosen_by="the cursor")


@pytest.mark.parametrize(
    ("typed", "minute"),
    [
        ("14:03", 123),
        ("14:03:59", 123),
        ("2026-11-21 12:30", 30),
        ("2026-11-21T12:30:00", 30),
        ("+5m", 65),
        ("-30s", 59),
        ("-1h", 0),
        ("+1d", 240),
        ("50%", 120),
        ("0 %", 0),
        ("999%", 240),
        ("11:00", 0),
        ("23:59", 240),
    ],
)
def test_a_typed_time_finds_the_last_moment_not_after_it(typed: str, minute: int) -> None:
    assert moment_named(typed, TIMES, TIMES[60]) == minute


@pytest.mark.parametrize("typed", ["", "now", "25:00", "12:60", "2026-13-01 12:00", "+", "-5x", "%", "12", "1:2:3"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    with pytest.raises(BadInput, match="expected a time"):
        moment_named(typed, TIMES, TIMES[60])


def test_a_time_without_a_date_is_sought_on_the_day_before_too() -> None:
    after_midnight = [NOON + 3600.0 * hour for hour in range(24)]
    assert moment_named("13:00", after_midnight, after_midnight[20]) == 1


@given(st.text(max_size=24))
def test_any_text_is_a_moment_or_refused(typed: str) -> None:
    try:
        assert 0 <= moment_named(typed, TIMES, TIMES[7]) < len(TIMES)
    except BadInput:
        return


def test_signals_are_visited_in_both_directions() -> None:
    marks = [mark(NOON + 61), mark(NOON + 62), mark(NOON + 600), mark(NOON + 99_999)]
    assert [next_mark(marks, TIMES, index, 1) for index in (0, 2, 10, 240)] == [2, 10, 240, None]
    assert next_mark(marks, TIMES, 240, -1) == 10
    assert next_mark(marks, TIMES, 2, -1) is None


@given(st.lists(st.integers(0, 200), min_size=1))
def test_peaks_are_in_order_and_the_highest_is_among_them(used: list[int]) -> None:
    found = peaks(used)
    assert found == sorted(set(found))
    assert max(used) in [used[index] for index in found]


def test_noise_has_no_peaks_of_its_own() -> None:
    assert peaks([50, 51, 50, 52, 50, 51] * 100) == [3]


def test_before_the_first_moment_is_the_first() -> None:
    assert nearest_before(TIMES, 0.0) == 0
