"""check's performance data of a server with thousands of limits: those near their end, and how many are left out."""

from __future__ import annotations

from dataclasses import replace

from pgtop_conn.model.slots import Limit, SlotBudget
from pgtop_conn.view.export.check import MOST_LIMITS, Checked, Thresholds, plugin_line
from tests.support.data.factories import make_own, make_snapshot


def line_of(limits: tuple[Limit, ...]) -> str:
    snapshot = make_snapshot([make_own()])
    budget = replace(SlotBudget.of(snapshot), limits=limits)
    return plugin_line(Checked(snapshot, budget), Thresholds({}, {}))[0]


def test_a_few_limits_are_all_told() -> None:
    line = line_of(tuple(Limit("role", number, f"r{number}", 10, 0) for number in range(MOST_LIMITS)))
    assert line.count("'role r") == MOST_LIMITS
    assert "limits_left_out" not in line


def test_of_thousands_only_those_near_their_end_are_told() -> None:
    limits = [Limit("role", number, f"r{number:04}", 10, number % 3) for number in range(2990)]
    limits += [Limit("role", 5000 + number, f"full{number}", 10, 9) for number in range(10)]
    line = line_of(tuple(sorted(limits, key=lambda limit: -limit.share)))
    assert line.count("'role full") == 10
    assert "'role r0" not in line
    assert line.endswith(" limits_left_out=2990;;;0")
    assert len(line) < 2000


def test_of_thousands_near_their_end_the_tightest_are_told() -> None:
    limits = tuple(Limit("role", number, f"r{number:04}", 10_000, 10_000 - number) for number in range(1000))
    line = line_of(limits)
    assert line.count("'role r") == MOST_LIMITS
    assert "'role r0000'=10000;;;0;10000" in line
    assert f" limits_left_out={1000 - MOST_LIMITS};;;0" in line
