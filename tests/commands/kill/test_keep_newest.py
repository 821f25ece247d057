"""All but the newest K of a choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import Plan, make_plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Target
from tests.support.data.factories import NOW, make_backend, make_hidden, make_own, make_snapshot, make_walsender

#: The higher the pid, the later it began.
PIDS = range(1, 7)


def pool(*others: int) -> Snapshot:
    rows = [make_backend(pid, backend_start=NOW - 1000 + pid) for pid in PIDS if pid not in others]
    return make_snapshot([make_own(), *rows])


def plan_of(snapshot: Snapshot, keep: int) -> Plan:
    chosen = [Target.of(backend, "marks") for backend in snapshot.backends if backend.app != "pgtop-conn"]
    return make_plan(Action.TERMINATE, chosen, snapshot, Policy(), bulk=True, keep_newest=keep)


def planned(plan: Plan) -> list[int]:
    return [target.key.pid for target in plan.targets]


@pytest.mark.parametrize(
    ("keep", "left"), [(0, [1, 2, 3, 4, 5, 6]), (1, [1, 2, 3, 4, 5]), (4, [1, 2]), (6, []), (99, [])]
)
def test_the_latest_are_excluded_and_say_so(keep: int, left: list[int]) -> None:
    plan = plan_of(pool(), keep)
    assert planned(plan) == left
    assert {item.target.key.pid for item in plan.excluded} == set(PIDS) - set(left)
    kept = min(keep, 6)
    assert {item.reasons for item in plan.excluded} <= {(f"one of the newest {kept} that are kept",)}
    assert plan.headroom_after == plan.headroom_before + len(left)


def test_a_renewal_keeps_the_same_ones() -> None:
    plan = plan_of(pool(), 2)
    later = pool(1, 6)
    for newer in (plan.renewed(later, Policy()), plan.narrowed(later, Policy())):
        assert planned(newer) == [2, 3, 4]
        assert newer.kept == plan.kept
    # However often it is narrowed, nobody is kept twice over.
    assert planned(plan.narrowed(later, Policy()).narrowed(later, Policy())) == [2, 3, 4]


def test_what_is_guarded_anyway_says_both() -> None:
    snapshot = make_snapshot([make_own(), make_backend(1, backend_start=NOW - 900), make_walsender(2)])
    plan = plan_of(snapshot, 2)
    assert planned(plan) == []
    assert [item.reasons[-1] for item in plan.excluded] == ["one of the newest 2 that are kept"] * 2
    assert plan.excluded[1].reasons[0] == "replication: a walsender"


def test_a_hidden_beginning_is_not_counted_as_new() -> None:
    snapshot = make_snapshot([make_own(), make_backend(1), make_backend(2, backend_start=NOW), make_hidden(3)])
    assert planned(plan_of(snapshot, 1)) == [1]


def test_narrowing_never_adds() -> None:
    snapshot = pool()
    boss = replace(snapshot.roles[16_384], superuser=True)
    guarded = replace(snapshot, roles={**snapshot.roles, 16_384: boss})
    plan = plan_of(guarded, 0)
    assert planned(plan) == []
    assert planned(plan.narrowed(snapshot, Policy())) == []
    assert len(planned(plan.renewed(snapshot, Policy()))) == 6
