"""The guard table, row by row, and as a whole against an oracle that reads the facts a second time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.model.locks import Locks
from pgtop_conn.model.signalling.free_slots import is_safe
from pgtop_conn.model.signalling.guards import Care, Policy, judge, left_for_caution, refused, useless_cancel
from pgtop_conn.model.snapshot import Backend, Role, Server
from pgtop_conn.model.source import Action
from tests.support.data.factories import (
    APP_ROLE_OID,
    NOW,
    OWN_ROLE_OID,
    make_backend,
    make_background,
    make_hidden,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import ServerFields
from tests.support.data.strategies import backends, servers

OPEN = Policy(allow_replication=True, allow_superuser=True)
#: `kill --include-cautioned`.
TOLD = Policy(headless=True, include_cautioned=True)


def care(
    backend: Backend,
    *,
    bulk: bool = False,
    policy: Policy | None = None,
    its_role: Role | None = None,
    **server: Unpack[ServerFields],
) -> Care:
    roles = [its_role] if its_role else None
    snapshot = make_snapshot([make_own(), backend], roles=roles, server=make_server(**server))
    return judge(backend, snapshot, policy or Policy(), bulk=bulk).care


def test_an_ordinary_session_is_allowed() -> None:
    assert care(make_backend()) is Care.ALLOW
    assert care(make_backend(), bulk=True) is Care.ALLOW


@pytest.mark.parametrize("policy", [Policy(), OPEN])
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    "backend",
    [
        make_own(app="renamed"),
        make_background(),
        make_background(5, "autovacuum worker"),
        make_backend(6, backend_type="parallel worker"),
        make_backend(7, backend_type="logical replication worker"),
        make_backend(8, backend_type="some future worker"),
        make_hidden(),
        make_backend(9, backend_start=None),
        make_backend(10, role="", role_oid=0, state="starting"),
        make_backend(11, role="rdsadmin"),
        make_backend(12, role="supabase_admin"),
    ],
    ids=lambda b: b.role or b.backend_type or "hidden",
)
def test_refused_whatever_was_allowed(backend: Backend, bulk: bool, policy: Policy) -> None:
    assert care(backend, bulk=bulk, policy=policy) is Care.REFUSE


@pytest.mark.parametrize("policy", [Policy(), OPEN, TOLD])
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("backend", [make_backend(role=""), make_backend(role="web"), make_walsender(role="")])
def test_a_role_that_nothing_is_known_of_is_asked_about_alone(backend: Backend, bulk: bool, policy: Policy) -> None:
    snapshot = replace(make_snapshot([make_own(), backend]), roles={OWN_ROLE_OID: make_role(OWN_ROLE_OID, "dba")})
    verdict = judge(backend, snapshot, policy, bulk=bulk)
    # A walsender is ended by the name of its role.
    assert verdict.care is (Care.REFUSE if bulk or backend.walsender else Care.CONFIRM)
    assert any("its role is unknown or was dropped" in reason for reason in verdict.reasons)


UNCLEAR = [
    make_backend(app="pgtop-conn"),
    make_backend(app="pgtop-conn - 10.0.0.7:5123"),
    make_backend(state="disabled", query="", query_start=None, state_change=None),
    make_backend(state=None),
    make_backend(state="starting"),
    make_backend(state="some future state"),
    make_backend(state="fastpath function call"),
    make_backend(state="active", query=""),
    make_backend(state="active", query="/* " + "traceparent " * 100),
    make_backend(state="active", query="-- a comment that was cut off"),
]


@pytest.mark.parametrize("policy", [Policy(), OPEN, TOLD])
@pytest.mark.parametrize("backend", UNCLEAR, ids=lambda one: f"{one.app} {one.state} {one.query[:8]}")
def test_what_can_t_be_told_is_asked_about_alone_and_refused_in_bulk(backend: Backend, policy: Policy) -> None:
    assert care(backend, policy=policy) is Care.CONFIRM
    assert care(backend, policy=policy, bulk=True) is Care.REFUSE


def test_the_reason_says_that_the_name_is_what_it_calls_itself() -> None:
    backend = make_backend(app="pgtop-conn")
    (reason,) = judge(backend, make_snapshot([make_own(), backend]), Policy()).reasons
    assert reason.startswith("it calls itself pgtop-conn")


REPLICATING = [
    (make_walsender(), make_role(16_390, "replicator")),
    (make_backend(), make_role(replication=True)),
    (make_backend(), make_role(replication_member=True)),
    (make_backend(walsender=True), make_role()),
    (make_backend(role="ibm-replication"), make_role(name="ibm-replication")),
]


@pytest.mark.parametrize(("backend", "role"), REPLICATING)
def test_replication_needs_the_option_and_its_name_and_is_never_in_bulk(backend: Backend, role: Role) -> None:
    assert care(backend, its_role=role) is Care.REFUSE
    assert care(backend, its_role=role, policy=OPEN) is Care.TYPE_ROLE
    assert care(backend, its_role=role, policy=OPEN, bulk=True) is Care.REFUSE


def test_configured_patterns_protect() -> None:
    policy = Policy(allow_replication=True, protected_roles=("core_*",), replication_roles=("logical_*",))
    assert care(make_backend(role="core_bank"), policy=policy) is Care.REFUSE
    assert care(make_backend(role="logical_out"), policy=policy) is Care.TYPE_ROLE
    assert care(make_backend(role="web"), policy=policy) is Care.ALLOW


def test_a_superusers_name_is_typed_and_bulk_needs_the_option() -> None:
    boss = make_role(superuser=True)
    assert care(make_backend(), its_role=boss) is Care.TYPE_ROLE
    assert care(make_backend(), its_role=boss, bulk=True) is Care.REFUSE
    assert care(make_backend(), its_role=boss, bulk=True, policy=OPEN) is Care.CONFIRM


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("can_signal", "role", "expected"),
    [
        (False, make_role(usable=False), Care.REFUSE),
        (False, make_role(usable=True), Care.ALLOW),
        (True, make_role(usable=False), Care.ALLOW),
        (True, make_role(superuser=True, usable=True), Care.REFUSE),
    ],
)
def test_what_the_server_does_not_permit_is_refused(can_signal: bool, role: Role, expected: Care, bulk: bool) -> None:
    assert care(make_backend(), its_role=role, bulk=bulk, superuser=False, can_signal=can_signal) is expected


def test_a_refusal_names_the_grant_that_fixes_it() -> None:
    backend = make_backend()
    server = make_server(superuser=False, can_signal=False, role="watcher")
    snapshot = make_snapshot([backend], roles=[make_role(usable=False)], server=server)
    assert "GRANT pg_signal_backend TO watcher" in judge(backend, snapshot, Policy()).reasons[0]
    assert "GRANT pg_monitor TO watcher" in judge(make_hidden(), snapshot, Policy()).reasons[0]


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    "backend",
    [
        make_backend(wrote=True),
        make_backend(app="pg_dump", state="idle in transaction"),
        make_backend(state="active", query="  /* nightly */ -- x\n vacuum (full) orders"),
        make_backend(state="active", query="COPY orders TO STDOUT"),
        make_backend(state="active", query="create index concurrently on t (a)"),
    ],
    ids=lambda b: b.query[:12],
)
def test_work_that_would_be_lost_is_asked_about(backend: Backend, bulk: bool) -> None:
    assert care(backend, bulk=bulk) is Care.CONFIRM


BACKUPS = [
    make_backend(query="SELECT pg_backup_start('nightly', true)"),
    make_backend(query="select * from pg_start_backup('nightly', true, false)"),
    make_backend(state="active", query="SELECT pg_catalog.pg_backup_start($1)"),
    make_backend(query='SELECT "pg_backup_start"($1) -- then pg_backup_stop()'),
    make_backend(app="pgBackRest [backup]", query="SELECT 1"),
]


@pytest.mark.parametrize("backend", BACKUPS, ids=lambda one: f"{one.app} {one.query[:30]}")
def test_a_backup_is_asked_about_alone_and_left_out_in_bulk(backend: Backend) -> None:
    assert care(backend) is Care.CONFIRM
    assert care(backend, bulk=True) is care(backend, bulk=True, policy=Policy(headless=True)) is Care.REFUSE
    assert care(backend, bulk=True, policy=TOLD) is Care.CONFIRM


KEEPING = [
    (make_backend(query="LISTEN jobs"), Locks(NOW, frozenset())),
    (make_backend(query="UNLISTEN jobs"), None),
    (make_backend(query="SELECT pg_advisory_lock(1)"), None),
    (make_backend(query="SELECT 1"), Locks(NOW, frozenset({4711}), advisory=frozenset({4711}))),
    (make_backend(query="DECLARE c SCROLL CURSOR WITH HOLD FOR TABLE t"), None),
    (make_backend(query="FETCH 100 FROM c"), None),
    (make_backend(query="SELECT pg_create_logical_replication_slot('s', 'pgoutput', true)"), None),
    (make_backend(query="SELECT 1"), Locks(NOW, frozenset(), slots=frozenset({4711}))),
    (make_backend(query="SELECT pg_replication_origin_session_setup('o')"), None),
    (make_backend(query="CREATE TEMPORARY TABLE t (a int)"), None),
    (make_backend(query="SELECT a INTO TEMP t FROM b"), None),
    (make_backend(query="CREATE TABLE pg_temp.t (a int)"), None),
    (make_backend(state="idle in transaction", query="SELECT pg_export_snapshot()"), None),
    (make_backend(state="idle in transaction", query="SELECT pg_advisory_xact_lock(1)"), None),
    (make_backend(state="idle in transaction", query="LOCK TABLE t IN EXCLUSIVE MODE"), None),
]


@pytest.mark.parametrize(("backend", "locks"), KEEPING, ids=lambda one: str(getattr(one, "query", ""))[:40])
def test_what_a_session_keeps_is_asked_about(backend: Backend, locks: Locks | None) -> None:
    snapshot = make_snapshot([make_own(), backend], locks=locks)
    assert [judge(backend, snapshot, Policy(), bulk=bulk).care for bulk in (False, True)] == [Care.CONFIRM] * 2
    assert judge(backend, snapshot, Policy(headless=True), bulk=True).care is Care.REFUSE
    assert left_for_caution(backend, snapshot, Policy(headless=True), bulk=True)
    assert judge(backend, snapshot, TOLD, bulk=True).care is Care.CONFIRM
    assert not is_safe(backend, snapshot, Policy())


NOT_KEPT = [
    ("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;", None),
    ("DISCARD ALL", None),
    ("LISTEN jobs; UNLISTEN *", None),
    ("SELECT pg_backup_stop()", None),
    ("SELECT pg_backup_start('x'); SELECT pg_backup_stop()", None),
    ("SELECT pg_advisory_xact_lock(1)", None),
    ("SELECT pg_export_snapshot()", None),
    ("DECLARE c CURSOR WITHOUT HOLD FOR TABLE t", None),
    ("SELECT * FROM t FETCH FIRST 10 ROWS ONLY", None),
    ("CREATE TEMP TABLE t (a int) ON COMMIT DROP", None),
    ("SELECT pg_try_advisory_lock(1)", Locks(NOW, frozenset())),
    ("SELECT pg_create_physical_replication_slot('s')", Locks(NOW, frozenset())),
    ("SELECT 1", Locks(NOW - 7200, frozenset({4711}), advisory=frozenset({4711}), slots=frozenset({4711}))),
]


@pytest.mark.parametrize(("query", "locks"), NOT_KEPT, ids=lambda one: str(one)[:40])
def test_what_was_let_go_of_or_never_taken_is_no_reason_to_ask(query: str, locks: Locks | None) -> None:
    """The last one's locks are those of an earlier owner of its pid."""
    backend = make_backend(query=query)
    assert judge(backend, make_snapshot([make_own(), backend], locks=locks), Policy(), bulk=True).care is Care.ALLOW


def test_who_only_waits_for_an_advisory_lock_holds_none() -> None:
    query = "SELECT pg_advisory_lock(1)"
    waiting = make_backend(state="active", wait_event_type="Lock", wait_event="advisory", query=query)
    assert care(waiting, bulk=True) is Care.ALLOW


@pytest.mark.parametrize("backend", [make_backend(wrote=True), make_backend(state="active", query="VACUUM t")])
def test_nobody_is_asked_about_what_a_filter_found(backend: Backend) -> None:
    assert care(backend, bulk=True, policy=Policy(headless=True)) is Care.REFUSE
    assert care(backend, bulk=True, policy=TOLD) is Care.CONFIRM


def test_a_superuser_that_the_option_allows_is_not_asked_about_again() -> None:
    policy = Policy(headless=True, allow_superuser=True)
    assert care(make_backend(), its_role=make_role(superuser=True), bulk=True, policy=policy) is Care.CONFIRM


def test_a_finished_statement_is_no_reason_to_ask() -> None:
    assert care(make_backend(state="idle", query="COPY orders TO STDOUT")) is Care.ALLOW
    assert care(make_backend(state="active", query="SELECT 'vacuum'")) is Care.ALLOW


@pytest.mark.parametrize(
    ("state", "wait_event_type", "useless"),
    [("active", "Lock", False), ("active", "", False), ("active", "Client", True), ("idle", "Client", True)],
)
def test_cancel_is_offered_only_where_it_does_something(state: str, wait_event_type: str, useless: bool) -> None:
    backend = make_backend(state=state, wait_event_type=wait_event_type)
    assert (useless_cancel(backend) is not None) is useless
    verdict = judge(backend, make_snapshot([backend]), Policy())
    assert bool(refused(Action.CANCEL, backend, verdict)) is useless
    assert refused(Action.TERMINATE, backend, verdict) == ()


facts = st.fixed_dictionaries(
    {
        "backend_type": st.sampled_from(["client backend", "walsender", "autovacuum worker", "checkpointer", None]),
        "app": st.sampled_from(["web", "pgtop-conn", "pg_dump"]),
        "role": st.sampled_from(["web", "rdsadmin", "rdsrepladmin", "core"]),
        "role_oid": st.sampled_from([0, APP_ROLE_OID]),
        "hidden": st.booleans(),
        "wrote": st.booleans(),
        "state": st.sampled_from(["active", "idle", None]),
        "backend_start": st.sampled_from([None, 1.0]),
    }
)


@settings(max_examples=400)
@given(
    fields=facts,
    superuser=st.booleans(),
    replication=st.booleans(),
    member=st.booleans(),
    usable=st.booleans(),
    we_are_superuser=st.booleans(),
    can_signal=st.booleans(),
    policy=st.builds(
        Policy,
        allow_replication=st.booleans(),
        allow_superuser=st.booleans(),
        protected_roles=st.sampled_from([(), ("core",)]),
    ),
    bulk=st.booleans(),
    known=st.booleans(),
)
def test_no_protected_session_is_ever_let_through(
    fields: dict[str, Any],
    superuser: bool,
    replication: bool,
    member: bool,
    usable: bool,
    we_are_superuser: bool,
    can_signal: bool,
    policy: Policy,
    bulk: bool,
    known: bool,
) -> None:
    backend = make_backend(**fields)
    role = make_role(
        name=backend.role, superuser=superuser, replication=replication, replication_member=member, usable=usable
    )
    server: Server = make_server(superuser=we_are_superuser, can_signal=can_signal)
    snapshot = make_snapshot([backend], roles=[role], server=server)
    if not known:
        snapshot = replace(snapshot, roles={})
    verdict = judge(backend, snapshot, policy, bulk=bulk)

    replicates = fields["backend_type"] == "walsender" or (backend.role_oid and known and (replication or member))
    replicates = replicates or backend.role == "rdsrepladmin"
    is_superuser = bool(backend.role_oid) and superuser and known
    permitted = we_are_superuser or (bool(backend.role_oid) and not is_superuser and (can_signal or (usable and known)))
    forbidden = (
        (backend.app == "pgtop-conn" and bulk)
        or (fields["state"] is None and fields["backend_type"] == "client backend" and bulk)
        or fields["backend_type"] not in ("client backend", "walsender")
        or backend.hidden
        or backend.key.backend_start is None
        or (fields["backend_type"] == "client backend" and not backend.role_oid)
        or backend.role == "rdsadmin"
        or (backend.role == "core" and bool(policy.protected_roles))
        or not permitted
        or (backend.role_oid and not known and (bulk or fields["backend_type"] == "walsender"))
        or (replicates and (bulk or not policy.allow_replication))
        or (is_superuser and bulk and not policy.allow_superuser)
    )
    assert (verdict.care is Care.REFUSE) == bool(forbidden)
    assert bool(verdict.reasons) or verdict.care is Care.ALLOW
    if not forbidden and not bulk and (replicates or is_superuser):
        assert verdict.care is Care.TYPE_ROLE


@given(
    st.lists(backends(), min_size=1, max_size=4),
    st.lists(st.tuples(servers(), st.booleans(), st.booleans(), st.booleans(), st.booleans()), min_size=2, max_size=4),
)
def test_a_verdict_that_is_kept_is_that_of_the_facts_of_now(
    rows: list[Backend], facts: list[tuple[Server, bool, bool, bool, bool]]
) -> None:
    """The same rows, while what the server says of their roles and of us, and what the user allows, changes."""
    for server, superuser, replication, usable, allowed in (*facts, *facts):
        policy = Policy(allow_superuser=allowed, protected_roles=("w*",) if allowed else ())
        roles = [
            make_role(row.role_oid, row.role, superuser=superuser, replication=replication, usable=usable)
            for row in rows
        ]
        snapshot = make_snapshot(rows, server=server, roles=roles)
        for row in rows:
            for bulk in (False, True):
                # Rows and servers are compared by identity: nothing can be kept of these.
                fresh, anew = replace(row), replace(snapshot, server=replace(server))
                assert judge(row, snapshot, policy, bulk=bulk) == judge(fresh, anew, policy, bulk=bulk)


def test_a_role_that_was_made_a_superuser_meanwhile_is_guarded() -> None:
    row, server = make_backend(), make_server()
    cares = [
        judge(row, make_snapshot([row], server=server, roles=[make_role(superuser=superuser)]), Policy()).care
        for superuser in (False, True, False)
    ]
    assert cares == [Care.ALLOW, Care.TYPE_ROLE, Care.ALLOW]
    unknown = replace(make_snapshot([row], server=server), roles={})
    assert judge(row, unknown, Policy()).care is Care.CONFIRM
    assert judge(row, unknown, Policy(), bulk=True).care is Care.REFUSE
