"""Every instant that a server can tell is a date here."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.instants import moment, within_calendar
from pgtop_conn.model.quoting import timestamp
from pgtop_conn.view.charts import time_axis
from pgtop_conn.view.format import iso

ZONES = (None, UTC, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12"))


@given(st.floats(), st.sampled_from(ZONES))
def test_every_float_is_shown(at: float, zone: ZoneInfo | None) -> None:
    assert 1 <= moment(at, zone).year <= 9999
    assert iso(at).endswith(("Z", "infinity"))
    assert timestamp(at).endswith(("+00'", "+00 BC'", "infinity'"))
    assert time_axis.clock(at, zone)
    assert time_axis.extent(at, at, zone)


@given(st.floats(min_value=0, max_value=4e9))
def test_what_is_in_the_calendar_stays_what_it_is(at: float) -> None:
    assert within_calendar(at) == at


@pytest.mark.parametrize("at", [float("inf"), 2.5e11 * 40, 253402300800.0])
def test_beyond_it_a_clock_shows_the_end(at: float) -> None:
    assert iso(within_calendar(at)) == "9999-12-30T23:59:59.000000Z"
