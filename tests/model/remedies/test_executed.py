"""Every statement that a remedy holds runs on every version, and the server then shows what was promised."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.findings import Case, Cause, Effect, Remedy, RemedyKind
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.quoting import identifier
from pgtop_conn.model.remedies.remedies import remedies_for
from pgtop_conn.model.remedies.server_settings import RELOAD, TUNINGS, number_of
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import ACTIVE, IN_TRANSACTION
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import VERSIONS, MakeCluster
from tests.support.data.fields import ServerFields
from tests.support.remedies.cases import (
    DATABASES,
    MONITOR,
    ROLES,
    facts_from,
    finding,
    findings,
    make_case,
    ordinary_roles,
    session,
)
from tests.support.servers import Clients, Connection
from tests.support.waits import HANG_S, wait_until

#: Settings that the first look must find unset, so that nothing is left out.
SETTINGS = {"max_connections": "60", "superuser_reserved_connections": "0", "max_wal_senders": "3"}
GIB = 1 << 30

_NAME = r'"(?:[^"]|"")+"'
SYSTEM = re.compile(r"ALTER SYSTEM SET (\w+) = '([^']*)';")
LIMIT = re.compile(rf"ALTER (ROLE|DATABASE) ({_NAME}) CONNECTION LIMIT (\d+);", re.DOTALL)
ROLE_SET = re.compile(rf"ALTER ROLE ({_NAME})(?: IN DATABASE ({_NAME}))? SET (\w+) = '([^']*)';", re.DOTALL)
DATABASE_SET = re.compile(rf"ALTER DATABASE ({_NAME}) SET (\w+) = '([^']*)';", re.DOTALL)
GRANT = re.compile(rf"GRANT pg_use_reserved_connections TO ({_NAME});")


@pytest.fixture(scope="module", params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def server(module_clusters: MakeCluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Over TCP, since a Unix socket shows no keepalives."""
    one = module_clusters(major=request.param, tcp=True, settings=SETTINGS)
    yield one
    one.stop()


@pytest.fixture
async def admin(server: Cluster) -> AsyncIterator[Connection]:
    connection: Connection = await asyncpg.connect(server.uri(tcp=True), timeout=HANG_S)
    yield connection
    await connection.close()


def plain(quoted: str) -> str:
    return quoted[1:-1].replace('""', '"')


def variants(case: Case, version_num: int) -> list[Case]:
    """The same trouble as a superuser sees it, as a monitor does, on a managed service, and with memory told."""
    common: ServerFields = {"version_num": version_num, "max_connections": 60, "superuser_reserved": 0}
    monitor: ServerFields = {"superuser": False, "uses_reserved": False, "role": MONITOR}
    managed: ServerFields = {"provider": "AWS RDS", "database": DATABASES[0]}
    facts = case.facts
    roles = ordinary_roles()
    busy = [session(n, ROLES[0], DATABASES[0], "web", state=ACTIVE) for n in range(55)]
    return [
        case,
        make_case(facts=facts, roles=roles, **(common | monitor)),
        make_case(facts=facts, roles=roles, **(common | managed)),
        make_case(busy, **common, facts=facts, roles=roles, ram=16 * GIB),
    ]


async def promised(admin: Connection, statement: str) -> None:
    """Run one statement and look in the catalogs for what it says; fails on one that nothing is known of."""
    await admin.execute(statement)
    if match := LIMIT.fullmatch(statement):
        kind, name, limit = match[1], plain(match[2]), int(match[3])
        column, catalog, key = (
            ("rolconnlimit", "pg_roles", "rolname") if kind == "ROLE" else ("datconnlimit", "pg_database", "datname")
        )
        assert await admin.fetchval(f"SELECT {column} FROM {catalog} WHERE {key} = $1", name) == limit >= 1
    elif match := ROLE_SET.fullmatch(statement):
        database = plain(match[2]) if match[2] else ""
        assert f"{match[3]}={match[4]}" in await own_settings(admin, plain(match[1]), database)
    elif match := DATABASE_SET.fullmatch(statement):
        assert f"{match[2]}={match[3]}" in await own_settings(admin, "", plain(match[1]))
    elif match := GRANT.fullmatch(statement):
        assert await admin.fetchval("SELECT pg_has_role($1, 'pg_use_reserved_connections', 'USAGE')", plain(match[1]))
    else:
        assert statement.startswith("SELECT ") or SYSTEM.fullmatch(statement), statement


async def own_settings(admin: Connection, role: str, database: str) -> list[str]:
    found: list[str] = await admin.fetchval(
        "SELECT setconfig FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = setrole"
        " LEFT JOIN pg_database d ON d.oid = setdatabase"
        " WHERE coalesce(rolname, '') = $1 AND coalesce(datname, '') = $2",
        role,
        database,
    )
    return found


async def test_every_statement_runs_and_keeps_its_promise(server: Cluster, admin: Connection) -> None:
    for name in (*ROLES, MONITOR):
        await admin.execute(f"CREATE ROLE {identifier(name)} LOGIN")
    for name in DATABASES:
        await admin.execute(f"CREATE DATABASE {identifier(name)}")
    version_num = int(await admin.fetchval("SHOW server_version_num"))
    common: ServerFields = {"version_num": version_num, "max_connections": 60, "superuser_reserved": 0}
    case = make_case(**common, facts=await facts_from(admin), roles=ordinary_roles())
    remedies = [
        remedy
        for one in variants(case, version_num)
        for remedy in (*(r for f in findings() for r in remedies_for(f, one)), *sizing(one))
    ]
    statements = list(dict.fromkeys(one for one in remedies if one.kind is RemedyKind.SQL))
    for remedy in statements:
        await promised(admin, remedy.text)
    covers(version_num // 10_000, {one.text for one in statements})
    await in_force(server, statements)


def covers(major: int, statements: set[str]) -> None:
    """What the version has is recommended, and nothing else."""
    everything = "\n".join(statements)
    since = {name: tuning.since for name, tuning in TUNINGS.items()}
    absent = {"wal_sender_timeout"}  # Its default is sensible.
    for name, first in since.items():
        assert (f"SET {name} =" in everything) is (major >= first and name not in absent), name
    assert ("SET reserved_connections" in everything) is (major >= 16)
    assert ("GRANT pg_use_reserved_connections" in everything) is (major >= 16)
    for word in ("superuser_reserved_connections", "max_wal_senders", "max_connections"):
        assert f"ALTER SYSTEM SET {word} =" in everything
    for start in ("ALTER DATABASE", "ALTER ROLE", "SELECT pg_reload_conf", "SELECT pg_terminate", "SELECT pg_cancel"):
        assert f"\n{start}" in f"\n{everything}"


async def in_force(server: Cluster, statements: list[Remedy]) -> None:
    """After pg_reload_conf() the reload ones hold and the others wait for a restart; after one, these hold too."""
    system = {m[1]: (m[2], one.takes_effect) for one in statements if (m := SYSTEM.fullmatch(one.text))}
    reload = {name: value for name, (value, effect) in system.items() if effect is Effect.RELOAD}
    restart = {name: value for name, (value, effect) in system.items() if effect is Effect.RESTART}
    assert {*reload, *restart} == set(system)
    admin = await asyncpg.connect(server.uri(), timeout=HANG_S)
    await admin.execute(RELOAD.text)
    await admin.close()

    async def holds() -> bool:
        shown = await settings_of(server)
        waiting = all(shown[name][2] for name in restart)
        return waiting and all(same(name, value, shown) for name, value in reload.items())

    await wait_until(holds, "the reloaded settings hold")
    server.restart()
    shown = await settings_of(server)
    assert [name for name, (value, _) in system.items() if not same(name, value, shown)] == []
    assert not any(shown[name][2] for name in system)


async def settings_of(server: Cluster) -> dict[str, tuple[str, str | None, bool]]:
    """What a new session over TCP sees."""
    connection = await asyncpg.connect(server.uri(tcp=True), timeout=HANG_S)
    rows = await connection.fetch("SELECT name, setting, unit, pending_restart FROM pg_settings")
    await connection.close()
    return {row["name"]: (row["setting"], row["unit"], row["pending_restart"]) for row in rows}


def same(name: str, value: str, shown: dict[str, tuple[str, str | None, bool]]) -> bool:
    kept, unit, _ = shown[name]
    return kept == value or number_of(kept, unit or "") == number_of(value, unit or "")


async def test_a_blocker_is_ended_by_its_identity(server: Cluster, clients: Clients) -> None:
    """The literal of backend_start is exact to the microsecond, or nothing would be ended."""
    name = await clients.role(server, "blocking role")
    victim = await clients(server, role=name, app="victim")
    await clients(server, role=name, app="bystander")
    await victim.execute("BEGIN")
    session = await Session.open(resolve(server.uri(), environ={}))
    snapshot = await session.poll()
    (row,) = (one for one in snapshot.backends if one.app == "victim")
    assert row.role == name
    budget = SlotBudget.of(snapshot)
    case = Case.of(snapshot, budget, Observation(lambda _: {}))
    evidence = {"pid": row.pid, "role": name, "frees": 3, "state": IN_TRANSACTION, "state_s": 60.0}
    (statement,) = (
        one.text
        for one in remedies_for(finding(Cause.BLOCKER, evidence), case)
        if one.text.startswith("SELECT pg_terminate")
    )
    await session.close()
    admin = await asyncpg.connect(server.uri(), timeout=HANG_S)
    assert await admin.fetchval(statement.replace(f"= {row.pid} ", "= 1 ")) is None
    start = re.search(r"\.(\d{6})\+00", statement)
    assert start is not None
    other = str((int(start[1]) + 1) % 1_000_000).zfill(6)
    assert await admin.fetchval(statement.replace(start[0], f".{other}+00")) is None
    assert not victim.is_closed()
    assert await admin.fetchval(statement) is True
    await wait_until(victim.is_closed, "the blocker is gone")
    assert await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bystander'") == 1
    await admin.close()
