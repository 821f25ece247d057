"""Refused logins, really provoked, and counted from the server's log: over SQL, on the host, or said to be unknown."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.facts import Facts
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.facts import server_log
from pgtop_conn.postgres.session import Session
from tests.conftest import VERSIONS, MakeCluster
from tests.postgres.facts.test_facts import behind_a_relay, facts_of
from tests.support.postgres.statement_recorder import until_true
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

FORGED = "2026-11-21 06:08:02.202 UTC [22853] FATAL:  sorry, too many clients already"
REFUSED = {"role": 2, "database": 1, "walsenders": 1, "reserved": 3, "full": 1}
SETTINGS = {
    "max_connections": "9",
    "superuser_reserved_connections": "1",
    "max_wal_senders": "1",
    "autovacuum": "off",
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
    "log_timezone": "Asia/Kathmandu",
}


async def refused(cluster: Cluster, times: int = 1, *, user: str = "postgres", **settings: str) -> None:
    for _ in range(times):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(
                cluster.uri(user=user, database=settings.pop("database", "postgres")), server_settings=settings or None
            )


async def provoke(cluster: Cluster) -> None:
    """REFUSED, and much that looks like it."""
    admin = await asyncpg.connect(cluster.uri(), server_settings={"application_name": FORGED[-39:]})
    for text in (
        "CREATE ROLE limited LOGIN CONNECTION LIMIT 0",
        "CREATE ROLE web LOGIN",
        "CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader",
        "GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO reader",
        "CREATE ROLE monitor LOGIN; GRANT pg_monitor, pg_read_server_files TO monitor",
        "CREATE DATABASE small CONNECTION LIMIT 0",
    ):
        await admin.execute(text)
    for text in (
        f"SELECT no_such_column -- \n{FORGED}\n",
        f"DO $$BEGIN RAISE LOG E'%', E'x\\n{FORGED}'; END$$",
        "DO $$BEGIN RAISE 'sorry, too many clients already' USING ERRCODE = '53300'; END$$",
        f'SELECT 1 AS "\n{FORGED}" FROM "{FORGED}"',
    ):
        try:
            await admin.execute(text)
        except asyncpg.PostgresError:
            continue
    await refused(cluster, 2, user="limited")
    await refused(cluster, user="web", database="small")
    sender = await asyncpg.connect(cluster.uri(), server_settings={"replication": "database"}, statement_cache_size=0)
    await refused(cluster, replication="database")
    opened = [admin]
    while len(opened) < 8:
        opened.append(await patiently(cluster))
    await refused(cluster, 3, user="web")
    opened.append(await patiently(cluster))
    await refused(cluster)
    for connection in (*opened, sender):
        await connection.close()
    await until_true(lambda: room(cluster))


async def patiently(cluster: Cluster) -> Connection:
    """A session, as soon as the slot of a login that was refused is given back."""
    found: list[Connection] = []

    async def opened() -> bool:
        try:
            found.append(await asyncpg.connect(cluster.uri()))
        except asyncpg.TooManyConnectionsError:
            return False
        return True

    await until_true(opened)
    return found[0]


async def room(cluster: Cluster) -> bool:
    try:
        connection = await asyncpg.connect(cluster.uri())
    except asyncpg.TooManyConnectionsError:
        return False
    left: int = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    await connection.close()
    return left == 1


@pytest.fixture(scope="module", params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def collecting(request: pytest.FixtureRequest, module_clusters: MakeCluster) -> Cluster:
    """A server that writes every style that it knows, and listens on TCP too."""
    written = "stderr,csvlog" + (",jsonlog" if request.param >= 15 else "")
    settings = {**SETTINGS, "logging_collector": "on", "log_destination": written}
    return module_clusters(settings=settings, tcp=True, major=request.param)


def counts(facts: Facts) -> Counter[str]:
    assert facts.refused is not None, facts.refused_unknown
    assert facts.troubles == ()
    told: Counter[str] = Counter()
    for one in facts.refused:
        assert one.hour % 3600 == 0
        assert facts.at - 7200 < one.hour <= facts.at
        told[one.kind] += one.count
    # A login that comes before the slot of the one before is given back finds the server full, or is refused once more.
    if told["reserved"] and told["full"] and told["reserved"] + told["full"] >= REFUSED["reserved"] + REFUSED["full"]:
        told["reserved"], told["full"] = REFUSED["reserved"], REFUSED["full"]
    return told


async def write_only(cluster: Cluster, style: str) -> None:
    connection = await asyncpg.connect(cluster.uri())
    await connection.execute(f"ALTER SYSTEM SET log_destination = '{style}'")
    await connection.execute("SELECT pg_reload_conf()")

    async def reloaded() -> bool:
        return bool(await connection.fetchval("SELECT current_setting('log_destination') = $1", style))

    await until_true(reloaded)
    await connection.close()


async def test_every_style_by_every_way(collecting: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await provoke(collecting)
    await written(collecting)
    for style in ["stderr", "csvlog", *(["jsonlog"] if collecting.major >= 15 else [])]:
        await write_only(collecting, style)
        for role, way in (("postgres", "read over SQL"), ("reader", "read over SQL"), ("web", "on this host")):
            facts = await facts_of(collecting, user=role)
            assert counts(facts) == REFUSED, (style, role)
            assert facts.refused_source.startswith(f"the server log ({style}), ")
            assert way in facts.refused_source
            assert facts.refused_since is not None
            assert facts.at - 3600 < facts.refused_since <= facts.at
    await without_rights(collecting)
    await cut_off(collecting, monkeypatch)


async def written(cluster: Cluster) -> None:
    """Return when the collector has written what was logged so far, in every style."""
    connection = await asyncpg.connect(cluster.uri())
    await connection.execute("DO $$BEGIN RAISE LOG 'so far'; END$$")
    await connection.close()
    files = list((cluster.data_dir / "log").iterdir())
    await wait_until(lambda: all("so far" in file.read_text() for file in files), "the collector has written")


async def without_rights(cluster: Cluster) -> None:
    """pg_read_server_files does not permit the function, on any version; over a tunnel nothing else is left."""
    async with behind_a_relay(cluster) as uri:
        for role in ("web", "monitor"):
            facts = await facts_at(uri.replace("postgres@", f"{role}@"))
            assert facts.refused is None
            assert "SQL cannot know" in facts.refused_unknown
            assert "permission denied" in facts.refused_unknown
            assert f"GRANT pg_monitor TO {role};" in facts.refused_unknown
            assert f"pg_read_binary_file(text, bigint, bigint, boolean) TO {role}" in facts.refused_unknown
            assert "serves another connection" in facts.refused_unknown
        assert counts(await facts_at(uri.replace("postgres@", "reader@"))) == REFUSED


async def facts_at(uri: str) -> Facts:
    session = await Session.open(resolve(uri, environ={}))
    try:
        return await session.facts()
    finally:
        await session.close()


async def cut_off(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest part alone: what is counted is whole since a moment that is told."""
    whole = await facts_of(cluster)
    monkeypatch.setattr(server_log, "MOST_BYTES", 3000)
    for role in ("postgres", "web"):
        facts = await facts_of(cluster, user=role)
        assert counts(facts) <= counts(whole)
        assert "its newest 0 MB alone" in facts.refused_source
        assert facts.refused_since is not None
        assert whole.refused_since is not None
        # Neither the beginning of a log nor where it was cut is known better than to a second.
        assert facts.refused_since >= whole.refused_since - 1.0


async def test_the_file_of_pg_ctl(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(settings=SETTINGS)
    await provoke(cluster)
    facts = await facts_of(cluster, user="web")
    assert counts(facts) == REFUSED
    assert facts.refused_source.startswith("the server log (stderr), read from its file on this host")


async def test_grants_that_we_print_suffice(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"logging_collector": "on"}, tcp=True)
    await clients.role(cluster, "Mo nitor")
    async with behind_a_relay(cluster) as uri:
        mine = uri.replace("postgres@", "Mo%20nitor@")
        facts = await facts_at(mine)
        admin = await clients(cluster)
        grants = facts.refused_unknown.partition("lets our role read it with ")[2].partition("; the log itself")[0]
        first, _, second = grants.partition(" and, in the database postgres, ")
        await admin.execute(first)
        await admin.execute(second)
        assert (await facts_at(mine)).refused == ()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"log_destination": "syslog"}, "the server logs to syslog alone"),
        ({"log_min_messages": "panic"}, "log_min_messages is panic: the server logs no refused login"),
        ({"log_line_prefix": "[%p] "}, "log_line_prefix has no time in it (%m, %t or %n)"),
    ],
)
async def test_a_log_that_cannot_tell(make_cluster: MakeCluster, settings: dict[str, str], why: str) -> None:
    facts = await facts_of(make_cluster(settings=settings))
    assert facts.refused is None
    assert facts.refused_unknown == why


@pytest.mark.parametrize(
    "make", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"]
)
async def test_nothing_but_a_regular_file_is_opened(
    make_cluster: MakeCluster, clients: Clients, make: Callable[[Path], None]
) -> None:
    cluster = make_cluster(settings={"logging_collector": "on"})
    make(cluster.data_dir / "log" / "postgresql-9.log")
    await clients.role(cluster, "web")
    facts = await facts_of(cluster, user="web")
    assert facts.refused == ()
