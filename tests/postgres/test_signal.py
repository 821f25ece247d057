"""signal(): exactly the sessions that were chosen, as they were when they were chosen, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import Care, Policy, judge
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import ACTIVE, OWN_APPLICATION_NAME, WALSENDER, BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.postgres.connection.link import Rows
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import signalling, statement
from tests.postgres.conftest import OpenSession
from tests.support.postgres.statement_recorder import Answer, Recorder, until, until_true
from tests.support.servers import Clients, Connection, answers, waits_on_lock


def target_of(snapshot: Snapshot, app: str, **changes: object) -> Target:
    (found,) = (backend for backend in snapshot.backends if backend.app == app)
    return replace(Target.of(found), **changes)  # type: ignore[arg-type]


async def terminate(session: Session, *targets: Target) -> list[Outcome]:
    return await session.signal(Action.TERMINATE, targets)


async def test_terminate_ends_the_session_and_cancel_its_query(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    idle, busy = await clients(every_cluster, app="idle"), await clients(every_cluster, app="busy")
    sleeping = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    session = await sessions(every_cluster, user=await clients.role(every_cluster, "signaller", "LOGIN SUPERUSER"))
    snapshot = await until(session, lambda one: any(two.wait_event == "PgSleep" for two in one.backends))
    cancelled = await session.signal(
        Action.CANCEL, [target_of(snapshot, "busy", allow_superuser=True, allow_replication=True)]
    )
    assert [outcome.status for outcome in cancelled] == [Status.SIGNALLED]
    with pytest.raises(asyncpg.QueryCanceledError):
        await sleeping
    ended = await terminate(session, target_of(snapshot, "idle", allow_superuser=True, allow_replication=True))
    assert [outcome.status for outcome in ended] == [Status.SIGNALLED]
    await until(session, lambda one: not any(two.app == "idle" for two in one.backends))
    assert await answers(busy)
    assert not await answers(idle)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"state": ACTIVE}, Status.CHANGED),
        ({"state": None}, Status.CHANGED),
        ({"state_change": 1.0}, Status.CHANGED),
        ({"state_change": None}, Status.CHANGED),
        ({"query_start": 1.0}, Status.CHANGED),
        ({"query_start": None}, Status.CHANGED),
        ({"backend_type": "walsender"}, Status.DENIED),
        ({"wrote": True}, Status.CHANGED),
    ],
)
async def test_who_is_no_longer_as_chosen_stays_alive(
    cluster: Cluster, clients: Clients, sessions: OpenSession, changes: dict[str, object], status: Status
) -> None:
    await clients.role(cluster, "signal_web")
    victim = await clients(cluster, role="signal_web", app="victim")
    await victim.execute("SELECT 1")
    session = await sessions(cluster)
    snapshot = await session.poll()
    (outcome,) = await terminate(session, target_of(snapshot, "victim", **changes))
    assert outcome.status is status
    assert outcome.detail
    assert await answers(victim)


async def test_a_wrong_start_signals_nobody(every_cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    await clients.role(every_cluster, "signal_web")
    victim = await clients(every_cluster, role="signal_web", app="victim")
    session = await sessions(every_cluster)
    target = target_of(await session.poll(), "victim")
    assert target.key.backend_start is not None
    microsecond_off = replace(target, key=BackendKey(target.key.pid, target.key.backend_start + 1e-6))
    unknown = replace(target, key=BackendKey(target.key.pid, None))
    nobody = replace(target, key=BackendKey(2**30, target.key.backend_start))
    recorder = Recorder(session)
    outcomes = await terminate(session, microsecond_off, unknown, nobody)
    assert [outcome.status for outcome in outcomes] == [Status.GONE, Status.DENIED, Status.GONE]
    assert recorder.taken() == ["terminate", "still_there", "terminate", "still_there"]
    assert await answers(victim)


async def test_a_new_query_of_the_same_session_is_not_the_one_chosen(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(cluster, "signal_web")
    victim = await clients(cluster, role="signal_web", app="victim")
    session = await sessions(cluster)
    target = target_of(await session.poll(), "victim")
    await victim.execute("SELECT 1")
    (outcome,) = await terminate(session, target)
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "another query since it was chosen")
    await victim.execute("BEGIN")
    (outcome,) = await terminate(session, target)
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "now idle in transaction")
    assert await answers(victim)


async def test_the_server_side_guards_hold_even_when_asked(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    role = await clients.role(every_cluster, "signal_web")
    await clients.role(every_cluster, "rds_replication", "NOLOGIN")
    guarded = {
        "root": await clients.role(every_cluster, "signal_root", "LOGIN SUPERUSER"),
        "standby": await clients.role(every_cluster, "signal_standby", "LOGIN REPLICATION"),
        "rds": await clients.role(every_cluster, "signal_rds", "LOGIN IN ROLE rds_replication"),
        OWN_APPLICATION_NAME: role,
    }
    alive = [await clients(every_cluster, role=owner, app=app) for app, owner in guarded.items()]
    sender = await walsender(every_cluster, "signal_standby")
    ordinary = await clients(every_cluster, role=role, app="ordinary")
    session = await sessions(every_cluster)
    snapshot = await session.poll()
    chosen = [one for one in snapshot.backends if one.app in (*guarded, "sender", "ordinary")]
    assert len(chosen) == 7
    others = [one for one in snapshot.backends if not one.is_client and not one.walsender]
    assert others
    outcomes = await terminate(session, *(Target.of(one) for one in (*chosen, *others)))
    signalled = [outcome.target.app for outcome in outcomes if outcome.status is Status.SIGNALLED]
    assert signalled == ["ordinary"]
    # Our own session has run another statement since.
    (own,) = (outcome for outcome in outcomes if outcome.target.key.pid == snapshot.server.own_pid)
    assert own.status is Status.CHANGED
    guarded_ones = {outcome.status for outcome in outcomes if outcome.target.app != "ordinary"} - {Status.CHANGED}
    assert guarded_ones == {Status.DENIED}
    told = {outcome.target.app: outcome.detail for outcome in outcomes}
    assert {told[app] for app in ("root", "standby", "rds", "sender")} == {"left alone: it is guarded"}
    await until(session, lambda one: not any(two.app == "ordinary" for two in one.backends))
    assert all([await answers(connection) for connection in alive])
    assert not await answers(ordinary)

    snapshot = await session.poll()
    allowed = [
        target_of(snapshot, "root", allow_superuser=True),
        target_of(snapshot, "standby", allow_replication=True),
        target_of(snapshot, "sender", allow_replication=True),
    ]
    assert allowed[2].backend_type == WALSENDER
    outcomes = await terminate(session, *allowed)
    assert [outcome.status for outcome in outcomes] == [Status.SIGNALLED] * 3
    sender.terminate()


async def test_a_walsender_needs_its_option_even_when_its_role_has_no_replication(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    sender = await walsender(every_cluster, await clients.role(every_cluster, "signal_root", "LOGIN SUPERUSER"))
    session = await sessions(every_cluster)
    (outcome,) = await terminate(session, target_of(await session.poll(), "sender", allow_superuser=True))
    assert (outcome.status, outcome.detail) == (Status.DENIED, "left alone: it is guarded")
    sender.terminate()
    await until(session, lambda one: not any(two.app == "sender" for two in one.backends))


async def test_our_own_session_is_never_hit_whatever_it_is_called(cluster: Cluster, sessions: OpenSession) -> None:
    """Without statistics its state and query stay what they were, so nothing but the pid tells that it is us."""
    session = await sessions(cluster)
    link = Recorder(session).link
    await session.poll()
    await link.fetch("SELECT set_config('application_name', 'other', false)")
    await link.fetch("SELECT set_config('track_activities', 'off', false)")
    snapshot = await session.poll()
    (own,) = (one for one in snapshot.backends if one.pid == snapshot.server.own_pid)
    assert (own.app, own.state, own.state_change, own.query_start) == ("other", "disabled", None, None)
    (outcome,) = await terminate(session, replace(Target.of(own), allow_superuser=True, allow_replication=True))
    assert outcome.status is Status.DENIED
    assert (await session.poll()).server.own_pid == own.pid


async def test_a_role_renamed_since_it_was_judged_is_left_alone(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(every_cluster, "signal_web")
    admin = await clients(every_cluster)
    victim = await clients(every_cluster, role="signal_web", app="victim")
    session = await sessions(every_cluster)
    target = target_of(await session.poll(), "victim")
    await admin.execute("ALTER ROLE signal_web RENAME TO rdsadmin")
    try:
        (outcome,) = await terminate(session, target)
    finally:
        await admin.execute("ALTER ROLE rdsadmin RENAME TO signal_web")
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "its role is now called rdsadmin")
    assert (await terminate(session, target))[0].status is Status.SIGNALLED
    assert not await answers(victim)


async def test_a_role_with_a_hostile_name_is_the_one_judged(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    role = await clients.role(every_cluster, "ev\x1bil\n\u202e")
    await clients(every_cluster, role=role, app="victim")
    session = await sessions(every_cluster)
    target = target_of(await session.poll(), "victim")
    assert target.role == "ev␛il␊�"
    assert (await terminate(session, target))[0].status is Status.SIGNALLED


async def test_a_session_whose_role_was_dropped_is_ended_only_when_it_was_asked_about(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    admin = await clients(every_cluster)
    await admin.execute("CREATE ROLE signal_dropped LOGIN")
    victim = await clients(every_cluster, role="signal_dropped", app="victim")
    known, unknown = await sessions(every_cluster), await sessions(every_cluster)
    before = await known.poll()
    await admin.execute("DROP ROLE signal_dropped")
    for session, snapshot in ((known, before), (unknown, await unknown.poll())):
        target = target_of(snapshot, "victim", allow_superuser=True, allow_replication=True)
        (outcome,) = await terminate(session, target)
        assert (outcome.status, outcome.detail) == (Status.DENIED, "left alone: its role is unknown or was dropped")
    seen = await unknown.poll()
    (row,) = (one for one in seen.backends if one.app == "victim")
    cares = [judge(row, seen, Policy(allow_superuser=True), bulk=bulk).care for bulk in (False, True)]
    assert cares == [Care.CONFIRM, Care.REFUSE]
    assert await answers(victim)
    # Asked about and answered, it is ended: one session, by its identity.
    seen = await unknown.poll()
    (row,) = (one for one in seen.backends if one.app == "victim")
    plan = make_plan(Action.TERMINATE, [Target.of(row)], seen, Policy())
    (outcome,) = await terminate(unknown, *plan.targets)
    assert outcome.status is Status.SIGNALLED
    await until(unknown, lambda one: not any(two.app == "victim" for two in one.backends))


async def test_what_calls_itself_pgtop_conn_is_ended_alone_and_on_purpose(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    """Anybody may take the name; a pooler may have appended a host to it."""
    await clients.role(every_cluster, "signal_web")
    session = await sessions(every_cluster)
    for app in (OWN_APPLICATION_NAME, f"{OWN_APPLICATION_NAME} - 10.0.0.7:5123"):
        disguised = await clients(every_cluster, role="signal_web", app=app)
        seen = await session.poll()
        (row,) = (one for one in seen.backends if one.pid == disguised.get_server_pid())
        assert row.app == OWN_APPLICATION_NAME
        assert judge(row, seen, Policy(include_cautioned=True), bulk=True).care is Care.REFUSE
        (outcome,) = await terminate(session, Target.of(row))
        assert (outcome.status, outcome.detail) == (Status.DENIED, "left alone: it is guarded")
        (target,) = make_plan(Action.TERMINATE, [Target.of(row)], seen, Policy()).targets
        assert (await terminate(session, target))[0].status is Status.SIGNALLED
        assert not await answers(disguised)


async def test_the_next_owner_of_a_pid_is_not_the_session_that_was_chosen(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(every_cluster, "signal_web")
    first = await clients(every_cluster, role="signal_web", app="victim")
    session = await sessions(every_cluster)
    target = target_of(await session.poll(), "victim")
    await first.close()
    await until(session, lambda one: not any(two.app == "victim" for two in one.backends))
    heir = await heir_of(target.key.pid, every_cluster, clients)
    await session.poll()
    recycled = replace(target, key=BackendKey(heir.get_server_pid(), target.key.backend_start))
    (outcome,) = await terminate(session, recycled)
    assert outcome.status is Status.GONE
    assert await answers(heir)


async def heir_of(pid: int, cluster: Cluster, clients: Clients) -> Connection:
    """A session with this very pid where the system lets us ask for one, otherwise with any."""
    for _ in range(20):
        asked = next_pid(pid)
        connection = await clients(cluster, role="signal_web", app="victim")
        if not asked or connection.get_server_pid() == pid:
            break
    return connection


def next_pid(pid: int) -> bool:
    """Ask the system to give this pid to the next process; whether it took the wish."""
    try:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    except OSError:
        return False
    return True


async def walsender(cluster: Cluster, role: str) -> Connection:
    settings = {"replication": "database", "application_name": "sender"}
    connection: Connection = await asyncpg.connect(
        cluster.uri(user=role), server_settings=settings, statement_cache_size=0
    )
    return connection


async def test_a_refusal_in_the_middle_stops_no_other(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    mine = await clients.role(every_cluster, "signal_mine")
    other = await clients.role(every_cluster, "signal_other")
    options = f"LOGIN IN ROLE pg_read_all_stats, {mine}"
    watcher = await clients.role(every_cluster, "signal_watcher", options)
    opened = [
        await clients(every_cluster, role=role, app=f"batch {number}")
        for number, role in enumerate((mine, other, mine))
    ]
    session = await sessions(every_cluster, user=watcher)
    snapshot = await session.poll()
    outcomes = await terminate(session, *(target_of(snapshot, f"batch {number}") for number in range(3)))
    assert [outcome.status for outcome in outcomes] == [Status.SIGNALLED, Status.DENIED, Status.SIGNALLED]
    assert "terminate" in outcomes[1].detail
    assert outcomes[1].detail.isprintable()
    await until(session, lambda one: sum(two.app.startswith("batch") for two in one.backends) == 1)
    assert [await answers(connection) for connection in opened] == [False, True, False]


async def test_no_connection_means_nothing_is_sent(cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    await clients.role(cluster, "signal_web")
    victim = await clients(cluster, role="signal_web", app="victim")
    session = await sessions(cluster)
    target = target_of(await session.poll(), "victim")
    await session.close()
    outcomes = await terminate(session, target, target)
    assert {(one.status, one.detail) for one in outcomes} == {(Status.NOT_SENT, "connection lost")}
    assert await answers(victim)


async def test_connection_lost_in_the_middle(
    cluster: Cluster, admin: Connection, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(cluster, "signal_web")
    victims = [await clients(cluster, role="signal_web", app=f"victim {number}") for number in range(2)]
    session = await sessions(cluster)
    snapshot = await session.poll()
    targets = [target_of(snapshot, f"victim {number}") for number in range(2)]
    lock = await clients(cluster)
    await lock.execute("BEGIN; LOCK pg_authid IN ACCESS EXCLUSIVE MODE")
    signalling = asyncio.create_task(terminate(session, *targets))
    own = snapshot.server.own_pid
    await until_true(lambda: waits_on_lock(lock, own))
    await lock.execute("SELECT pg_terminate_backend($1)", own)
    outcomes = await signalling
    # Nobody knows whether the first was sent: it is followed like one that was.
    assert [one.status for one in outcomes] == [Status.SIGNALLED, Status.NOT_SENT]
    assert outcomes[0].note.startswith("the connection was lost while one was signalled")
    assert outcomes[1].detail == "connection lost"
    await lock.execute("ROLLBACK")
    assert all([await answers(one) for one in victims])


async def test_connection_lost_while_it_is_asked_why_nothing_was_sent(
    cluster: Cluster, admin: Connection, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(cluster, "signal_web")
    await clients(cluster, role="signal_web", app="victim")
    session = await sessions(cluster)
    snapshot = await session.poll()
    recorder = Recorder(session)

    async def lose(answer: Answer, text: str, arguments: Sequence[object]) -> Rows:
        if text == statement("still_there"):
            await admin.execute("SELECT pg_terminate_backend($1)", snapshot.server.own_pid)
        return await answer(text, arguments)

    recorder.stand_between(lose)
    (outcome,) = await terminate(session, target_of(snapshot, "victim", state=ACTIVE))
    assert (outcome.status, outcome.detail) == (Status.NOT_SENT, "no longer as it was chosen; connection lost")


async def test_signals_and_polls_share_the_connection(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(cluster, "signal_web")
    victims = await clients.many(10, cluster, role="signal_web", app="crowd")
    session = await sessions(cluster)
    snapshot = await session.poll()
    targets = [Target.of(one) for one in snapshot.backends if one.app == "crowd"]
    signalling = asyncio.create_task(terminate(session, *targets))
    await asyncio.gather(*(session.poll() for _ in range(5)))
    outcomes = await signalling
    assert [one.status for one in outcomes] == [Status.SIGNALLED] * 10
    await until(session, lambda one: not any(two.app == "crowd" for two in one.backends))
    assert not any([await answers(one) for one in victims])


def test_both_statements_guard_alike() -> None:
    cancel, end = signalling(Action.CANCEL), signalling(Action.TERMINATE)
    assert cancel == end.replace("pg_terminate_backend", "pg_cancel_backend") != end
    assert f"'{OWN_APPLICATION_NAME}'" in end
