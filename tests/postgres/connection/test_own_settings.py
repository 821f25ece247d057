"""Whatever a role, a database or a server has set: every way in gives the answers that it gives an ordinary role."""

from __future__ import annotations

import asyncio
import json
import os

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.connection.connect import connect
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.connection.walsender import WalsenderLink
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import statement
from tests.conftest import VERSIONS, MakeCluster
from tests.support.servers import Clients, Connection

#: Left out: one needs a library, one is set by each client, and these are of the transaction, where a role has none.
NOT_SET = ("local_preload_libraries", "application_name", "transaction_", "default_table_access_method")
#: What hurts most, where neither the smallest nor the largest value does.
WORST = {
    "search_path": "evil, pg_temp, pg_catalog",
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "client_min_messages": "debug5",
    "bytea_output": "escape",
    "IntervalStyle": "sql_standard",
    "stats_fetch_consistency": "snapshot",
    "force_parallel_mode": "regress",
    "debug_parallel_query": "regress",
    "plan_cache_mode": "force_generic_plan",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "xmloption": "document",
    "default_tablespace": "",
    "temp_tablespaces": "",
}
KINDS = ("direct", "walsender")


async def worst_settings(connection: Connection, largest: bool) -> dict[str, str]:
    """Every setting that a role may have, at a value that is none of the usual ones."""
    found = {}
    for row in await connection.fetch("SELECT * FROM pg_settings WHERE context = 'user' ORDER BY name"):
        name, kind = row["name"], row["vartype"]
        if name.startswith(NOT_SET):
            continue
        if name in WORST:
            found[name] = WORST[name]
        elif name in ("statement_timeout", "lock_timeout"):
            # A millisecond ends one statement or another, which is asked again unless that ends the session.
            found[name] = "300" if largest else "1"
        elif name.endswith("_timeout"):
            # Long enough to get in on a busy machine: what ends a session before we can say a word wins.
            found[name] = "3000"
        elif name == "exit_on_error":
            found[name] = "on" if largest else "off"
        elif kind == "bool":
            found[name] = "off" if row["setting"] == "on" else "on"
        elif kind == "enum":
            found[name] = next((one for one in row["enumvals"] if one != row["setting"]), row["setting"])
        elif kind in ("integer", "real"):
            found[name] = row["max_val" if largest else "min_val"]
    return found


@pytest.fixture(params=["smallest", "largest"])
async def badly_set(module_cluster: Cluster, clients: Clients, request: pytest.FixtureRequest) -> Cluster:
    """A server with a role `badly` on which all is set badly, and one `plain`."""
    await clients.role(module_cluster, "badly", "LOGIN REPLICATION IN ROLE pg_monitor, pg_signal_backend")
    await clients.role(module_cluster, "plain", "LOGIN REPLICATION IN ROLE pg_monitor, pg_signal_backend")
    await clients.role(module_cluster, "web", "LOGIN")
    admin = await clients(module_cluster)
    for name, value in (await worst_settings(admin, request.param == "largest")).items():
        await admin.execute(f"ALTER ROLE badly SET {name} = " + (value if name == "search_path" else f"'{value}'"))
    return module_cluster


async def look(cluster: Cluster, role: str, kind: type[Link]) -> tuple[Snapshot, str]:
    """A second poll, and what a diagnosis was told."""
    info = resolve(cluster.uri(user=role), environ={})
    session = Session(info, await connect(info, kind))
    try:
        await session.poll()
        snapshot = await session.poll()
        facts = await session.facts()
        values = {name: one.value for name, one in facts.settings.items()}
        return snapshot, json.dumps([values, facts.troubles], sort_keys=True)
    finally:
        await session.close()


def told(snapshot: Snapshot) -> object:
    """What both roles must see alike."""
    others = [one for one in snapshot.backends if one.app == "crowd"]
    return (
        [(one.key, one.role, one.database, one.state, one.query, one.query_start, one.client) for one in others],
        sorted((role.name, role.superuser, role.usable) for role in snapshot.roles.values() if role.name == "web"),
        sorted(database.name for database in snapshot.databases.values()),
        snapshot.counters is not None,
        snapshot.locks is not None,
        snapshot.server.max_connections,
        snapshot.server.in_recovery,
    )


@pytest.mark.parametrize("kind", [Link, WalsenderLink], ids=KINDS)
async def test_a_role_with_every_setting_at_its_worst_is_told_the_same(
    badly_set: Cluster, clients: Clients, kind: type[Link]
) -> None:
    victim = await clients(badly_set, role="web", app="crowd")
    await victim.execute("SELECT 'B\u00fcro \\ ''x'''")
    wanted, _ = await look(badly_set, "plain", kind)
    got, facts = await look(badly_set, "badly", kind)
    assert told(got) == told(wanted)
    # Its own settings are not those of everybody else, which it may not read: that alone is a trouble.
    assert json.loads(facts)[1] in ([], [one for one in json.loads(facts)[1] if "has its own" in one])


@pytest.mark.parametrize("kind", [Link, WalsenderLink], ids=KINDS)
async def test_it_may_terminate_as_well(badly_set: Cluster, clients: Clients, kind: type[Link]) -> None:
    await clients(badly_set, role="web", app="crowd")
    info = resolve(badly_set.uri(user="badly"), environ={})
    session = Session(info, await connect(info, kind))
    try:
        (found,) = (one for one in (await session.poll()).backends if one.app == "crowd")
        (outcome,) = await session.signal(Action.TERMINATE, [Target.of(found)])
        assert outcome.status == Status.SIGNALLED
    finally:
        await session.close()


@pytest.mark.parametrize("kind", [Link, WalsenderLink], ids=KINDS)
@pytest.mark.parametrize("major", sorted(VERSIONS))
async def test_a_standby_where_serializable_is_the_default_can_be_looked_at(
    make_cluster: MakeCluster, major: int, kind: type[Link]
) -> None:
    cluster = make_cluster(major=major, settings={"default_transaction_isolation": "serializable"})
    admin = await asyncpg.connect(cluster.uri())
    await admin.execute("ALTER ROLE postgres SET default_transaction_deferrable = on")
    await admin.close()
    await asyncio.to_thread(cluster.stop)
    become_standby(cluster)
    await asyncio.to_thread(cluster.start)
    snapshot, facts = await look(cluster, "postgres", kind)
    assert snapshot.server.in_recovery
    assert json.loads(facts)[1] == []


def become_standby(cluster: Cluster) -> None:
    """At its next start, with nobody to follow."""
    signal_file = cluster.data_dir / "standby.signal"
    signal_file.touch()
    owner = cluster.data_dir.stat()
    os.chown(signal_file, owner.st_uid, owner.st_gid)


def test_no_setting_of_ours_is_missing_where_a_transaction_is_all_we_have() -> None:
    """Those of a pooled transaction are a part of those of a session, in the same order."""
    here = [line for line in statement("settings_local").splitlines() if line.lstrip().startswith("('")]
    session = statement("settings").splitlines()
    assert [line.rstrip(",") for line in here] == [
        line.rstrip(",") for line in session if line.lstrip().startswith("('")
    ][: len(here)]
