"""Free N slots, and notice who comes back: the picks are the safe ones, the least harmful first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.locks import Locks
from pgtop_conn.model.signalling.comeback import COMEBACK_WITHIN_S, ComebackWatch
from pgtop_conn.model.signalling.free_slots import SAFE_IDLE_S, free_slots, is_safe, slots_to
from pgtop_conn.model.signalling.guards import Care, Policy, judge
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.source import Target
from tests.support.data.factories import NOW, make_backend, make_own, make_role, make_snapshot
from tests.support.data.fields import BackendFields
from tests.support.data.strategies import snapshots

UNLOCKED = Locks(NOW, frozenset())


def flat(_app: str) -> float | None:
    return None


def picked(rows: list[Backend], wanted: int, **options: Any) -> list[int]:
    snapshot = make_snapshot(rows, locks=options.pop("locks", UNLOCKED))
    freeing = free_slots(wanted, snapshot, options.pop("policy", Policy()), options.pop("rate", flat), **options)
    return [pick.backend.pid for pick in freeing.picks]


@pytest.mark.parametrize(
    "overrides",
    [
        {"state": "active"},
        {"state": "idle in transaction"},
        {"state": "disabled"},
        {"state_change": NOW - SAFE_IDLE_S + 1},
        {"wrote": True},
        {"holds_xmin": True},
        {"blocked_by": (7,)},
        {"query": "listen jobs"},
        {"app": "pgtop-conn"},
        {"role": "rdsadmin"},
        {"walsender": True, "backend_type": "walsender"},
        {"backend_type": None},
        {"hidden": True},
        {"role_oid": 0},
    ],
    ids=str,
)
def test_what_is_not_safe_is_never_picked(overrides: BackendFields) -> None:
    assert picked([make_backend(1, **overrides), make_backend(2)], 5) == [2]


def test_a_lock_or_not_knowing_the_locks_is_not_safe() -> None:
    rows = [make_backend(1), make_backend(2)]
    assert picked(rows, 5, locks=Locks(NOW, frozenset({1}))) == [2]
    assert picked(rows, 5, locks=None) == []
    assert picked(rows, 5, locks=Locks(NOW - 61, frozenset())) == []


def test_never_used_then_fastest_growing_then_largest_then_longest_idle() -> None:
    rows = [
        *(make_backend(pid, app="large", state_change=NOW - pid) for pid in (101, 102, 103)),
        make_backend(201, app="growing", state_change=NOW - 30),
        make_backend(301, app="small", query="", query_start=None, state_change=NOW - 20),
        make_backend(302, app="small", state_change=NOW - 5000),
    ]
    rates = {"growing": 3.0, "small": 0.1}
    assert picked(rows, 9, rate=rates.get) == [301, 201, 103, 102, 101, 302]


def test_struck_out_is_replaced_by_the_next_best_and_fewer_is_said() -> None:
    rows = [make_backend(pid, state_change=NOW - 100 + pid) for pid in (1, 2, 3)]
    snapshot = make_snapshot(rows, locks=UNLOCKED)
    struck = [rows[0].key]
    freeing = free_slots(2, snapshot, Policy(), flat, struck)
    assert [pick.backend.pid for pick in freeing.picks] == [2, 3]
    assert (free_slots(9, snapshot, Policy(), flat).missing, freeing.missing) == (6, 0)
    assert all(pick.why for pick in freeing.picks)


@given(snapshots(), st.integers(0, 50))
def test_every_pick_of_any_population_is_allowed_in_bulk_without_a_question(snapshot: Snapshot, wanted: int) -> None:
    freeing = free_slots(wanted, snapshot, Policy(), flat)
    assert len(freeing.picks) <= wanted
    assert len({pick.backend.key for pick in freeing.picks}) == len(freeing.picks)
    for pick in freeing.picks:
        assert is_safe(pick.backend, snapshot, Policy())
        assert judge(pick.backend, snapshot, Policy(), bulk=True).care is Care.ALLOW


@given(st.integers(0, 97), st.integers(1, 100))
def test_down_to_a_share_frees_exactly_enough(used: int, percent: int) -> None:
    rows = [make_own(), *(make_backend(pid) for pid in range(1, used))]
    budget = SlotBudget.of(make_snapshot(rows))
    free = slots_to(budget, percent)
    assert 100 * (budget.used - free) <= percent * budget.capacity or free == budget.used
    assert free == 0 or 100 * (budget.used - free + 1) > percent * budget.capacity


def after(seconds: float, *rows: Backend) -> Snapshot:
    return make_snapshot(rows, taken_at=NOW + seconds, roles=[make_role()])


def test_sessions_of_the_same_kind_count_as_come_back() -> None:
    victims = [make_backend(pid) for pid in range(1, 21)]
    bystander = make_backend(50)
    watch = ComebackWatch.of([Target.of(victim) for victim in victims], make_snapshot([*victims, bystander]))
    assert watch.observe(after(1, bystander)) is None
    new = [make_backend(pid, backend_start=NOW + 1 + pid / 100) for pid in range(100, 118)]
    other_app = make_backend(200, app="other", backend_start=NOW + 2)
    found = watch.observe(after(5, bystander, other_app, *new))
    assert found is not None
    assert (found.killed, found.count, found.clients) == (20, 18, (("10.2.0.17", 18),))
    assert 2.0 < found.seconds < 2.3
    # The bystander, the other application and the new ones are all of role app.
    assert found.roles == (("app", 20),)


def test_what_came_and_went_still_counts_and_never_more_than_was_ended() -> None:
    watch = ComebackWatch.of([Target.of(make_backend(1))], make_snapshot([make_backend(1)]))
    first, second = (make_backend(pid, backend_start=NOW + pid) for pid in (2, 3))
    watch.observe(after(3, first))
    found = watch.observe(after(4, second))
    assert found is not None
    assert found.count == 1


def test_what_comes_much_later_is_somebody_else() -> None:
    watch = ComebackWatch.of([Target.of(make_backend(1))], make_snapshot([make_backend(1)]))
    late = make_backend(2, backend_start=NOW + COMEBACK_WITHIN_S + 1)
    assert watch.observe(after(COMEBACK_WITHIN_S + 2, late)) is None
    assert watch.over(NOW + COMEBACK_WITHIN_S + 2)


def test_who_comes_later_moves_neither_the_number_nor_the_time() -> None:
    victims = [make_backend(1), make_backend(2)]
    watch = ComebackWatch.of([Target.of(victim) for victim in victims], make_snapshot(victims))
    new = [make_backend(10 + second, backend_start=NOW + second) for second in (1, 2, 55)]
    first = watch.observe(after(3, *new[:2]))
    last = watch.observe(after(56, *new))
    assert first is not None
    assert last is not None
    assert (first.count, first.seconds) == (last.count, last.seconds) == (2, 2.0)
