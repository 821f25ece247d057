"""Session.facts() on real servers: settings, overrides and memory; each part may fail alone, over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Unpack

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.facts import Facts, Override
from pgtop_conn.postgres.connection.setting_names import SETTINGS
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.postgres.conftest import OpenSession, own_pids
from tests.support.data.fields import AddressFields
from tests.support.postgres.statement_recorder import Recorder
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

MEBIBYTE = 2**20
#: What our own session sets for itself, and what the servers of the tests have instead.
SERVERS_OWN = {"statement_timeout": "0", "lock_timeout": "0", "work_mem": "4MB", "idle_session_timeout": "0"}


@asynccontextmanager
async def behind_a_relay(cluster: Cluster) -> AsyncIterator[str]:
    """The URI of a port on this host that leads to a server, as a tunnel or a published port does."""
    sockets: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sockets.append(writer)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", cluster.port)
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"postgresql://postgres@127.0.0.1:{server.sockets[0].getsockname()[1]}/postgres"
    finally:
        for writer in sockets:
            writer.close()
        server.close()
        await server.wait_closed()


async def facts_of(cluster: Cluster, **who: Unpack[AddressFields]) -> Facts:
    session = await Session.open(resolve(cluster.uri(**who), environ={}))
    try:
        return await session.facts()
    finally:
        await session.close()


async def test_settings(every_cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    admin = await clients(every_cluster)
    expected = await admin.fetch(
        "SELECT name, setting, coalesce(unit, '') AS unit, current_setting(name) AS shown, context, source,"
        " pending_restart FROM pg_settings WHERE name = ANY ($1::text[])",
        list(SETTINGS),
    )
    session = await sessions(every_cluster)
    facts = await session.facts()
    assert facts.troubles == ()
    told = {
        one.name: (one.value, one.unit, one.shown, one.context, one.source, one.pending_restart)
        for one in facts.settings.values()
    }
    assert told == {row["name"]: tuple(row.values())[1:] for row in expected}
    assert {name: told[name][2] for name in SERVERS_OWN if name in told} == {
        name: value for name, value in SERVERS_OWN.items() if name in told
    }
    assert facts.number("max_connections") == 100
    assert facts.at == pytest.approx(await admin.fetchval("SELECT date_part('epoch', clock_timestamp())"), abs=10)
    # Ours stay as they are for the polls.
    rows = await Recorder(session).link.fetch("SELECT pg_catalog.current_setting('statement_timeout') AS value")
    assert rows[0]["value"] == "3s"


async def test_the_newest_server_knows_every_setting(cluster: Cluster) -> None:
    assert set((await facts_of(cluster)).settings) == set(SETTINGS)


async def test_a_role_without_rights_reads_what_everyone_may(every_cluster: Cluster, clients: Clients) -> None:
    await clients.role(every_cluster, "nobody_much")
    facts = await facts_of(every_cluster, user="nobody_much")
    assert facts.troubles == ()
    assert facts.number("max_connections") == 100
    assert "data_directory" not in facts.settings


async def test_what_our_own_role_is_given_is_not_taken_for_the_servers(
    every_cluster: Cluster, clients: Clients
) -> None:
    await clients.role(every_cluster, "dba", "LOGIN SUPERUSER")
    await clients.role(every_cluster, "watcher", "LOGIN")
    admin = await clients(every_cluster)
    await admin.execute("ALTER ROLE dba SET statement_timeout = '7s'; ALTER ROLE dba SET work_mem = '64MB'")
    await admin.execute("ALTER ROLE watcher SET statement_timeout = '7s'")
    await admin.execute("ALTER SYSTEM SET work_mem = '5MB'")
    try:
        facts = await facts_of(every_cluster, user="dba")
        assert (facts.settings["work_mem"].shown, facts.settings["work_mem"].value) == ("5MB", "5120")
        assert facts.settings["work_mem"].source == "configuration file"
        assert (facts.number("statement_timeout"), facts.settings["statement_timeout"].source) == (0, "default")
        assert facts.troubles == ()
        facts = await facts_of(every_cluster, user="watcher")
        assert (facts.settings["statement_timeout"].shown, facts.settings["statement_timeout"].source) == ("7s", "user")
        (trouble,) = facts.troubles
        assert trouble.startswith("statement_timeout: our role or database has its own")
    finally:
        await admin.execute("ALTER SYSTEM RESET work_mem")


async def test_overrides(every_cluster: Cluster, clients: Clients) -> None:
    admin = await clients(every_cluster)
    await clients.role(every_cluster, "web", "LOGIN")
    await clients.role(every_cluster, "ev\x1b[31mil", "LOGIN")
    for text in (
        "ALTER ROLE web SET statement_timeout = '5s'",
        "ALTER ROLE web IN DATABASE postgres SET work_mem = '8MB'",
        "ALTER ROLE \"ev\x1b[31mil\" SET cluster.name = 'x'",
        "ALTER ROLE \"ev\x1b[31mil\" SET log_min_messages = 'fatal'",
        "ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '1min'",
        "ALTER DATABASE postgres SET app.jwt_secret = 'a=secret'",
        "ALTER ROLE ALL SET lock_timeout = '9s'",
    ):
        await admin.execute(text)
    try:
        facts = await facts_of(every_cluster)
        assert facts.overrides == (
            Override("", "postgres", "idle_in_transaction_session_timeout", "1min"),
            Override("", "", "lock_timeout", "9s"),
            Override("ev␛[31mil", "", "log_min_messages", "fatal"),
            Override("web", "", "statement_timeout", "5s"),
            Override("web", "postgres", "work_mem", "8MB"),
        )
        assert facts.settings["lock_timeout"].shown == "0"
    finally:
        await admin.execute("ALTER ROLE ALL RESET ALL")
        await admin.execute("ALTER DATABASE postgres RESET ALL")


@pytest.mark.parametrize("catalog", ["pg_authid", "pg_database", "pg_db_role_setting"])
async def test_a_locked_catalog_fails_one_part_alone(cluster: Cluster, clients: Clients, catalog: str) -> None:
    session = await Session.open(resolve(cluster.uri(), environ={}))
    lock = await clients(cluster)
    await lock.execute(f"BEGIN; LOCK {catalog} IN ACCESS EXCLUSIVE MODE")
    facts = await session.facts()
    (trouble,) = facts.troubles
    assert trouble.startswith("the settings of roles and databases could not be read: a lock on a system catalog")
    assert facts.overrides == ()
    assert facts.number("max_connections") == 100
    await lock.execute("ROLLBACK")
    assert (await session.facts()).troubles == ()
    await session.close()


async def test_a_lost_connection(cluster: Cluster, admin: Connection) -> None:
    session = await Session.open(resolve(cluster.uri(), environ={}))
    (pid,) = await own_pids(cluster)
    await admin.execute("SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(SourceLost, match=r"terminat|ended"):
        await session.facts()
    with pytest.raises(SourceLost, match="no connection"):
        await session.facts()
    await session.poll()
    assert (await session.facts()).troubles == ()
    await session.close()


async def test_one_connection_while_polls_and_facts_run_together(cluster: Cluster, sessions: OpenSession) -> None:
    session = await sessions(cluster)
    (pid,) = await own_pids(cluster)
    answers = await asyncio.gather(session.facts(), session.poll(), session.facts(), session.poll())
    assert all(answers)
    waiting = asyncio.create_task(session.facts())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await session.poll()
    assert await own_pids(cluster) == [pid]


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="the host is looked at on Linux")
async def test_memory_on_this_host(every_cluster: Cluster, clients: Clients) -> None:
    await clients.many(6, every_cluster)
    hungry = await clients(every_cluster)
    await hungry.execute("SET work_mem = '200MB'; SET cursor_tuple_fraction = 1.0")
    await hungry.execute("BEGIN; DECLARE c CURSOR FOR SELECT -i FROM generate_series(1, 500000) AS i ORDER BY 1")
    await hungry.execute("FETCH c")
    memory = (await facts_of(every_cluster)).memory
    assert memory is not None
    assert memory.measured >= 7
    assert 0.3 * MEBIBYTE < memory.per_backend < 8 * MEBIBYTE
    assert 15 * MEBIBYTE < memory.largest < 200 * MEBIBYTE
    assert memory.per_backend * memory.measured < memory.available < memory.total <= memory_of_this_machine()


def memory_of_this_machine() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) * 1024


async def test_memory_is_private_even_where_one_session_alone_has_touched_the_shared_buffers(
    make_cluster: MakeCluster, clients: Clients
) -> None:
    cluster = make_cluster(settings={"shared_buffers": "256MB"})
    reader = await clients(cluster)
    await reader.execute("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)")
    await reader.execute("SET max_parallel_workers_per_gather = 0; SELECT count(*) FROM big")
    private = [int(line.split()[1]) for line in rollup(reader) if line.startswith(("Private_Clean", "Private_Dirty"))]
    memory = (await facts_of(cluster)).memory
    assert memory is not None
    assert memory.largest < sum(private) * 1024 / 2


def rollup(connection: Connection) -> list[str]:
    return Path(f"/proc/{connection.get_server_pid()}/smaps_rollup").read_text().splitlines()


async def test_a_server_behind_a_port_of_this_host_is_not_taken_for_one_on_it(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(tcp=True)
    assert (await facts_of(cluster, tcp=True)).memory is not None
    async with behind_a_relay(cluster) as uri:
        session = await Session.open(resolve(uri, environ={}))
        facts = await session.facts()
        await session.close()
    assert facts.memory is None
    assert "serves another connection" in facts.memory_unknown
    assert facts.refused is None
    assert "logging_collector is off" in facts.refused_unknown
    assert "serves another connection" in facts.refused_unknown


async def test_alone_on_the_server_our_own_session_is_the_example(make_cluster: MakeCluster) -> None:
    memory = (await facts_of(make_cluster())).memory
    assert memory is not None
    assert memory.measured == 1
    assert memory.per_backend == memory.largest > 0.3 * MEBIBYTE


async def test_no_session_is_left(cluster: Cluster) -> None:
    await facts_of(cluster)

    async def nobody() -> bool:
        return await own_pids(cluster) == []

    await wait_until(nobody, "our session is gone")
