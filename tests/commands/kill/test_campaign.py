"""Campaigns on real servers: pace, stop, and nobody innocent whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Status
from pgtop_conn.monitor.campaign import Campaign, Phase, Progress
from tests.postgres.conftest import OpenSession
from tests.support.kill.choices import FAST
from tests.support.kill.crowds import POLICY, alive, crowd, plan_for, seen, soon, statuses
from tests.support.servers import Clients, answers


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
    assert [one.get_server_pid() for one in connections if await answers(one)] == [innocent.pid]


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
