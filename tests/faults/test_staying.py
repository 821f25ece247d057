"""What the fault run found, one by one: sessions left behind, a restart behind a pooler, the door after a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from pgtop_conn.demo.binaries import Binaries
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, SourceLost
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.postgres.connection import link as link_module
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.postgres.conftest import own_pids
from tests.support.faults.network import Proxy
from tests.support.faults.sampler import connections_to, reach
from tests.support.faults.stage import Pooled, execute, fill
from tests.support.pgbouncer import needed_program
from tests.support.waits import HANG_S, wait_until


@pytest.fixture
async def proxy(module_clusters: MakeCluster) -> AsyncIterator[tuple[Cluster, Proxy]]:
    """A server behind a network that can be broken."""
    cluster = module_clusters(tcp=True)
    proxy = Proxy(cluster.port)
    await proxy.start()
    yield cluster, proxy
    await proxy.stop()


async def open_through(proxy: Proxy) -> Session:
    return await Session.open(resolve(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres", environ={}))


async def poll_again(session: Session, within_s: float = HANG_S) -> Snapshot:
    """Polls until one answers."""
    found: list[Snapshot] = []

    async def answers() -> bool:
        with contextlib.suppress(SourceLost, ConnectError):
            found.append(await session.poll())
        return bool(found)

    await wait_until(answers, "the server answers", within_s=within_s)
    return found[-1]


async def test_a_reset_that_only_reached_us_leaves_no_session_behind(proxy: tuple[Cluster, Proxy]) -> None:
    cluster, network = proxy
    session = await open_through(network)
    before = (await session.poll()).server.own_pid
    network.reset(only_client=True)
    with pytest.raises(SourceLost):
        await session.poll()
    assert await own_pids(cluster) == [before]
    after = (await poll_again(session)).server.own_pid

    async def alone() -> bool:
        return await own_pids(cluster) == [after]

    await wait_until(alone, "the session that was left behind is ended")
    await session.close()


async def test_connections_that_a_firewall_forgets_never_stop_us(
    proxy: tuple[Cluster, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness of each hears nothing for ever; that the server lists its session no more is news enough."""
    monkeypatch.setattr(link_module, "ANSWER_S", 0.3)
    cluster, network = proxy
    session = await open_through(network)
    await session.poll()
    for _ in range(4):
        network.forget()
        with pytest.raises(SourceLost, match="no answer from the server"):
            await session.poll()
        assert connections_to([network.port]) == 0
        await poll_again(session)
        await session.poll()
    await session.poll()
    assert session.unanswered == []
    assert len(await own_pids(cluster)) == 1
    await session.close()


async def test_a_restart_behind_a_pooler_is_noticed(newest_binaries: Binaries) -> None:
    """It costs no connection of ours, so nothing else tells that max_connections is another one."""
    needed_program()
    stage = Pooled(newest_binaries)
    try:
        await stage.start()
        session = await Session.open(resolve(stage.uri, environ={}))
        assert (await session.poll()).server.max_connections == 20
        await execute(stage.primary, "ALTER SYSTEM SET max_connections = 30")
        await asyncio.to_thread(stage.primary.restart)

        async def noticed() -> bool:
            return (await poll_again(session)).server.max_connections == 30

        await wait_until(noticed, "the new max_connections is shown")
        await session.close()
    finally:
        await stage.stop()


async def test_the_walsender_door_survives_a_restart_and_a_slot_is_taken(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(settings={"max_connections": "8", "superuser_reserved_connections": "1"})
    await execute(cluster, "CREATE ROLE crowd LOGIN", "CREATE ROLE mover LOGIN REPLICATION IN ROLE pg_monitor")
    info = resolve(cluster.uri(user="mover"), environ={})
    crowd: list[asyncpg.Connection[asyncpg.Record]] = []
    await fill(cluster, crowd)
    session = await Session.open(info, by_door=True)
    assert (await session.poll()).server.door == "walsender"
    await asyncio.to_thread(cluster.stop)
    with pytest.raises(SourceLost):
        await session.poll()
    await asyncio.to_thread(cluster.start)
    crowd.clear()
    await fill(cluster, crowd)
    snapshot = await poll_again(session)
    assert snapshot.server.door == "walsender"
    for one in crowd:
        await one.close()

    async def moved() -> bool:
        return not (await session.poll()).server.door

    await wait_until(moved, "it has moved to an ordinary slot")
    assert len(await own_pids(cluster)) == 1
    admin = await reach(cluster)
    query = "SELECT backend_type FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"
    assert await admin.fetchval(query) == "client backend"
    await admin.close()
    await session.close()
