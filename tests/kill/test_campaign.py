"""Campaigns on real servers: pace, stop, escalation, and nobody innocent whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

import asyncpg
import pytest

from pgtop_conn.campaign import Campaign, Phase, Progress
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import BadInput, SourceLost
from pgtop_conn.model.guards import Policy
from pgtop_conn.model.plan import Plan, make_plan
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.postgres.session import Session
from tests.kill.choosing import FAST, Watched
from tests.postgres.conftest import OpenSession
from tests.servers import Clients, Connection
from tests.waiting import wait_until

POLICY = Policy()


def plan_for(snapshot: Snapshot, app: str, action: Action = Action.TERMINATE) -> Plan:
    """Everybody of this application, in the order they connected."""
    rows = sorted((one for one in snapshot.backends if one.app == app), key=lambda one: one.key.backend_start or 0.0)
    targets = [Target.of(backend, "marks") for backend in rows]
    plan = make_plan(action, targets, snapshot, POLICY, bulk=True)
    assert len(plan.targets) == len(targets) > 0
    return plan


async def alive(connections: Sequence[Connection]) -> list[bool]:
    return [await _answers(connection) for connection in connections]


async def _answers(connection: Connection) -> bool:
    try:
        return bool(await connection.fetchval("SELECT 1") == 1)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return False


async def crowd(cluster: Cluster, clients: Clients, count: int) -> list[Connection]:
    await clients.role(cluster, "crowd")
    return await clients.many(count, cluster, role="crowd", app="crowd")


async def seen(session: Session, condition: Callable[[Snapshot], bool]) -> Snapshot:
    """The first poll that meets the condition."""
    found: list[Snapshot] = []

    async def met() -> bool:
        found[:] = [await session.poll()]
        return condition(found[0])

    await wait_until(met, "a poll shows it", every_s=0.01)
    return found[0]


def statuses(outcomes: Sequence[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


async def test_each_target_ends_as_gone_in_the_order_of_the_plan(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(every_cluster, clients, 5)
    session = await sessions(every_cluster)
    plan = plan_for(await session.poll(), "crowd")
    told: list[Progress] = []
    outcomes = await Campaign(session, session.poll, plan, POLICY, per_second=FAST, report=told.append).run()
    assert [outcome.target.key for outcome in outcomes] == [target.key for target in plan.targets]
    assert statuses(outcomes) == [Status.GONE] * 5
    assert not any(await alive(connections))
    assert [progress.sent for progress in told] == sorted(progress.sent for progress in told)
    assert (told[-1].phase, told[-1].sent, told[-1].outcomes) == (Phase.DONE, 5, outcomes)


async def test_signals_keep_their_pace(cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    await crowd(cluster, clients, 6)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")
    looks: list[int] = []
    progress: list[int] = []

    async def look() -> Snapshot:
        looks.append(max(progress, default=0))
        return await session.poll()

    campaign = Campaign(
        session, look, plan, POLICY, per_second=4, report=lambda told: progress.append(told.sent), sleep=soon
    )
    outcomes = await campaign.run()
    assert statuses(outcomes) == [Status.GONE] * 6
    # Looked before each batch of a second's worth; the rest are looks for the end.
    assert looks[:2] == [0, 4]

    await clients.many(4, cluster, role="crowd", app="crowd")
    plan = plan_for(await session.poll(), "crowd")
    began = monotonic()
    await Campaign(session, session.poll, plan, POLICY, per_second=20).run()
    assert monotonic() - began >= 3 / 20


async def soon(_seconds: float) -> None:
    await asyncio.sleep(0)


async def test_stop_in_the_middle_of_a_paced_batch(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(every_cluster, clients, 12)
    session = await sessions(every_cluster)
    plan = plan_for(await session.poll(), "crowd")

    def stop_after_five(progress: Progress) -> None:
        if progress.sent == 5 and not progress.stopped:
            campaign.stop()

    campaign = Campaign(session, session.poll, plan, POLICY, per_second=50, report=stop_after_five)
    outcomes = await campaign.run()
    assert statuses(outcomes) == [Status.GONE] * 5 + [Status.NOT_SENT] * 7
    assert {outcome.detail for outcome in outcomes[5:]} == {"stopped"}
    assert campaign.progress.stopped
    assert sum(await alive(connections)) == 7


async def test_stop_while_a_poll_holds_the_turn_sends_nothing(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(cluster, clients, 2)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")
    turn = asyncio.Lock()
    await turn.acquire()
    looked = asyncio.Event()

    async def look() -> Snapshot:
        snapshot = await session.poll()
        looked.set()
        return snapshot

    campaign = Campaign(session, look, plan, POLICY, turn=turn)
    running = asyncio.create_task(campaign.run())
    await looked.wait()
    campaign.stop()
    turn.release()
    assert statuses(await running) == [Status.NOT_SENT] * 2
    assert all(await alive(connections))


async def test_a_session_that_turns_active_between_plan_and_signal_lives(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(every_cluster, clients, 3)
    session = await sessions(every_cluster)
    stale = await session.poll()
    plan = plan_for(stale, "crowd")
    pid = plan.targets[1].key.pid
    woken = next(one for one in connections if one.get_server_pid() == pid)
    work = asyncio.create_task(woken.execute("SELECT pg_sleep(60)"))
    await seen(session, lambda one: any(two.pid == pid and two.state == "active" for two in one.backends))

    # The first look is as old as the plan, so that only the server can tell.
    looks = iter([stale])

    async def look() -> Snapshot:
        return next(looks, None) or await session.poll()

    outcomes = await Campaign(session, look, plan, POLICY, per_second=FAST).run()
    assert statuses(outcomes) == [Status.GONE, Status.CHANGED, Status.GONE]
    assert outcomes[1].detail == "now active"
    assert not work.done()

    again = await Campaign(session, session.poll, plan, POLICY, per_second=FAST).run()
    assert statuses(again) == [Status.GONE, Status.CHANGED, Status.GONE]
    assert [one.detail for one in again] == ["before it was signalled", "idle → active", "before it was signalled"]
    assert not work.done()
    woken.terminate()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_recycled_pid_kills_nobody(every_cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    connections = await crowd(every_cluster, clients, 2)
    session = await sessions(every_cluster)
    real = await session.poll()
    # As if the plan had been made when another session had the innocent's pid: all else alike, begun a moment earlier.
    innocent = next(backend for backend in real.backends if backend.app == "crowd")
    start = innocent.key.backend_start
    assert start is not None
    before = replace(innocent, key=BackendKey(innocent.pid, start - 0.000_001 * 50))
    rows = tuple(before if backend is innocent else backend for backend in real.backends)
    earlier = replace(real, backends=rows)
    plan = plan_for(earlier, "crowd")
    looks = iter([earlier])

    async def stale_at_first() -> Snapshot:
        return next(looks, None) or await session.poll()

    for look in (stale_at_first, session.poll):
        outcomes = {
            outcome.target.key: outcome.status
            for outcome in await Campaign(session, look, plan, POLICY, per_second=FAST).run()
        }
        assert outcomes[before.key] is Status.GONE
    assert [one.get_server_pid() for one in connections if await _answers(one)] == [innocent.pid]


async def test_a_refusal_in_the_middle_changes_nothing_for_the_others(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(every_cluster, "crowd")
    await clients.role(every_cluster, "stranger")
    watcher = await clients.role(every_cluster, "watcher", "LOGIN IN ROLE pg_monitor, crowd, stranger")
    connections = [await clients(every_cluster, role=role, app="crowd") for role in ("crowd", "stranger", "crowd")]
    session = await sessions(every_cluster, user=watcher)
    plan = plan_for(await session.poll(), "crowd")
    stale = await session.poll()
    admin = await clients(every_cluster)
    await admin.execute("REVOKE stranger FROM watcher")
    looks = iter([stale])

    async def look() -> Snapshot:
        return next(looks, None) or await session.poll()

    outcomes = await Campaign(session, look, plan, POLICY, per_second=FAST).run()
    assert statuses(outcomes) == [Status.GONE, Status.DENIED, Status.GONE]
    assert "terminate" in outcomes[1].detail
    assert await alive(connections) == [False, True, False]


async def test_a_role_that_becomes_a_superuser_was_not_confirmed(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(cluster, clients, 1)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")
    later = await session.poll()
    roles = {oid: replace(role, superuser=role.superuser or role.name == "crowd") for oid, role in later.roles.items()}

    async def look() -> Snapshot:
        return replace(later, roles=roles)

    generous = Policy(allow_superuser=True)
    (outcome,) = await Campaign(session, look, plan, generous, per_second=FAST).run()
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "left alone: its role has become a superuser")
    (outcome,) = await Campaign(session, look, plan, POLICY, per_second=FAST).run()
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "left alone: role crowd is a superuser")
    assert await alive(connections) == [True]


async def test_a_stopped_backend_is_still_there(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(every_cluster, clients, 2)
    session = await sessions(every_cluster)
    plan = plan_for(await session.poll(), "crowd")
    frozen = plan.targets[0].key.pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        outcomes = await Campaign(session, session.poll, plan, POLICY, per_second=FAST, patience_s=0.3).run()
        assert statuses(outcomes) == [Status.STILL_THERE, Status.GONE]
        assert outcomes[0].detail == "waits on Client:ClientRead"
    finally:
        os.kill(frozen, signal.SIGCONT)
    await seen(session, lambda one: not any(two.pid == frozen for two in one.backends))
    assert not any(await alive(connections))


async def test_a_second_stop_ends_the_waiting_too(cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    await crowd(cluster, clients, 1)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")
    frozen = plan.targets[0].key.pid
    os.kill(frozen, signal.SIGSTOP)

    def impatient(progress: Progress) -> None:
        if progress.phase is Phase.VERIFY and not progress.outcomes and not campaign_stops:
            campaign_stops.append(progress)
            campaign.stop()
            campaign.stop()

    campaign_stops: list[Progress] = []
    campaign = Campaign(session, session.poll, plan, POLICY, report=impatient)
    try:
        (outcome,) = await campaign.run()
        assert (outcome.status, outcome.detail) == (Status.STILL_THERE, "its end was not waited for")
    finally:
        os.kill(frozen, signal.SIGCONT)


async def test_a_source_that_is_lost_ends_as_not_sent(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(cluster, clients, 2)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")

    async def look() -> Snapshot:
        raise SourceLost("gone fishing")

    outcomes = await Campaign(session, look, plan, POLICY).run()
    assert {(one.status, one.detail) for one in outcomes} == {(Status.NOT_SENT, "gone fishing")}
    assert all(await alive(connections))


async def test_our_own_session_lost_in_the_middle(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    """What was sent is followed over a new connection; to the others nothing is sent."""
    connections = await crowd(every_cluster, clients, 5)
    admin = await clients(every_cluster, app="admin")
    session = await sessions(every_cluster)
    snapshot = await session.poll()
    plan = plan_for(snapshot, "crowd")
    done: list[int] = []

    class Doomed(Watched):
        async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
            if len(done) == 2:
                await admin.execute("SELECT pg_terminate_backend($1)", snapshot.server.own_pid)
                await wait_until(self._gone, "our session is gone", every_s=0.01)
            done.extend(target.key.pid for target in targets)
            return await super().signal(action, targets)

        async def _gone(self) -> bool:
            own = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $1"
            return bool(await admin.fetchval(own, snapshot.server.own_pid))

    outcomes = await Campaign(Doomed(session), session.poll, plan, POLICY, per_second=FAST).run()
    assert statuses(outcomes) == [Status.GONE] * 2 + [Status.DENIED] * 3
    assert all("connection lost" in outcome.detail for outcome in outcomes[2:])
    assert await alive(connections) == [False, False, True, True, True]


async def test_escalation_cancels_waits_and_terminates_what_holds_its_slot(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    """Idle: only terminated. Busy: cancelled, idle, terminated. New work after the cancel: left alone."""
    idle, busy, transaction, reborn = await crowd(every_cluster, clients, 4)
    await transaction.execute("BEGIN")
    works = [asyncio.create_task(one.execute("SELECT pg_sleep(60)")) for one in (busy, transaction, reborn)]
    new_work: list[asyncio.Task[str]] = []

    async def begin_anew() -> None:
        with pytest.raises(asyncpg.QueryCanceledError):
            await works[2]
        new_work.append(asyncio.create_task(reborn.execute("SELECT pg_sleep(61)")))

    watching = asyncio.create_task(begin_anew())
    session = await sessions(every_cluster)
    snapshot = await seen(session, lambda one: sum(two.wait_event == "PgSleep" for two in one.backends) == 3)
    plan = plan_for(snapshot, "crowd")
    sent: list[tuple[Action, int]] = []

    class Noting(Watched):
        async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
            sent.extend((action, target.key.pid) for target in targets)
            return await super().signal(action, targets)

    campaign = Campaign(Noting(session), session.poll, plan, POLICY, per_second=FAST, escalate_after_s=0.5)
    outcomes = {outcome.target.key.pid: outcome for outcome in await campaign.run()}
    pids = {
        name: one.get_server_pid()
        for name, one in {"idle": idle, "busy": busy, "transaction": transaction, "reborn": reborn}.items()
    }
    await watching
    assert {pid for action, pid in sent if action is Action.CANCEL} == {
        pids["busy"],
        pids["transaction"],
        pids["reborn"],
    }
    assert {pid for action, pid in sent if action is Action.TERMINATE} == {
        pids["idle"],
        pids["busy"],
        pids["transaction"],
    }
    assert {name: outcomes[pid].status for name, pid in pids.items()} == {
        "idle": Status.GONE,
        "busy": Status.GONE,
        "transaction": Status.GONE,
        "reborn": Status.CHANGED,
    }
    assert outcomes[pids["reborn"]].detail == "a new query since it was cancelled"
    assert not new_work[0].done()
    reborn.terminate()
    await asyncio.gather(*works, *new_work, return_exceptions=True)


async def test_an_idle_target_that_begins_to_work_while_the_escalation_waits_lives(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    waking, idle = await crowd(cluster, clients, 2)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")

    def wake(progress: Progress) -> None:
        if progress.phase is Phase.WAIT and not work:
            work.append(asyncio.create_task(waking.execute("SELECT pg_sleep(60)")))

    work: list[asyncio.Task[str]] = []
    campaign = Campaign(session, session.poll, plan, POLICY, escalate_after_s=0.3, report=wake)
    outcomes = {outcome.target.key.pid: outcome.status for outcome in await campaign.run()}
    assert outcomes == {waking.get_server_pid(): Status.CHANGED, idle.get_server_pid(): Status.GONE}
    waking.terminate()
    await asyncio.gather(*work, return_exceptions=True)


async def test_stopping_an_escalation_while_it_waits_tells_the_cancels_own_end(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    busy, idle = await crowd(cluster, clients, 2)
    work = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    session = await sessions(cluster)
    plan = plan_for(await seen(session, lambda one: any(two.wait_event == "PgSleep" for two in one.backends)), "crowd")

    def stop(progress: Progress) -> None:
        if progress.phase is Phase.WAIT and not progress.stopped:
            campaign.stop()

    campaign = Campaign(session, session.poll, plan, POLICY, escalate_after_s=600, report=stop)
    outcomes = {outcome.target.key.pid: outcome for outcome in await campaign.run()}
    ended = outcomes[busy.get_server_pid()]
    assert (ended.status, ended.detail) == (Status.CANCELLED, "now idle; stopped before it was terminated")
    left = outcomes[idle.get_server_pid()]
    assert (left.status, left.detail) == (Status.NOT_SENT, "stopped")
    with pytest.raises(asyncpg.QueryCanceledError):
        await work
    assert await alive([busy, idle]) == [True, True]


async def test_a_cancel_ends_the_query_and_not_the_session(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    (busy,) = await crowd(every_cluster, clients, 1)
    work = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    session = await sessions(every_cluster)
    snapshot = await seen(session, lambda one: any(two.wait_event == "PgSleep" for two in one.backends))
    plan = plan_for(snapshot, "crowd", Action.CANCEL)
    assert statuses(await Campaign(session, session.poll, plan, POLICY).run()) == [Status.CANCELLED]
    with pytest.raises(asyncpg.QueryCanceledError):
        await work
    assert await alive([busy]) == [True]


async def test_what_a_campaign_refuses(cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    await crowd(cluster, clients, 1)
    session = await sessions(cluster)
    plan = plan_for(await session.poll(), "crowd")
    with pytest.raises(BadInput, match="read-only"):
        Campaign(session, session.poll, plan, Policy(read_only=True))
    with pytest.raises(BadInput, match="terminate"):
        Campaign(session, session.poll, replace(plan, action=Action.CANCEL), POLICY, escalate_after_s=1)
