"""Who blocks whom, where the server's answer repeats itself or names nobody."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.view.export.snapshot import document
from tests.conftest import VERSIONS, MakeCluster
from tests.postgres.conftest import OpenSession
from tests.support.postgres.statement_recorder import until
from tests.support.servers import Clients


@pytest.fixture(params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def preparing(make_cluster: MakeCluster, request: pytest.FixtureRequest) -> Cluster:
    return make_cluster(major=request.param, settings={"max_prepared_transactions": "2"})


def told(snapshot: Snapshot, app: str) -> dict[str, object]:
    """Its session in the JSON."""
    found = document(snapshot, SlotBudget.of(snapshot), Policy(), parse(f"app:{app}"), "app")["backends"]
    assert isinstance(found, list)
    (one,) = found
    assert isinstance(one, dict)
    return one


async def test_a_prepared_transaction_is_no_pid(preparing: Cluster, clients: Clients, sessions: OpenSession) -> None:
    holder, waiter = await clients(preparing), await clients(preparing, app="waiter")
    await holder.execute("CREATE TABLE held (i int)")
    await holder.execute("BEGIN; LOCK held; PREPARE TRANSACTION 'holding'")
    waiting = asyncio.create_task(waiter.execute("SELECT FROM held"))
    session = await sessions(preparing)
    snapshot = await until(session, lambda one: any(two.blocked_by for two in one.backends))
    one = told(snapshot, "waiter")
    assert (one["blocked_by"], one["blocked_by_prepared"]) == ([], True)
    await holder.execute("ROLLBACK PREPARED 'holding'")
    await waiting
    one = told(await session.poll(), "waiter")
    assert (one["blocked_by"], one["blocked_by_prepared"]) == ([], False)


async def test_a_parallel_query_is_named_once(preparing: Cluster, clients: Clients, sessions: OpenSession) -> None:
    leader, waiter = await clients(preparing), await clients(preparing, app="waiter")
    await leader.execute(
        "CREATE TABLE scanned AS SELECT FROM generate_series(1, 100000);"
        " SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
    )
    scanning = asyncio.create_task(leader.execute("SELECT count(*) FROM scanned WHERE pg_sleep(0.01) IS NOT NULL"))
    session = await sessions(preparing)
    await until(session, lambda one: sum(two.backend_type == "parallel worker" for two in one.backends) == 2)
    waiting = asyncio.create_task(waiter.execute("BEGIN; LOCK scanned"))
    snapshot = await until(session, lambda one: any(two.blocked_by for two in one.backends))
    raw = await (await clients(preparing)).fetchval("SELECT pg_blocking_pids($1)", waiter.get_server_pid())
    assert len(raw) > 1
    assert told(snapshot, "waiter")["blocked_by"] == [leader.get_server_pid()]
    await (await clients(preparing)).execute("SELECT pg_cancel_backend($1)", leader.get_server_pid())
    with pytest.raises(asyncpg.QueryCanceledError):
        await scanning
    await waiting


async def test_who_blocks_is_unknown_where_it_may_not_be_asked(
    preparing: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(preparing, "seeing", "LOGIN IN ROLE pg_monitor")
    holder, waiter = await clients(preparing), await clients(preparing, app="waiter")
    await holder.execute("REVOKE EXECUTE ON FUNCTION pg_blocking_pids(int) FROM PUBLIC")
    await holder.execute("SELECT pg_advisory_lock(7)")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_lock(7)"))
    session = await sessions(preparing, user="seeing")
    snapshot = await until(session, lambda one: any(two.wait_event_type == "Lock" for two in one.backends))
    assert told(snapshot, "waiter")["blocked_by"] is None
    assert snapshot.server.missing == (
        "who blocks whom: GRANT EXECUTE ON FUNCTION pg_catalog.pg_blocking_pids(integer) TO seeing",
    )
    await holder.execute("SELECT pg_advisory_unlock(7)")
    await waiting
