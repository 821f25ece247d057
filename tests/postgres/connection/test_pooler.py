"""Through PgBouncer in transaction mode: recognised, nothing set, nothing named, no errors."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.guards import Care, Policy, judge
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import statement
from tests.conftest import MakeCluster
from tests.postgres.conftest import OpenSession
from tests.support.certificates import Authority
from tests.support.command_line import run
from tests.support.pgbouncer import configure, end, free_port, needed_program, running, start
from tests.support.postgres.statement_recorder import Recorder, until_true
from tests.support.postgres.traps import TRAPPED, drop_traps, lay_traps, sprung
from tests.support.servers import Clients, Connection
from tests.support.waits import HANG_S

StartBouncer = Callable[..., Awaitable[str]]


@pytest.fixture
async def bouncer(cluster: Cluster) -> AsyncIterator[StartBouncer]:
    """`await bouncer(client_tls_sslmode="allow", …)` starts a PgBouncer before the shared server and gives its URI."""
    program = needed_program()
    folder = cluster.folder / "bouncer"
    folder.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    async def run(certificate: Path | None = None, **settings: str) -> str:
        port = free_port()
        if certificate is not None:
            shutil.copytree(certificate, folder, dirs_exist_ok=True)
        configure(folder, cluster, port, "postgres", **({"default_pool_size": "3"} | settings))
        started.append(start(program, folder))
        uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        await until_true(lambda: answers(uri))
        return uri

    yield run
    for process in started:
        end(process)
    shutil.rmtree(folder)


async def answers(uri: str) -> bool:
    try:
        connection = await asyncpg.connect(uri, ssl="allow", statement_cache_size=0, timeout=HANG_S)
    except OSError:
        return False
    await connection.close()
    return True


async def test_options_that_a_pooler_refuses_are_left_out_and_said(bouncer: StartBouncer) -> None:
    uri = f"{await bouncer()}?options=-c%20geqo_threshold%3D77&application_name=x"
    session = await Session.open(resolve(uri, environ={}))
    notes = (await session.poll()).server.notes
    assert [note.partition(" ")[0] for note in notes] == ["application_name", "options"]
    await session.close()


async def test_hundreds_of_polls_through_transaction_pooling(
    cluster: Cluster, bouncer: StartBouncer, clients: Clients
) -> None:
    uri = await bouncer()
    others = [await asyncpg.connect(uri, statement_cache_size=0) for _ in range(6)]
    before = [await settings_of(one) for one in others]
    session = await Session.open(resolve(uri, environ={}))
    assert session.pooled
    for number in range(300):
        # Keeps the server connections changing hands between our statements.
        assert await others[number % 6].fetchval("SELECT 1") == 1
        snapshot = await session.poll()
        assert snapshot.server.pooled
        own = snapshot.find(snapshot.server.own_pid)
        assert own is not None
        assert own.state == "active"
    assert [await settings_of(one) for one in others] == before
    for one in others:
        assert await one.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0

    await clients.role(cluster, "pooled_web")
    await clients(cluster, role="pooled_web", app="victim")
    snapshot = await session.poll()
    (victim,) = (one for one in snapshot.backends if one.app == "victim")
    (outcome,) = await session.signal(Action.TERMINATE, [Target.of(victim)])
    assert outcome.status is Status.SIGNALLED
    await session.close()
    for one in others:
        await one.close()


async def test_facts_through_transaction_pooling_leave_nothing_behind(bouncer: StartBouncer) -> None:
    uri = await bouncer()
    others = [await asyncpg.connect(uri, statement_cache_size=0) for _ in range(3)]
    before = [await settings_of(one) for one in others]
    session = await Session.open(resolve(uri, environ={}))
    facts = await session.facts()
    assert facts.troubles == ()
    assert facts.settings["statement_timeout"].source == "default"
    assert "a pooler is between us and the server" in facts.memory_unknown
    assert [await settings_of(one) for one in others] == before
    await session.close()
    for one in others:
        await one.close()


async def test_nothing_of_a_databases_owner_is_called_through_a_pooler(
    cluster: Cluster, bouncer: StartBouncer, clients: Clients
) -> None:
    """Nothing may be set there, so the search_path stays the one of the database."""
    uri = await bouncer()
    await clients.role(cluster, "pooled_web")
    try:
        await lay_traps(cluster, clients)
        before = len(sprung(cluster))
        victim = await clients(cluster, role="pooled_web", app="victim")
        session = await Session.open(resolve(uri.removesuffix("postgres") + TRAPPED, environ={}))
        assert session.pooled
        for status in (Status.CHANGED, Status.SIGNALLED):
            (found,) = (one for one in (await session.poll()).backends if one.app == "victim")
            if status is Status.CHANGED:
                await victim.execute("SELECT 1")
            assert [one.status for one in await session.signal(Action.TERMINATE, [Target.of(found)])] == [status]
        await session.close()
        assert sprung(cluster)[before:] == []
    finally:
        await drop_traps(cluster)


async def full_pooler(bouncer: StartBouncer, **settings: str) -> tuple[str, list[Connection]]:
    """A PgBouncer of which every client connection is taken, and who holds them."""
    uri = await bouncer(**({"max_client_conn": "2"} | settings))
    return uri, [await asyncpg.connect(uri, statement_cache_size=0) for _ in range(2)]


async def test_a_pooler_that_is_full_is_critical_and_named(bouncer: StartBouncer) -> None:
    uri, holders = await full_pooler(bouncer)
    code, out, err = await run("check", uri)
    assert (code, err) == (2, ""), out
    assert "no more connections allowed (max_client_conn)" in out
    assert "a limit of the pooler, not of the server" in out
    code, out, err = await run("snapshot", uri)
    assert (code, out) == (2, "")
    assert "--wait" in err
    assert "past the pooler" in err
    assert "--door" not in err
    for one in holders:
        await one.close()


async def test_a_pooler_that_is_full_is_waited_for(bouncer: StartBouncer) -> None:
    uri, holders = await full_pooler(bouncer)
    command = [sys.executable, "-m", "pgtop_conn", "snapshot", "--json", "--wait", uri]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert b"no more connections allowed" in await process.stderr.readline()
    assert b"waiting for a slot" in await process.stderr.readline()
    await holders.pop().close()
    out, err = await process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["server"]["pooled"] is True
    await holders.pop().close()


async def test_a_pool_whose_connections_are_all_held_is_the_poolers_limit(bouncer: StartBouncer) -> None:
    uri = await bouncer(query_wait_timeout="1", pool_mode="session", default_pool_size="1")
    holder = await asyncpg.connect(uri, statement_cache_size=0)
    await holder.fetch("SELECT 1")
    code, out, _ = await run("check", uri)
    assert code == 2, out
    assert "query_wait_timeout" in out
    assert "of the pooler's pool" in out
    await holder.close()


async def test_a_server_that_is_full_behind_a_pooler_is_full(make_cluster: MakeCluster) -> None:
    program = needed_program()
    small = make_cluster(
        settings={"max_connections": "3", "superuser_reserved_connections": "0", "max_wal_senders": "0"}
    )
    holders = [await asyncpg.connect(small.uri()) for _ in range(3)]
    async with running(program, small, "postgres", server_login_retry=1) as port:
        uri = f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=20"
        code, out, _ = await run("check", "--timeout", "30", uri)
        assert code == 2, out
        assert "sorry, too many clients already" in out
        assert "every slot of max_connections is taken" in out
    for one in holders:
        await one.close()


async def test_the_admin_console_is_told_from_a_database(bouncer: StartBouncer) -> None:
    uri = (await bouncer(stats_users="nobody_else")).removesuffix("postgres") + "pgbouncer"
    code, out, err = await run("check", uri)
    assert (code, err) == (3, ""), out
    assert "not allowed" in out
    assert "admin console, and the role is in neither admin_users nor stats_users" in out


async def test_the_admin_console_that_lets_us_in_is_told_from_a_database(bouncer: StartBouncer) -> None:
    uri = (await bouncer(admin_users="postgres")).removesuffix("postgres") + "pgbouncer"
    code, out, err = await run("check", uri)
    assert (code, err) == (3, ""), out
    assert "this is the pooler's admin console" in out


async def settings_of(connection: Connection) -> tuple[str, ...]:
    names = ("statement_timeout", "lock_timeout", "work_mem", "default_transaction_read_only", "jit")
    rows = await connection.fetch("SELECT current_setting(n) FROM unnest($1::text[]) n", names)
    return tuple(row[0] for row in rows)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1, its key, and who signed it."""
    folder = tmp_path_factory.mktemp("certificate")
    Authority(folder, "root").issue("server", "server.example", ["127.0.0.1"])
    return folder


async def test_ssl(cluster: Cluster, bouncer: StartBouncer, certificate: Path) -> None:
    """The embedded servers are built without SSL; PgBouncer has it."""
    folder = cluster.folder / "bouncer"
    files = {"client_tls_key_file": str(folder / "server.key"), "client_tls_cert_file": str(folder / "server.crt")}
    uri = await bouncer(certificate, client_tls_sslmode="require", **files)
    root = certificate / "root.crt"
    for query in ("sslmode=require", "sslmode=prefer", "sslmode=allow", f"sslmode=verify-full&sslrootcert={root}"):
        session = await Session.open(resolve(f"{uri}?{query}", environ={}))
        assert (await session.poll()).backends
        await session.close()
    elsewhere = uri.replace("127.0.0.1", "localhost")
    for refused in (f"{elsewhere}?sslmode=verify-full&sslrootcert={root}", f"{uri}?sslrootcert=system"):
        with pytest.raises(ConnectError, match=r"SSL: the certificate of .* is not accepted"):
            await Session.open(resolve(refused, environ={}))
    with pytest.raises(ConnectError) as caught:
        await Session.open(resolve(f"{uri}?sslmode=disable", environ={}))
    assert str(caught.value).isprintable()


async def test_a_host_that_the_pooler_appends_is_no_part_of_the_name(
    cluster: Cluster, bouncer: StartBouncer, clients: Clients, sessions: OpenSession
) -> None:
    """Both are found by their names: an application, and a colleague's monitor, which no filter may end."""
    uri = await bouncer(application_name_add_host="1")
    others = [
        await asyncpg.connect(uri, statement_cache_size=0, server_settings={"application_name": app})
        for app in ("shop", OWN_APPLICATION_NAME)
    ]
    for other in others:
        await other.execute("BEGIN")
    session = await sessions(cluster)
    seen = await session.poll()
    shop, monitor = (
        next(one for one in seen.backends if one.app == app and one.app_host) for app in ("shop", OWN_APPLICATION_NAME)
    )
    assert shop.whole_app.startswith("shop - 127.0.0.1:")
    assert [one.pid for one in seen.backends if parse("app:shop").matches(one, seen.taken_at)] == [shop.pid]
    assert judge(monitor, seen, Policy(allow_superuser=True, allow_replication=True), bulk=True).care is Care.REFUSE
    assert "namesake" in judge(monitor, seen, Policy()).names
    (outcome,) = await session.signal(Action.TERMINATE, [replace(Target.of(monitor), allow_superuser=True)])
    assert outcome.status is Status.DENIED
    # An earlier session of our own is found by the same name.
    ended = await Recorder(session).link.fetch(statement("end_own"), *monitor.key)
    assert [row["signalled"] for row in ended] == [True]
    for other in others:
        other.terminate()


async def test_statement_pooling_takes_no_transactions_and_is_looked_at_without(bouncer: StartBouncer) -> None:
    session = await Session.open(resolve(await bouncer(pool_mode="statement"), environ={}))
    assert session.pooled
    for _ in range(5):
        snapshot = await session.poll()
    assert "statement mode" in snapshot.server.notes[-1]
    await session.close()


async def test_settings_of_the_role_keep_nothing_from_us_and_stay_with_the_others(
    cluster: Cluster, bouncer: StartBouncer, admin: Connection
) -> None:
    """Each statement has our settings for itself alone."""
    bad = {
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "default_transaction_read_only": "on",
        "statement_timeout": "59s",
        "lock_timeout": "58s",
        "debug_parallel_query" if cluster.major >= 16 else "force_parallel_mode": "regress",
        "search_path": "nowhere",
        "client_min_messages": "debug5",
    }
    try:
        for name, value in bad.items():
            await admin.execute(f"ALTER ROLE postgres SET {name} = '{value}'")
        uri = await bouncer()
        other = await asyncpg.connect(uri, statement_cache_size=0)
        session = await Session.open(resolve(uri, environ={}))
        assert session.pooled
        names = ["transaction_isolation", "transaction_deferrable", "statement_timeout", "lock_timeout", "search_path"]
        (ours,) = await Recorder(session).link.fetch(
            "SELECT " + ", ".join(f"pg_catalog.current_setting('{name}')" for name in names)
        )
        assert tuple(ours) == ("read committed", "off", "3s", "500ms", "pg_catalog, pg_temp")
        for _ in range(20):
            assert (await session.poll()).backends
            assert await other.fetchval("SHOW statement_timeout") == "59s"
            assert await other.fetchval("SHOW search_path") == "nowhere"
        await session.close()
        await other.close()
    finally:
        await admin.execute("ALTER ROLE postgres RESET ALL")
