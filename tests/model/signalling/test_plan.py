"""Plans: who would be signalled, who is left alone and why, and what confirms it."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import Ask, make_plan
from pgtop_conn.model.signalling.server_identity import place_of
from pgtop_conn.model.signalling.verification import PATIENCE_S, Verification
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_hidden,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import BackendFields

BOSS = make_role(200, "boss", superuser=True)


def mixed() -> Snapshot:
    """Two ordinary sessions, a superuser's, a walsender, ours; 90 others keep the rule of half away."""
    others = [make_backend(pid, app="other") for pid in range(6000, 6090)]
    rows = [
        make_own(),
        make_backend(1),
        make_backend(2),
        make_backend(3, role_oid=200, role="boss"),
        make_walsender(4),
        *others,
    ]
    return make_snapshot(rows, roles=[BOSS])


def chosen(snapshot: Snapshot, *pids: int) -> list[Target]:
    return [Target.of(backend) for backend in snapshot.backends if backend.pid in pids]


def test_bulk_takes_exactly_the_allowed_and_says_why_not_the_others() -> None:
    snapshot = mixed()
    plan = make_plan(Action.TERMINATE, chosen(snapshot, 1, 2, 3, 4, 999), snapshot, Policy())
    assert {target.key.pid for target in plan.targets} == {1, 2}
    assert {item.target.key.pid for item in plan.excluded} == {3, 4, 999}
    assert all(item.reasons for item in plan.excluded)
    assert plan.ask is Ask.YES
    assert plan.headroom_after == plan.headroom_before + 2


def test_a_choice_is_dropped_when_it_left_or_changed() -> None:
    snapshot = mixed()
    targets = chosen(snapshot, 1, 2)
    rows = [b for b in snapshot.backends if b.pid not in (1, 2)]
    later = make_snapshot([*rows, make_backend(2, state="active")], roles=[BOSS])
    plan = make_plan(Action.TERMINATE, targets, later, Policy())
    assert plan.targets == ()
    assert all(item.dropped for item in plan.excluded)


def test_a_recycled_pid_is_gone_not_a_target() -> None:
    target = Target.of(make_backend(1))
    later = make_snapshot([make_own(), make_backend(1, backend_start=NOW - 5)])
    plan = make_plan(Action.TERMINATE, [target], later, Policy())
    assert plan.targets == ()


def test_a_new_query_in_the_same_state_is_a_change() -> None:
    before = make_backend(1, state="active")
    plan = make_plan(
        Action.CANCEL, [Target.of(before)], make_snapshot([make_backend(1, state="active", query_start=NOW)]), Policy()
    )
    assert plan.targets == ()


def test_single_superuser_types_the_name_and_only_then_the_server_lets_it_through() -> None:
    snapshot = mixed()
    plan = make_plan(Action.TERMINATE, chosen(snapshot, 3), snapshot, Policy())
    assert (plan.ask, plan.answer) == (Ask.TYPE_ROLE, "boss")
    assert plan.targets[0].allow_superuser
    assert not plan.targets[0].allow_replication
    ordinary = make_plan(Action.TERMINATE, chosen(snapshot, 1), snapshot, Policy())
    assert not ordinary.targets[0].allow_superuser


def test_many_or_more_than_half_is_confirmed_by_the_count() -> None:
    snapshot = mixed()
    many = chosen(snapshot, *range(6000, 6021))
    plan = make_plan(Action.TERMINATE, many, snapshot, Policy())
    assert (plan.ask, plan.answer) == (Ask.TYPE_COUNT, "21")
    small = make_snapshot([make_own(), make_backend(1), make_backend(2)])
    assert make_plan(Action.TERMINATE, chosen(small, 1, 2), small, Policy()).ask is Ask.TYPE_COUNT


def test_cancel_frees_nothing_and_leaves_the_idle_alone() -> None:
    rows = [make_own(), make_backend(1, state="active", wait_event_type="Lock"), make_backend(2)]
    snapshot = make_snapshot(rows)
    plan = make_plan(Action.CANCEL, chosen(snapshot, 1, 2), snapshot, Policy())
    assert [target.key.pid for target in plan.targets] == [1]
    assert plan.headroom_after == plan.headroom_before


def test_a_walsender_frees_no_slot() -> None:
    snapshot = mixed()
    plan = make_plan(Action.TERMINATE, chosen(snapshot, 4), snapshot, Policy(allow_replication=True))
    assert plan.targets[0].allow_replication
    assert plan.headroom_after == plan.headroom_before


def test_the_same_session_chosen_twice_is_one_target() -> None:
    snapshot = mixed()
    target = chosen(snapshot, 1)[0]
    assert len(make_plan(Action.TERMINATE, [target, target], snapshot, Policy()).targets) == 1


def followed(action: Action, *rows: Snapshot) -> list[Outcome]:
    target = Target.of(make_backend(1, state="active"))
    verification = Verification()
    verification.expect(action, [Outcome(target, Status.SIGNALLED)])
    settled = [outcome for snapshot in rows for outcome in verification.observe(snapshot)]
    assert verification.pending == 1 - len(settled)
    return settled


def at(seconds: float, **backend: Unpack[BackendFields]) -> Snapshot:
    return make_snapshot([make_backend(1, **backend)] if backend else [], taken_at=NOW + seconds)


def test_gone_is_said_only_when_the_row_is_gone() -> None:
    running = at(0, state="active")
    assert followed(Action.TERMINATE, running, at(PATIENCE_S - 1, state="active")) == []
    (outcome,) = followed(Action.TERMINATE, running, at(1))
    assert outcome.status is Status.GONE


def test_a_session_that_stays_is_still_there_with_its_wait() -> None:
    stuck: BackendFields = {"state": "active", "wait_event_type": "IO", "wait_event": "DataFileRead"}
    (outcome,) = followed(Action.TERMINATE, at(0, **stuck), at(PATIENCE_S, **stuck))
    assert (outcome.status, "IO:DataFileRead" in outcome.detail) == (Status.STILL_THERE, True)


def test_a_cancelled_query_is_cancelled_when_it_no_longer_runs() -> None:
    (outcome,) = followed(Action.CANCEL, at(0, state="active"), at(1, state="idle in transaction (aborted)"))
    assert outcome.status is Status.CANCELLED
    (outcome,) = followed(Action.CANCEL, at(0, state="active", query_start=NOW))
    assert outcome.status is Status.CANCELLED


def test_a_refused_outcome_is_not_followed() -> None:
    verification = Verification()
    verification.expect(Action.TERMINATE, [Outcome(replace(Target.of(make_backend())), Status.DENIED)])
    assert verification.pending == 0


def test_a_session_whose_beginning_is_hidden_since_is_not_gone() -> None:
    hidden = make_snapshot([make_hidden(1)], taken_at=NOW + 60)
    plan = make_plan(Action.TERMINATE, [Target.of(make_backend(1))], hidden, Policy())
    assert "hidden from us" in plan.excluded[0].reasons[0]
    verification = Verification()
    verification.expect(Action.TERMINATE, [Outcome(Target.of(make_backend(1)), Status.SIGNALLED, note="remember")])
    assert verification.observe(make_snapshot([make_hidden(1)])) == []
    (outcome,) = verification.observe(hidden)
    assert (outcome.status, outcome.detail, outcome.note) == (Status.UNKNOWN, "hidden from us", "remember")


def test_another_server_tells_nothing_of_sessions_on_the_first() -> None:
    verification = Verification()
    signalled = [Outcome(Target.of(make_backend(1)), Status.SIGNALLED)]
    verification.expect(Action.TERMINATE, signalled, place_of(make_snapshot()))
    (outcome,) = verification.observe(make_snapshot([], server=make_server(system_id="7", started_at=NOW - 9.0)))
    assert (outcome.status, outcome.detail) == (Status.UNKNOWN, "another server answers now")
