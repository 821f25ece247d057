"""How sessions arrive: a leak that filled a server, and one that goes on after sessions were ended."""

from __future__ import annotations

import pytest

from pgtop_conn.model.cohort import LASTING, arrivals_of


@pytest.mark.parametrize("late_s", [15.0, 40.0, 58.0, 600.0])
@pytest.mark.parametrize("since_s", [0.5, 30.0, 900.0])
def test_a_slot_that_was_freed_late_does_not_hide_a_leak_that_filled_the_server(late_s: float, since_s: float) -> None:
    """28 sessions a second apart filled it; one was ended, and the next took its slot much later."""
    births = [float(second) for second in range(28)] + [27.0 + late_s]
    at = births[-1] + since_s
    assert arrivals_of(births, at, births[-1]).evenness >= LASTING


@pytest.mark.parametrize("pause_s", [20.0, 300.0])
def test_a_leak_that_goes_on_after_sessions_were_ended_is_one_leak(pause_s: float) -> None:
    """The server was full for a while; then a dozen were ended, and it fills again."""
    births = [*(float(second) for second in range(15)), *(15.0 + pause_s + second for second in range(8))]
    found = arrivals_of(births, births[-1] + 0.5)
    assert found.evenness > 0.5
    assert found.going_on > 0.5
