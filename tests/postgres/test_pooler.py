"""Through PgBouncer in transaction mode: recognised, nothing set, nothing named, no errors."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.certificates import Authority
from tests.pooling import configure, free_port, pooler_program, start
from tests.postgres.recorder import until_true
from tests.postgres.traps import TRAPPED, drop_traps, lay_traps, sprung
from tests.servers import Clients, Connection
from tests.waiting import HANG_S

StartBouncer = Callable[..., Awaitable[str]]


@pytest.fixture
async def bouncer(cluster: Cluster) -> AsyncIterator[StartBouncer]:
    """`await bouncer(client_tls_sslmode="allow", …)` starts a PgBouncer before the shared server and gives its URI."""
    program = pooler_program()
    if program is None:
        pytest.skip("no pgbouncer here")
    folder = cluster.folder / "bouncer"
    folder.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    async def run(certificate: Path | None = None, **settings: str) -> str:
        port = free_port()
        if certificate is not None:
            shutil.copytree(certificate, folder, dirs_exist_ok=True)
        configure(folder, cluster, port, "postgres", default_pool_size=3, **settings)
        started.append(start(program, folder))
        uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        await until_true(lambda: answers(uri))
        return uri

    yield run
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
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
