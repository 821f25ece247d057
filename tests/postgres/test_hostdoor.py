"""The host door: a server that lets nobody in, seen and freed from its host."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, SourceLost
from pgtop_conn.model.guards import Care, Policy, judge
from pgtop_conn.model.plan import Ask, make_plan
from pgtop_conn.model.slots import Level, SlotBudget
from pgtop_conn.model.snapshot import CLIENT_BACKEND, Backend, Snapshot
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.conninfo import ConnInfo, resolve
from pgtop_conn.postgres.hostdoor import HostDoor
from pgtop_conn.postgres.processes import children, look, send
from tests.conftest import VERSIONS, MakeCluster
from tests.servers import Clients, Connection
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the tests' servers belong to another user")

SETTINGS = {
    "max_connections": "9",
    "superuser_reserved_connections": "2",
    "max_wal_senders": "4",
    "cluster_name": "a: b",
}


@pytest.fixture(params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def small(make_cluster: MakeCluster, request: pytest.FixtureRequest) -> Cluster:
    return make_cluster(major=request.param, settings=SETTINGS)


def info_of(cluster: Cluster) -> ConnInfo:
    return resolve(cluster.uri(), environ={})


async def web(cluster: Cluster, clients: Clients, count: int) -> list[Connection]:
    role = await clients.role(cluster, "web")
    return await clients.many(count, cluster, role=role, app="web")


def sessions_of(snapshot: Snapshot, role: str) -> list[Backend]:
    return [one for one in snapshot.backends if one.role == role and one.backend_type == CLIENT_BACKEND]


async def test_a_full_server_is_rescued_and_its_standby_is_not_touched(small: Cluster, clients: Clients) -> None:
    standby = await asyncpg.connect(small.uri(), server_settings={"replication": "true"})
    try:
        await web(small, clients, 7)
        await clients.many(2, small)
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await clients(small)
        door = await HostDoor.open(info_of(small))
        snapshot = await door.poll()
        budget = SlotBudget.of(snapshot)
        assert (budget.max, budget.used, budget.superuser_reserved, budget.level) == (9, 9, 2, Level.FULL)
        assert (budget.walsenders_used, budget.walsenders_max) == (1, 4)
        assert snapshot.server.version.startswith(str(small.major))
        targets = [Target.of(one) for one in sessions_of(snapshot, "web")[:3]]
        assert [one.status for one in await door.signal(Action.TERMINATE, targets)] == [Status.SIGNALLED] * 3

        async def gone() -> bool:
            return SlotBudget.of(await door.poll()).used == 6

        await wait_until(gone, "the three are gone")
        assert (await clients(small, role="web")).is_closed() is False
        assert not standby.is_closed()
        assert {one.status for one in await door.signal(Action.TERMINATE, targets)} == {Status.GONE}
    finally:
        standby.terminate()


async def test_the_guards_of_this_door(cluster: Cluster, clients: Clients) -> None:
    (idle,) = await web(cluster, clients, 1)
    busy = await clients(cluster, role="web")
    await clients.role(cluster, "two words")
    await clients(cluster, role="two words")
    seen = await clients.role(cluster, "streaming")
    await clients(cluster, role=seen)
    await clients(cluster, role="postgres", app="admin")
    running = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    door = await HostDoor.open(info_of(cluster), lambda _port: frozenset({"streaming"}))
    snapshot = await door.poll()

    async def shown() -> bool:
        nonlocal snapshot
        snapshot = await door.poll()
        return any(one.query == "SELECT" and one.role == "web" for one in snapshot.backends)

    await wait_until(shown, "the busy session shows as busy")

    def care(backend: Backend, *, bulk: bool = False) -> Care:
        return judge(backend, snapshot, Policy(), bulk=bulk).care

    by_pid = {one.pid: one for one in snapshot.backends}
    assert care(by_pid[idle.get_server_pid()]) is Care.TYPE_ROLE
    assert care(by_pid[idle.get_server_pid()], bulk=True) is Care.TYPE_ROLE
    assert care(by_pid[busy.get_server_pid()]) is Care.TYPE_ROLE
    assert care(by_pid[busy.get_server_pid()], bulk=True) is Care.REFUSE
    for name in ("two words postgres", "streaming", "postgres"):
        assert {care(one) for one in snapshot.backends if one.role == name} == {Care.REFUSE}, name
    assert {care(one) for one in snapshot.backends if one.backend_type != CLIENT_BACKEND} == {Care.REFUSE}
    plan = make_plan(Action.TERMINATE, [Target.of(one) for one in snapshot.backends], snapshot, Policy())
    assert (plan.ask, plan.answer) == (Ask.TYPE_ROLE, "web")
    busy.terminate()
    await asyncio.wait({running})


async def test_what_is_guarded_is_left_alone_even_when_it_is_asked_for(cluster: Cluster, clients: Clients) -> None:
    admin = await clients(cluster, app="admin")
    door = await HostDoor.open(info_of(cluster))
    snapshot = await door.poll()
    outcomes = await door.signal(Action.TERMINATE, [Target.of(one) for one in snapshot.backends if one.role != "web"])
    assert {one.status for one in outcomes} == {Status.DENIED}
    assert await admin.fetchval("SELECT 1") == 1


async def test_a_session_that_changed_is_left_alone(cluster: Cluster, clients: Clients) -> None:
    (session,) = await web(cluster, clients, 1)
    door = await HostDoor.open(info_of(cluster))
    (before,) = sessions_of(await door.poll(), "web")
    await session.execute("BEGIN")
    (outcome,) = await door.signal(Action.TERMINATE, [Target.of(before)])
    assert outcome.status is Status.CHANGED
    await door.poll()
    (outcome,) = await door.signal(Action.TERMINATE, [Target.of(before)])
    assert outcome.status is Status.CHANGED
    assert await session.fetchval("SELECT 1") == 1


async def test_a_recycled_pid_is_never_hit(cluster: Cluster, clients: Clients) -> None:
    """Identities that are not quite right: another beginning, another parent, another title."""
    (session,) = await web(cluster, clients, 1)
    assert cluster.postmaster_pid is not None
    (process,) = [one for one in children(cluster.postmaster_pid) if one.pid == session.get_server_pid()]
    for wrong in (replace(process, started=process.started - 1), replace(process, parent=1)):
        assert send(wrong, signal.SIGTERM) == "gone"
    assert send(replace(process, title=process.title + b"x"), signal.SIGTERM) == "changed"
    assert await session.fetchval("SELECT 1") == 1


async def test_a_server_that_goes_and_comes_back(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster()
    door = await HostDoor.open(info_of(cluster))
    first = await door.poll()
    cluster.stop()
    with pytest.raises(SourceLost):
        await door.poll()
    cluster.start()
    again = await door.poll()
    assert again.server.started_at != first.server.started_at
    await door.close()
    with pytest.raises(SourceLost):
        await door.poll()


async def test_several_servers_are_told_apart(make_cluster: MakeCluster, clients: Clients) -> None:
    one, other = make_cluster(), make_cluster()
    await web(one, clients, 2)
    assert len(sessions_of(await (await HostDoor.open(info_of(one))).poll(), "web")) == 2
    assert not sessions_of(await (await HostDoor.open(info_of(other))).poll(), "web")


async def test_no_server_there(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="found no server"):
        await HostDoor.open(resolve(f"host={tmp_path} user=x", environ={}))
    (tmp_path / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n{tmp_path}\n")
    with pytest.raises(ConnectError, match="found no server"):
        await HostDoor.open(resolve(f"host={tmp_path} user=x", environ={}))
    assert look(os.getpid()) is not None
