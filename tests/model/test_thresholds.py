"""Ranges as the Monitoring Plugins Development Guidelines define them."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model import thresholds
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.thresholds import parse_range
from pgtop_conn.view.export import check as plugin


@pytest.mark.parametrize(
    ("text", "fine", "alerts"),
    [
        ("10", (0, 5, 10), (-0.01, 10.01)),
        ("10:", (10, 1e9), (9.99, -1)),
        ("~:10", (-1e9, 0, 10), (10.01,)),
        ("10:20", (10, 15, 20), (9.99, 20.01)),
        ("@10:20", (9.99, 20.01), (10, 15, 20)),
        ("@10", (-0.01, 10.01), (0, 10)),
        (":10", (0, 10), (-0.01, 10.01)),
        ("-5:-1", (-5, -1), (0, -5.5)),
        ("0.5", (0.5,), (0.51,)),
        ("~:", (-1e9, 0, 1e9), ()),
    ],
)
def test_a_range_alerts_where_the_guidelines_say(text: str, fine: tuple[float, ...], alerts: tuple[float, ...]) -> None:
    found = parse_range(text)
    assert found.text == text
    assert [value for value in fine if found.alerts(value)] == []
    assert [value for value in alerts if not found.alerts(value)] == []


@pytest.mark.parametrize(
    "text", ["", ":", "@", "@:", "~", "20:10", "10:20:30", "nan", "inf", "1e3", "8O", "10 20", "٣"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="expected a range"):
        parse_range(text)


@given(st.text(alphabet="@~:.-0123456789 \n", max_size=12), st.floats(-1e6, 1e6))
def test_any_text_is_a_range_or_bad_input(text: str, value: float) -> None:
    try:
        found = parse_range(text)
    except BadInput:
        return
    assert found.start <= found.end
    assert found.alerts(value) is not parse_range(text.removeprefix("@") if found.inside else f"@{text}").alerts(value)


def test_the_examples_hold() -> None:
    for module in (thresholds, plugin):
        failed, tried = doctest.testmod(module)
        assert (failed, tried > 0) == (0, True)
