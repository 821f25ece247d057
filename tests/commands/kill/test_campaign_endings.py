"""How campaigns end on real servers: stopped backends, lost sessions, escalation, cancels."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import BadInput, SourceLost
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.campaign import Campaign, Phase, Progress, as_wanted
from tests.conftest import MakeCluster
from tests.postgres.conftest import OpenSession
from tests.support.data.factories import make_backend
from tests.support.kill.choices import FAST, Watched
from tests.support.kill.crowds import POLICY, alive, crowd, plan_for, seen, soon, statuses
from tests.support.servers import Clients
from tests.support.waits import wait_until


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
        assert (outcome.status, outcome.detail) == (Status.UNKNOWN, "its end was not waited for")
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
    """What was sent, or may have been, is followed over a new connection; to the others nothing is sent."""
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

    outcomes = await Campaign(Doomed(session), session.poll, plan, POLICY, per_second=FAST, patience_s=0.3).run()
    # Whether the loss was noticed before the third or by it is a matter of an instant.
    assert statuses(outcomes)[:2] == [Status.GONE] * 2
    assert outcomes[2].status is Status.NOT_SENT or "lost while one was signalled" in outcomes[2].note
    assert statuses(outcomes)[3:] == [Status.NOT_SENT] * 2
    assert all("connection lost" in outcome.detail for outcome in outcomes[3:])
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
    cancelled = {name for name, pid in pids.items() if (Action.CANCEL, pid) in sent}
    terminated = {name for name, pid in pids.items() if (Action.TERMINATE, pid) in sent}
    assert cancelled == {"busy", "transaction", "reborn"}
    assert terminated == {"idle", "busy", "transaction"}
    assert {pid for _, pid in sent} == set(pids.values())
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


async def test_another_server_stops_a_campaign_and_settles_nothing(
    cluster: Cluster, make_cluster: MakeCluster, clients: Clients, sessions: OpenSession
) -> None:
    connections = await crowd(cluster, clients, 3)
    session, other = await sessions(cluster), await sessions(make_cluster())
    plan = plan_for(await session.poll(), "crowd")
    looks = [session, other]

    async def look() -> Snapshot:
        return await (looks.pop(0) if len(looks) > 1 else looks[0]).poll()

    outcomes = await Campaign(session, look, plan, POLICY, per_second=1, sleep=soon, patience_s=0.3).run()
    assert statuses(outcomes) == [Status.UNKNOWN] + [Status.NOT_SENT] * 2
    assert all("another server" in outcome.detail for outcome in outcomes)
    assert (await alive(connections))[1:] == [True, True]


async def test_a_stopped_escalation_is_not_what_was_wanted() -> None:
    cancelled = Outcome(Target.of(make_backend()), Status.CANCELLED)
    assert as_wanted(Action.CANCEL, cancelled)
    assert not as_wanted(Action.TERMINATE, cancelled)
