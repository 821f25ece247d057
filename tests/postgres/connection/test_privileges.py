"""Whatever was revoked from everybody: a session starts and polls without it, and names the GRANT that helps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, PollFailed
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.postgres.connection.connect import connect
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.connection.privileges import MISSED
from pgtop_conn.postgres.connection.walsender import WalsenderLink
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import INSTEAD, WITHOUT, statement, versioned, without
from tests.support.postgres.poll_clock import PollClock
from tests.support.postgres.traps import SQL_NAMES
from tests.support.servers import Clients, Connection

#: Not of the start or the polls: superusers alone may read one, and members of pg_monitor the log.
NEVER_OURS = ("pg_file_settings", "pg_ls_logdir", "pg_read_binary_file")
#: What no server can be looked at without: it is refused, and the GRANT named.
ESSENTIAL = {
    "pg_stat_get_activity",
    "pg_backend_pid",
    "current_setting",
    "current_database",
    "clock_timestamp",
    "to_timestamp",
    "date_part",
    "textsend",
    "to_regrole",
    "right",
}


def touched() -> tuple[set[str], set[str]]:
    """Every relation and every function of pg_catalog in any statement."""
    text = "\n".join(statement(name) for name in SQL_NAMES)
    functions = set(re.findall(r"pg_catalog\.(\w+)\(", text))
    relations = set(re.findall(r"(?:FROM|JOIN) pg_catalog\.(\w+)\b(?!\()", text))
    return relations - functions - set(NEVER_OURS), functions - set(NEVER_OURS)


@asynccontextmanager
async def revoked(admin: Connection, *names: str) -> AsyncIterator[None]:
    """Relations and functions of all arguments, from everybody but superusers."""
    relations, _ = touched()
    things = [f"TABLE pg_catalog.{name}" for name in names if name in relations]
    for row in await admin.fetch(
        "SELECT oid::regprocedure::text AS one FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY($1) AND prokind IN ('f', 'a')",
        [name for name in names if name not in relations],
    ):
        things.append(f"FUNCTION {row['one']}")
    before = "SET search_path = pg_catalog; "
    try:
        for thing in things:
            await admin.execute(f"{before} REVOKE ALL ON {thing} FROM PUBLIC")
        yield
    finally:
        for thing in things:
            right = "SELECT" if thing.startswith("TABLE") else "EXECUTE"
            await admin.execute(f"{before} GRANT {right} ON {thing} TO PUBLIC")


async def look(cluster: Cluster, role: str, kind: type[Link] = Link) -> tuple[Snapshot, Sequence[str]]:
    """A second poll, and what a diagnosis could not read."""
    info = resolve(cluster.uri(user=role), environ={})
    session = Session(info, await connect(info, kind))
    try:
        await session.poll()
        snapshot = await session.poll()
        return snapshot, (await session.facts()).troubles
    finally:
        await session.close()


@pytest.fixture
async def people(module_cluster: Cluster, clients: Clients) -> AsyncIterator[Connection]:
    """Roles that see everything and little; a session to be seen, and an administrator's."""
    await clients.role(module_cluster, "seeing", "LOGIN REPLICATION IN ROLE pg_monitor, pg_signal_backend")
    await clients.role(module_cluster, "web", "LOGIN")
    await clients.role(module_cluster, "blind", "LOGIN")
    await clients(module_cluster, role="web", app="crowd")
    holder, waiter = await clients(module_cluster), await clients(module_cluster)
    await holder.execute("SELECT pg_advisory_lock(1)")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_lock(1)"))
    yield await clients(module_cluster)
    await holder.execute("SELECT pg_advisory_unlock(1)")
    await waiting


def usable(snapshot: Snapshot) -> bool:
    """Who holds the slots is there, with names."""
    (crowd,) = (one for one in snapshot.backends if one.app == "crowd")
    return crowd.role == "web" and snapshot.server.max_connections == 100


def is_asked(name: str, role: str, major: int) -> bool:
    """Whether the polls of this role need it, so that its absence is found."""
    if name.endswith(("_idset", "_get_backend_pid")):
        return role == "blind" and major >= 17
    if name == "pg_stat_get_subscription":
        return role == "blind" and major < 17
    if name in ("pg_terminate_backend", "pg_cancel_backend"):
        return False
    if name == "pg_blocking_pids":
        # Who waits is hidden from the other one.
        return role == "seeing"
    return any(re.match(rf"pg_catalog\.{name}\b", one) and MISSED[one] for one in MISSED)


@pytest.mark.parametrize("role", ["seeing", "blind"])
async def test_one_thing_at_a_time(module_cluster: Cluster, people: Connection, role: str) -> None:
    relations, functions = touched()
    wrong = []
    for name in sorted(relations | functions):
        async with revoked(people, name):
            try:
                snapshot, troubles = await look(module_cluster, role)
            except (ConnectError, PollFailed) as error:
                if name not in ESSENTIAL or f"pg_catalog.{name}" not in str(error) or "GRANT" not in str(error):
                    wrong.append(f"{name}: {error}")
                continue
            told = [line for line in (*snapshot.server.missing, *troubles) if name in line]
            if not usable(snapshot) or (is_asked(name, role, module_cluster.major) and not told):
                wrong.append(f"{name}: {usable(snapshot)} {snapshot.server.missing} {troubles}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", [Link, WalsenderLink], ids=["direct", "walsender"])
async def test_all_at_once(module_cluster: Cluster, people: Connection, kind: type[Link]) -> None:
    missed = {one.partition("(")[0].removeprefix("pg_catalog.") for one, what in MISSED.items() if what}
    # The door stays shut where nobody can tell whether a standby would find room.
    missed -= {"pg_stat_get_wal_senders"} if kind is WalsenderLink else set()
    async with revoked(people, *missed):
        snapshot, troubles = await look(module_cluster, "seeing", kind)
        assert usable(snapshot)
        assert {name for name in missed if not any(name in line for line in (*snapshot.server.missing, *troubles))} <= {
            "pg_stat_get_subscription"
        }
        assert all("GRANT" in line for line in snapshot.server.missing)
        assert snapshot.counters is None
        assert snapshot.locks is None


async def test_the_door_names_the_grant_it_stays_shut_for(module_cluster: Cluster, people: Connection) -> None:
    async with revoked(people, "pg_stat_get_wal_senders"):
        with pytest.raises(
            ConnectError, match=r"GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_wal_senders\(\) TO seeing"
        ):
            await look(module_cluster, "seeing", WalsenderLink)


async def test_what_is_granted_again_is_read_again(
    module_cluster: Cluster, people: Connection, poll_clock: PollClock
) -> None:
    info = resolve(module_cluster.uri(user="seeing"), environ={})
    session = Session(info, await connect(info))
    try:
        async with revoked(people, "pg_roles"):
            before = await session.poll()
            assert not before.roles
            assert any("GRANT SELECT ON pg_catalog.pg_roles TO seeing" in line for line in before.server.missing)
        poll_clock.forward()
        after = await session.poll()
        assert after.roles
        assert after.server.missing == ()
    finally:
        await session.close()


def test_each_thing_is_asked_for() -> None:
    assert set(re.findall(r"\('(pg_catalog[^']+)'\)", statement("privileges"))) == set(MISSED)


@pytest.mark.parametrize("name", sorted({name for name, _ in INSTEAD}))
def test_what_stands_in_is_another_statement(name: str) -> None:
    assert without(name, 180000, frozenset(MISSED)) != statement(name)


@pytest.mark.parametrize("thing", sorted(WITHOUT))
def test_what_is_gone_without_is_in_a_statement(thing: str) -> None:
    """Each text that is replaced is there, or the statement would still ask for it."""
    texts = [versioned(name, 180000) for name in SQL_NAMES]
    assert all(any(needs in text for text in texts) for needs, _ in WITHOUT[thing])
