"""poll(): what a Snapshot says against what pg_stat_activity says, on every server version present."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import psycopg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, DISABLED, IDLE, IN_TRANSACTION, Backend, Snapshot
from pgtop_conn.postgres.connection.link import Rows
from pgtop_conn.postgres.poll.rows import ActivityRow
from pgtop_conn.postgres.statements import statement, versioned
from tests.conftest import MakeCluster
from tests.postgres.conftest import OpenSession
from tests.support.postgres.poll_clock import PollClock
from tests.support.postgres.statement_recorder import Answer, Recorder, until
from tests.support.servers import Clients, Connection

HOSTILE = 'ev\x1b[31mil\n"[/red]\u202e'
VIEW = """
    SELECT pid, datname, usename, application_name, coalesce(host(client_addr), 'local') AS client, state,
        backend_type, query, date_part('epoch', backend_start) AS backend_start,
        date_part('epoch', xact_start) AS xact_start, date_part('epoch', query_start) AS query_start,
        date_part('epoch', state_change) AS state_change, wait_event_type, wait_event
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def of_app(snapshot: Snapshot, app: str) -> Backend:
    (found,) = (backend for backend in snapshot.backends if backend.app == app)
    return found


async def test_a_poll_equals_pg_stat_activity(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, request: pytest.FixtureRequest
) -> None:
    role = await clients.role(every_cluster, "poll_web")
    await clients.many(3, every_cluster, role=role, app="web")
    opened = {app: await clients(every_cluster, role=role, app=app) for app in ("tx", "aborted", "fresh", "busy")}
    await opened["tx"].execute("BEGIN; SELECT 1")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await opened["aborted"].execute("BEGIN; SELECT 1/0")
    busy = asyncio.create_task(opened["busy"].execute("SELECT pg_sleep(60)"))
    admin = await clients(every_cluster, app="checker")
    session = await sessions(every_cluster)
    snapshot = await until(session, lambda one: of_app(one, "busy").wait == "Timeout:PgSleep")
    rows = {row["pid"]: row for row in await admin.fetch(VIEW) if row["application_name"] != "pgtop-conn"}

    mine = {one.pid: one for one in snapshot.backends if one.is_client and one.app not in ("pgtop-conn", "checker")}
    assert mine.keys() == rows.keys()
    for pid, row in rows.items():
        one = mine[pid]
        assert (one.database, one.role, one.app, one.client) == (
            row["datname"],
            row["usename"],
            row["application_name"],
            row["client"],
        )
        assert (one.state, one.backend_type, one.query) == (row["state"], row["backend_type"], row["query"])
        assert (one.key.backend_start, one.xact_start) == (row["backend_start"], row["xact_start"])
        assert (one.query_start, one.state_change) == (row["query_start"], row["state_change"])
        assert (one.wait_event_type, one.wait_event) == (row["wait_event_type"], row["wait_event"])
    assert Counter(one.state for one in mine.values()) >= Counter({IDLE: 4, IN_TRANSACTION: 1, ABORTED: 1, ACTIVE: 1})
    assert of_app(snapshot, "fresh").never_queried
    assert snapshot.server.version_num // 10000 == every_cluster.major
    assert snapshot.counted_used is None
    assert snapshot.roles[of_app(snapshot, "tx").role_oid].name == role
    own = of_app(snapshot, "pgtop-conn")
    assert own.pid == snapshot.server.own_pid
    assert own.query.startswith("SELECT")
    busy.cancel()
    await asyncio.wait({busy})


async def test_a_keep_alive_without_a_statement_makes_no_session_young(
    every_cluster: Cluster, sessions: OpenSession
) -> None:
    uri = every_cluster.uri()
    async with await psycopg.AsyncConnection.connect(uri, application_name="pinged", autocommit=True) as client:
        await client.execute("SELECT 1")
        session = await sessions(every_cluster)
        used = of_app(await until(session, lambda one: of_app(one, "pinged").state == IDLE), "pinged")
        assert not used.kept_alive
        moved = {used.state_change}
        for _ in range(2):
            async with client.pipeline() as pipeline:
                await pipeline.sync()
            snapshot = await until(session, lambda one: of_app(one, "pinged").state_change not in moved)
            pinged, at = of_app(snapshot, "pinged"), snapshot.taken_at
            moved.add(pinged.state_change)
            assert pinged.kept_alive
            assert pinged.query_start == used.query_start
            assert pinged.idle_s(at) == pinged.unused_s(at) == pinged.query_s(at)
            assert (pinged.state_s(at) or 0.0) < (pinged.query_s(at) or 0.0)
        await client.execute("SELECT 2")
        snapshot = await until(session, lambda one: of_app(one, "pinged").query == "SELECT 2")
        assert not of_app(snapshot, "pinged").kept_alive


async def test_over_tcp_the_client_is_an_address(
    make_cluster: MakeCluster, clients: Clients, sessions: OpenSession
) -> None:
    cluster = make_cluster(tcp=True)
    await clients(cluster, app="remote", tcp=True)
    backend = of_app(await (await sessions(cluster, tcp=True)).poll(), "remote")
    assert backend.client == "127.0.0.1"
    assert backend.client_port


async def test_server_facts(make_cluster: MakeCluster, clients: Clients, sessions: OpenSession) -> None:
    settings = {
        "max_connections": "31",
        "superuser_reserved_connections": "4",
        "reserved_connections": "2",
        "max_wal_senders": "7",
        "rds.rds_reserved_connections": "5",
    }
    cluster = make_cluster(settings=settings)
    await clients.role(cluster, "monitor", "LOGIN IN ROLE pg_monitor, pg_use_reserved_connections")
    await clients.role(cluster, "rds_replication", "NOLOGIN")
    await clients.role(cluster, "standby", "LOGIN CONNECTION LIMIT 3 IN ROLE rds_replication")
    snapshot = await (await sessions(cluster, user="monitor")).poll()
    server = snapshot.server
    assert (server.max_connections, server.superuser_reserved, server.reserved, server.max_wal_senders) == (31, 4, 2, 7)
    assert dict(server.provider_reserved) == {"rds.rds_reserved_connections": 5}
    assert (server.role, server.superuser, server.sees_all, server.can_signal) == ("monitor", False, True, False)
    assert server.uses_reserved
    assert (server.pooled, server.in_recovery, server.database) == (False, False, "postgres")
    roles = {role.name: role for role in snapshot.roles.values()}
    assert (roles["standby"].replication_member, roles["standby"].replication) == (True, False)
    assert roles["standby"].connection_limit == 3
    assert (roles["postgres"].superuser, roles["postgres"].replication_member) == (True, False)
    assert roles["monitor"].usable
    assert not roles["postgres"].usable


async def test_settings_of_a_direct_connection(every_cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    """Ours, whatever the role's own are."""
    ours = {
        "search_path": "pg_catalog, pg_temp",
        "statement_timeout": "3s",
        "lock_timeout": "500ms",
        "idle_session_timeout": "0",
        "work_mem": "16MB",
        "jit": "off",
        "default_transaction_read_only": "on",
    }
    others = dict(zip(ours, ("public", "1h", "1h", "1h", "1MB", "on", "off"), strict=True))
    if every_cluster.major < 14:
        del ours["idle_session_timeout"]
    role = await clients.role(every_cluster, "poll_settings")
    admin = await clients(every_cluster)
    for name in ours:
        await admin.execute(f"ALTER ROLE {role} SET {name} = '{others[name]}'")
    recorder = Recorder(await sessions(every_cluster, user=role))
    rows = await recorder.link.fetch("SELECT n, current_setting(n) FROM unnest($1::text[]) n", list(ours))
    assert {row[0]: row[1] for row in rows} == ours


async def test_a_role_without_privileges_counts_right_and_flags_the_rest(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(every_cluster, "poll_plain")
    await clients.role(every_cluster, "poll_other")
    for _ in range(3):
        other = await clients(every_cluster, role="poll_other", app="other")
        await other.execute("SELECT 'secret'")
    await clients(every_cluster, role="poll_plain", app="own")
    snapshot = await (await sessions(every_cluster, user="poll_plain")).poll()
    hidden = [one for one in snapshot.backends if one.app == "other"]
    assert len(hidden) == 3
    for one in hidden:
        assert (one.hidden, one.state, one.query, one.client, one.role) == (True, None, "", "", "poll_other")
        assert one.key.backend_start is None
        # From 17 on who sits in a client slot is no secret.
        assert one.backend_type == ("client backend" if every_cluster.major >= 17 else None)
    own = of_app(snapshot, "own")
    assert (own.hidden, own.state) == (False, IDLE)
    assert snapshot.counted_used == 5
    assert snapshot.counted_exact == (every_cluster.major >= 17)
    assert not snapshot.server.sees_all


async def test_rows_are_taken_by_place(every_cluster: Cluster, sessions: OpenSession) -> None:
    link = Recorder(await sessions(every_cluster)).link
    rows = await link.fetch(versioned("activity", link.version_num), 0.0)
    assert tuple(rows[0].keys()) == ActivityRow._fields


async def test_the_text_of_a_new_query_comes_with_its_row(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    opened = await clients.many(5, cluster, app="web")
    for connection in opened:
        await connection.execute("SELECT 'first'")
    session = await sessions(cluster)
    before = await session.poll()
    recorder = Recorder(session)
    steady = await session.poll()
    assert recorder.taken() == ["activity"]
    assert [one for one in steady.backends if one.app == "web"] == [one for one in before.backends if one.app == "web"]

    await opened[0].execute("SELECT 'second'")
    after = await session.poll()
    assert recorder.taken() == ["activity"]
    texts = Counter(one.query for one in after.backends if one.app == "web")
    assert texts == {"SELECT 'first'": 4, "SELECT 'second'": 1}
    unchanged = [one for one in after.backends if one.app == "web" and one.query == "SELECT 'first'"]
    assert all(one is steady.by_key[one.key] for one in unchanged)


async def test_a_text_that_did_not_come_with_its_row_is_asked_for(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    """As after the server's clock was set back: what is new began before the last poll."""
    first, second = await clients.many(2, cluster, app="web")
    session = await sessions(cluster)
    before = await session.poll()
    recorder = Recorder(session)
    await first.execute("SELECT 'late'")
    session.reader.texts_since = before.taken_at + 3600.0
    after = await session.poll()
    assert recorder.taken() == ["activity", "queries"]
    assert recorder.last_arguments == ([str(first.get_server_pid())],)
    assert {one.pid: one.query for one in after.backends if one.app == "web"} == {
        first.get_server_pid(): "SELECT 'late'",
        second.get_server_pid(): "",
    }
    await session.poll()
    assert recorder.taken() == ["activity"]


async def test_a_text_that_could_not_be_had_is_asked_for_again(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    client = await clients(cluster, app="web")
    session = await sessions(cluster)
    before = await session.poll()
    recorder, queries = Recorder(session), statement("queries")

    async def nothing(answer: Answer, text: str, arguments: Sequence[object]) -> Rows:
        return [] if text == queries else await answer(text, arguments)

    recorder.stand_between(nothing)
    await client.execute("SELECT 'late'")
    session.reader.texts_since = before.taken_at + 3600.0
    assert of_app(await session.poll(), "web").query == ""
    session.reader.texts_since = before.taken_at + 3600.0
    assert of_app(await session.poll(), "web").query == ""
    recorder.stand_aside()
    session.reader.texts_since = before.taken_at + 3600.0
    assert of_app(await session.poll(), "web").query == "SELECT 'late'"


async def test_sessions_are_counted_by_database_as_the_server_counts_them(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, poll_clock: PollClock
) -> None:
    admin = await clients(every_cluster)
    session = await sessions(every_cluster)
    await session.poll()
    poll_clock.forward()
    counters = (await session.poll()).counters
    assert counters is not None
    assert counters.numbackends == await admin.fetchval("SELECT sum(numbackends) FROM pg_stat_database")


async def test_a_new_role_is_known_at_once_and_a_dropped_one_asked_for_once(
    cluster: Cluster, admin: Connection, clients: Clients, sessions: OpenSession
) -> None:
    session = await sessions(cluster)
    await session.poll()
    recorder = Recorder(session)
    await admin.execute("CREATE ROLE poll_new LOGIN")
    await clients(cluster, role="poll_new", app="new")
    assert of_app(await session.poll(), "new").role == "poll_new"
    assert "roles" in recorder.taken()
    await admin.execute("DROP ROLE poll_new")
    other = await sessions(cluster)
    assert of_app(await other.poll(), "new").role == ""
    recorder = Recorder(other)
    await other.poll()
    assert recorder.taken() == ["activity"]


async def test_blockers_only_when_somebody_waits(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    session = await sessions(every_cluster)
    holder, waiter = await clients(every_cluster, app="holder"), await clients(every_cluster, app="waiter")
    await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(4711)")
    recorder = Recorder(session)
    await session.poll()
    assert "blockers" not in recorder.taken()
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(4711)"))
    snapshot = await until(session, lambda one: bool(of_app(one, "waiter").blocked_by))
    assert of_app(snapshot, "waiter").blocked_by == (holder.get_server_pid(),)
    assert of_app(snapshot, "waiter").wait_event_type == "Lock"
    await holder.execute("ROLLBACK")
    await waiting
    assert of_app(await session.poll(), "waiter").blocked_by == ()


async def test_hostile_names_and_queries_arrive_harmless(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    admin = await clients(every_cluster)
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    await admin.execute(f"CREATE ROLE {quoted} LOGIN")
    await admin.execute(f"CREATE DATABASE {quoted}")
    try:
        victim = await asyncpg.connect(
            user=HOSTILE,
            database=HOSTILE,
            host=str(every_cluster.socket_dir),
            port=every_cluster.port,
            server_settings={"application_name": "hostile [/red]"},
        )
        await victim.execute("SELECT 1 /* \x1b]0;pwn\x07\n[@click=app.quit] */")
        backend = of_app(await (await sessions(every_cluster)).poll(), "hostile [/red]")
        assert backend.role == backend.database == 'ev␛[31mil␊"[/red]�'
        assert backend.query == "SELECT 1 /* ␛]0;pwn␇\n[@click=app.quit] */"
        await victim.close()
    finally:
        await admin.execute(f"DROP DATABASE {quoted} WITH (FORCE)")
        await admin.execute(f"DROP ROLE {quoted}")


@pytest.fixture
async def foreign(every_cluster: Cluster, clients: Clients) -> AsyncIterator[dict[str, str]]:
    """A database of each foreign encoding: encoding to name."""
    admin = await clients(every_cluster)
    names = {"LATIN1": "poll_latin1", "SQL_ASCII": "poll_ascii"}
    for encoding, name in names.items():
        await admin.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    yield names
    for name in names.values():
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_foreign_encodings(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, foreign: dict[str, str], encoding: str
) -> None:
    database = foreign[encoding]
    outside = await clients(every_cluster, app="utf8")
    await outside.execute("SELECT 'é'")
    inside = await clients(every_cluster, app="foreign", database=database)
    # As it lies in the server's memory the byte is 0xE9, which is not UTF-8.
    await raw_query(inside, b"SELECT '\xe9'" if encoding == "SQL_ASCII" else "SELECT 'é'".encode())
    for monitor in ("postgres", database):
        snapshot = await (await sessions(every_cluster, database=monitor)).poll()
        assert of_app(snapshot, "foreign").query == "SELECT '�'"
        assert of_app(snapshot, "utf8").query == "SELECT 'é'"
        assert snapshot.server.database == monitor


async def raw_query(connection: Any, text: bytes) -> None:
    """Send bytes as they are: the driver itself only sends UTF-8."""
    transport = connection._transport
    await connection.execute("SET client_encoding = 'SQL_ASCII'" if b"\xe9" in text else "SELECT 1")
    done = asyncio.Event()
    protocol = transport.get_protocol()

    class Answer(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            if b"Z\0\0\0\5" in data:
                done.set()

    transport.set_protocol(Answer())
    transport.write(b"Q" + (len(text) + 5).to_bytes(4, "big") + text + b"\0")
    await done.wait()
    transport.set_protocol(protocol)


async def test_sessions_without_statistics_are_unknown_not_idle(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    silent = await clients(cluster, app="silent")
    await silent.execute("SET track_activities = off")
    backend = of_app(await (await sessions(cluster)).poll(), "silent")
    assert backend.state == DISABLED
    assert backend.idle_s(backend.key.backend_start or 0.0) is None
    assert backend.query == ""


async def test_no_refresh_writes_a_temporary_file(
    make_cluster: MakeCluster, clients: Clients, sessions: OpenSession
) -> None:
    cluster = make_cluster(settings={"track_activity_query_size": "30000", "work_mem": "64kB", "log_temp_files": "0"})
    long_text = f"SELECT 1 -- {'x' * 29_000}"
    for connection in await clients.many(60, cluster, app="long"):
        await connection.execute(long_text)
    session = await sessions(cluster)
    for _ in range(3):
        snapshot = await session.poll()
    assert len(of_app_all(snapshot, "long")) == 60
    assert all(len(one.query) > 20_000 for one in of_app_all(snapshot, "long"))
    assert "temporary file" not in cluster.log_file.read_text()


def of_app_all(snapshot: Snapshot, app: str) -> list[Backend]:
    return [one for one in snapshot.backends if one.app == app]
