"""The PgBouncer section: a real PgBouncer takes it as it is, and queries go through it within the limits it sets."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster, private_folder
from pgtop_conn.model.findings import Case, RemedyKind
from pgtop_conn.model.quoting import identifier
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.snapshot import Backend
from tests.conftest import MakeCluster
from tests.support.data.fields import ServerFields
from tests.support.pgbouncer import end, free_port, needed_program, start, write
from tests.support.remedies.cases import DATABASES, ROLES, crowd, make_case, ordinary_roles, session, texts
from tests.support.servers import Connection
from tests.support.waits import HANG_S, wait_until


def section(case: Case) -> str:
    (only,) = (one for one in sizing(case) if one.kind is RemedyKind.PGBOUNCER)
    return only.text


@pytest.fixture(scope="module")
def server(module_clusters: MakeCluster) -> Cluster:
    return module_clusters(tcp=True, settings={"max_connections": "60"})


@pytest.fixture
def folder(server: Cluster) -> Iterator[Path]:
    """Where PgBouncer's files are, owned by the server's user, as whom it runs when we are root."""
    made = private_folder()
    yield made
    shutil.rmtree(made)


def started(text: str, folder: Path, port: int, cluster: Cluster) -> subprocess.Popen[bytes]:
    """PgBouncer with the section and only what it says is the reader's to add."""
    program = needed_program()
    ours = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "trust"}
    ours |= {"auth_file": folder / "users", "admin_users": "postgres", "logfile": folder / "log"}
    more = "".join(f"{name} = {value}\n" for name, value in ours.items())
    write(folder, cluster, text + more, *ROLES, "postgres")
    return start(program, folder)


async def test_a_real_pgbouncer_takes_it(server: Cluster, folder: Path) -> None:
    admin = await asyncpg.connect(server.uri(), timeout=HANG_S)
    for name in ROLES:
        await admin.execute(f"CREATE ROLE {identifier(name)} LOGIN")
    for name in (*DATABASES, "plain", "pgbouncer"):
        await admin.execute(f"CREATE DATABASE {identifier(name)}")
    others = [session(500, ROLES[0], "plain", "web"), session(501, ROLES[0], "pgbouncer", "web")]
    case = make_case(
        [*crowd(), *others], host="127.0.0.1", port=server.port, max_connections=60, roles=ordinary_roles()
    )
    text = section(case)
    port = free_port()
    process = started(text, folder, port, server)
    try:
        keys = re.findall(r"^(\S+) = host=", text, re.MULTILINE)
        found = [await database_behind(port, key) for key in keys]
        assert sorted(found) == sorted((*DATABASES, "plain", "pgbouncer"))
        assert "plain" in keys
        assert "pgbouncer" not in keys
        await stays_within(admin, port, keys[0], text)
    finally:
        end(process)
        await admin.close()


async def connect(port: int, key: str) -> Connection:
    connection: Connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user=ROLES[0], database=key, statement_cache_size=0, timeout=HANG_S
    )
    return connection


async def database_behind(port: int, key: str) -> str:
    """A query through the pool, as soon as PgBouncer listens."""
    opened: list[Connection] = []

    async def answers() -> bool:
        try:
            opened.append(await connect(port, key))
        except OSError:
            return False
        return True

    await wait_until(answers, "PgBouncer listens")
    name: str = await opened[0].fetchval("SELECT current_database()::text")
    await opened[0].close()
    return name


async def stays_within(admin: Connection, port: int, key: str, text: str) -> None:
    """Twenty clients that ask at once take no more sessions of the server than the section says."""
    line = next(line for line in text.splitlines() if line.startswith(f"{key} = "))
    most = int(line.rpartition("max_db_connections=")[2])
    pool_size = int(line.partition("pool_size=")[2].split()[0])
    clients = [await connect(port, key) for _ in range(20)]
    database = await clients[0].fetchval("SELECT current_database()::text")
    await asyncio.gather(*(client.execute("SELECT pg_sleep(0.02)") for client in clients))
    used = await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", database)
    assert 1 < used <= pool_size <= most
    for client in clients:
        client.terminate()


def test_it_stays_within_its_own_sums() -> None:
    text = section(make_case(max_connections=60, roles=ordinary_roles()))
    pools = [int(number) for number in re.findall(r"max_db_connections=(\d+)", text)]
    assert sum(pools) <= 57 * 80 // 100
    assert f"= {sum(pools)} <= 45 = 80 % of the 57 slots" in text
    assert text.count("pool_size=") == len(pools) == 2
    for promised in ("pool_mode = transaction", "LISTEN", "WITH HOLD", "max_prepared_statements = 200", "DISCARD ALL"):
        assert promised in text
    assert not re.search(r"^max_prepared_statements", text, re.MULTILINE)


def test_a_name_that_cannot_be_typed_is_left_out_and_said() -> None:
    rows = [session(1, "app", "e␛vil", "web"), session(2, "app", "good", "web")]
    text = section(make_case(rows))
    assert '; "e␛vil" is left out' in text
    assert "\ngood = host=db.example" in text
    assert "can't be written" in texts(sizing(make_case(rows[:1])))


@pytest.mark.parametrize(
    ("rows", "server", "why"),
    [
        ([session(1, "app", "shop", "PgBouncer 1.22")], {}, 'calls itself "PgBouncer 1.22"'),
        ([session(1, "app", "shop", "web")], {"pooled": True}, "through a pooler"),
        ([session(n, f"role{n}", "shop", "web") for n in range(1, 6)], {}, "5 roles come from 10.2.0.17"),
    ],
)
def test_a_pooler_that_is_there_is_not_doubled(rows: list[Backend], server: ServerFields, why: str) -> None:
    case = make_case(rows, **server)
    said = texts(sizing(case))
    assert "[databases]" not in said
    assert why in said
    assert "80 % of 97 = 77" in said


def test_many_databases_and_few_slots() -> None:
    rows = [session(n, "app", f"db{n}", "web") for n in range(1, 12)]
    case = make_case([replace(row, database_oid=row.pid) for row in rows], max_connections=10)
    assert "can't serve 11 databases with 5 connections" in texts(sizing(case))


def test_supavisor() -> None:
    quiet = [session(n, "app", "postgres", "web") for n in range(1, 5)]
    busy = [session(100 + n, "authenticator", "postgres", "PostgREST 12") for n in range(10)]
    assert "to at most 48 " in texts(sizing(make_case(quiet, provider="Supabase", max_connections=60)))
    assert "to at most 24 " in texts(sizing(make_case(quiet + busy, provider="Supabase", max_connections=60)))
