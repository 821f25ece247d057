"""Numbers as text: exact widths, never more than is there, and instants that survive a round trip."""

from __future__ import annotations

import doctest
import re
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.view import format
from pgtop_conn.view.format import bar, count, duration, iso, percent, sparkline

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
fractions = st.one_of(st.floats(0, 1), st.floats(allow_nan=True))
widths = st.integers(0, 60)


def read_back(text: str) -> float:
    """Seconds of a duration as shown; digits without a unit at the end are seconds (`4m05`)."""
    parts = re.findall(r"([0-9.]+)([smhd]?)", text)
    return sum(float(number) * UNITS_S[unit or "s"] for number, unit in parts)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (nan, ""),
        (-3.0, "0.0s"),
        (0.0, "0.0s"),
        (0.39, "0.3s"),
        (0.9999, "0.9s"),
        (1.0, "1s"),
        (59.999, "59s"),
        (60.0, "1m00"),
        (245.0, "4m05"),
        (3599.9, "59m59"),
        (3600.0, "1h00m"),
        (11_520.0, "3h12m"),
        (86_399.0, "23h59m"),
        (187_200.0, "2d04h"),
        (8_639_999.0, "99d23h"),
        (8_640_000.0, "100d"),
        (inf, "99999d"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 1e12))
def test_duration_is_short_and_never_more_than_it_is(seconds: float) -> None:
    text = duration(seconds)
    assert 0 < len(text) <= 6
    assert read_back(text) <= seconds


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_longer_never_looks_shorter(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    assert read_back(duration(shorter)) <= read_back(duration(longer))


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(187, 200, "93 %"), (199.9, 200, "99 %"), (200, 200, "100 %"), (0, 5, "0 %"), (3, 0, "")],
)
def test_percent(part: float, whole: float, text: str) -> None:
    assert percent(part, whole) == text


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_percent_is_rounded_down(part: int, whole: int) -> None:
    assert percent(part, whole) == f"{100 * part // whole} %"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (187, "187"),
        (9999, "9999"),
        (12_399, "12.3k"),
        (999_999, "999k"),
        (12_000_000, "12.0M"),
        (123_456_789, "123M"),
    ],
)
def test_count(number: int, text: str) -> None:
    assert count(number) == text


@given(st.integers(0, 999_999_999))
def test_count_is_short(number: int) -> None:
    assert len(count(number)) <= 5


@given(fractions, widths, st.booleans())
def test_bar_is_exactly_as_wide(fraction: float, width: int, ascii: bool) -> None:
    assert len(bar(fraction, width, ascii)) == width
    assert bar(fraction, width, True).isascii()


def filled(text: str) -> int:
    return sum(" ▏▎▍▌▋▊▉█".index(char) for char in text)


@given(st.floats(0, 1), st.floats(0, 1), widths)
def test_bar_is_monotone(one: float, other: float, width: int) -> None:
    less, more = sorted((one, other))
    assert filled(bar(less, width)) <= filled(bar(more, width))
    assert bar(less, width, True).count("#") <= bar(more, width, True).count("#")


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(2, 60), st.booleans())
def test_bar_shows_something_for_some_and_is_full_only_when_full(fraction: float, width: int, ascii: bool) -> None:
    assert bar(fraction, width, ascii).strip()
    assert bar(fraction, width, ascii) != bar(1.0, width, ascii)
    assert not bar(0.0, width, ascii).strip()


def test_bar_in_eighths() -> None:
    assert bar(0.5, 8) == "████    "
    assert bar(0.4375, 8) == "███▌    "
    assert bar(1.0, 3, ascii=True) == "###"


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.integers(0, 20), st.booleans())
def test_sparkline_is_exactly_as_wide(values: list[float], width: int, ascii: bool) -> None:
    text = sparkline(values, width, ascii)
    assert len(text) == width
    assert len(text.strip()) == min(width, len(values))


def test_sparkline() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 7], 4, ascii=True) == "  _#"
    assert sparkline([187, 187, 187], 3) == "▁▁▁"
    assert sparkline([100, 101], 2) == "▁▂"
    assert sparkline([9, 0, 0], 2) == "▁▁"


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_iso_keeps_every_microsecond_through_a_float(instant: datetime) -> None:
    epoch = (instant.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    text = iso(epoch)
    assert datetime.fromisoformat(text) == instant.replace(tzinfo=UTC)
    assert datetime.fromisoformat(text).timestamp() == epoch
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)


def test_examples_in_the_docstrings() -> None:
    failed, tried = doctest.testmod(format)
    assert tried
    assert not failed
