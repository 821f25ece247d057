"""The walsender door: in when no slot is left, the same answers as an ordinary session, out as soon as one is free."""

from __future__ import annotations

import math
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, PollFailed
from pgtop_conn.model.slots import SlotBudget, SlotKind
from pgtop_conn.model.snapshot import WALSENDER_DOOR, Backend, Snapshot
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.connection.setting_names import SETTINGS as NAMES
from pgtop_conn.postgres.connection.walsender import written
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import VERSIONS, MakeCluster
from tests.support.certificates import Authority
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

SETTINGS = {"max_connections": "9", "superuser_reserved_connections": "2", "max_wal_senders": "4"}
#: Some of the embedded servers are built without.
WITH_TLS = [
    major for major, one in sorted(VERSIONS.items()) if b"SSL_CTX_new" in (one.bin_dir / "postgres").read_bytes()
]
#: What a session tells of itself while it is asked.
MOVING = ("state", "state_change", "query_start", "xact_start", "wait_event", "wait_event_type", "holds_xmin", "query")


@pytest.fixture
async def doors() -> AsyncIterator[list[Session]]:
    opened: list[Session] = []
    yield opened
    for session in opened:
        await session.close()


async def through_the_door(cluster: Cluster, opened: list[Session], user: str = "postgres") -> Session:
    opened.append(await Session.open(resolve(cluster.uri(user=user), environ={}), by_door=True))
    return opened[-1]


async def fill(cluster: Cluster, clients: Clients) -> list[Connection]:
    """Every slot, those of the superusers included."""
    found: list[Connection] = []
    while True:
        try:
            found.append(await clients(cluster, app="crowd"))
        except asyncpg.TooManyConnectionsError:
            return found


def crowd(snapshot: Snapshot) -> list[Backend]:
    return [backend for backend in snapshot.backends if backend.app == "crowd"]


async def test_a_full_server_is_rescued_and_a_slot_is_taken(
    small: Cluster, clients: Clients, doors: list[Session]
) -> None:
    standby = await asyncpg.connect(small.uri(), server_settings={"replication": "true", "application_name": "standby"})
    try:
        await fill(small, clients)
        session = await through_the_door(small, doors)
        snapshot = await session.poll()
        budget = SlotBudget.of(snapshot)
        assert (budget.used, budget.superuser_free, budget.own_slot) == (9, 0, SlotKind.WALSENDER)
        assert (snapshot.server.door, budget.walsenders_used) == ("walsender", 2)
        victims = [replace(Target.of(one), allow_superuser=True, allow_replication=True) for one in crowd(snapshot)[:2]]
        outcomes = await session.signal(Action.TERMINATE, victims)
        assert [outcome.status for outcome in outcomes] == [Status.SIGNALLED] * 2
        again = await session.signal(Action.TERMINATE, victims)
        # Whoever is told a second time may be just about to end.
        assert {outcome.status for outcome in again} <= {Status.GONE, Status.SIGNALLED}

        async def moved() -> bool:
            nonlocal snapshot
            snapshot = await session.poll()
            return snapshot.server.door == ""

        await wait_until(moved, "an ordinary slot is taken")
        assert SlotBudget.of(snapshot).walsenders_used == 1
        assert not standby.is_closed()
    finally:
        standby.terminate()


async def test_both_ways_in_tell_the_same(every_cluster: Cluster, clients: Clients, doors: list[Session]) -> None:
    """Everything but what the two sessions do themselves: hostile names and texts, numbers to the last bit."""
    await clients.role(every_cluster, "ev\x1b[31mil $pgtop_conn$", "LOGIN CONNECTION LIMIT 5")
    hostile = await clients(every_cluster, role="ev\x1b[31mil $pgtop_conn$", app="[red]'$1")
    await hostile.execute("SELECT '\x1b]0;$pgtop_conn$ END é \u202e\\x41', 1 -- \u2028")
    ordinary = await Session.open(resolve(every_cluster.uri(), environ={}))
    doors.append(ordinary)
    expected = {backend.pid: backend for backend in (await ordinary.poll()).backends}
    by_door = await through_the_door(every_cluster, doors)
    seen = await by_door.poll()
    shared = [backend for backend in seen.backends if backend.app == "[red]'$1"]
    assert shared
    for backend in shared:
        for name in Backend.__slots__:
            assert getattr(backend, name) == getattr(expected[backend.pid], name), name
    assert seen.roles == (await ordinary.poll()).roles
    admin = await clients(every_cluster)
    await admin.execute("ALTER ROLE postgres SET work_mem = '77MB'")
    told, expected_facts = await by_door.facts(), await ordinary.facts()
    await admin.execute("ALTER ROLE postgres RESET work_mem")
    assert told.troubles == expected_facts.troubles == ()
    assert told.settings["max_connections"] == expected_facts.settings["max_connections"]
    assert told.settings.keys() == expected_facts.settings.keys()
    assert told.overrides == expected_facts.overrides
    assert told.memory is not None


@pytest.mark.parametrize("level", ["notice", "info", "debug1"])
@pytest.mark.parametrize("major", sorted(VERSIONS), ids=lambda major: f"pg{major}")
async def test_nothing_of_what_others_ask_goes_into_the_server_s_log(
    make_cluster: MakeCluster, clients: Clients, doors: list[Session], major: int, level: str
) -> None:
    """Whatever it writes down, for a superuser and for a role that may only replicate and see."""
    settings = {**SETTINGS, "max_connections": "20", "log_min_messages": level, "log_min_error_statement": level}
    cluster = make_cluster(major=major, settings=settings)
    await clients.role(cluster, "replicator", "LOGIN REPLICATION IN ROLE pg_monitor")
    (other,) = await clients.many(1, cluster, app="swordfish-app")
    await other.execute("DO $$ BEGIN RAISE NOTICE 'canary'; END $$")
    await other.fetchval("SELECT 'swordfish'")
    for user in ("postgres", "replicator"):
        session = await through_the_door(cluster, doors, user)
        session.move_at = math.inf
        texts = [one.query for one in (await session.poll()).backends if one.app == "swordfish-app"]
        assert texts == ["SELECT 'swordfish'"]
        await session.facts()
        targets = [Target.of(one) for one in (await session.poll()).backends if one.app == "swordfish-app"]
        await session.signal(Action.CANCEL, targets)
    log = cluster.log_file.read_bytes()
    assert b"canary" in log
    # Texts of queries travel as hexadecimal digits.
    assert b"swordfish" not in log
    assert b"swordfish".hex().encode() not in log.lower()


@pytest.mark.parametrize("major", WITH_TLS, ids=lambda major: f"pg{major}")
async def test_with_tls_and_a_password(
    make_cluster: MakeCluster, doors: list[Session], tmp_path: Path, major: int
) -> None:
    """What the driver logs in with is what is handed over."""
    cluster = make_cluster(major=major, tcp=True, hba=("hostssl all replicator all scram-sha-256",), settings=SETTINGS)
    Authority(cluster.data_dir, "ca").issue("server", "localhost", ["localhost", "127.0.0.1"])
    owner = cluster.data_dir.stat()
    for name in ("server.key", "server.crt"):
        os.chown(cluster.data_dir / name, owner.st_uid, owner.st_gid)
        (cluster.data_dir / name).chmod(0o600)
    admin = await asyncpg.connect(cluster.uri())
    await admin.execute("SET password_encryption = 'scram-sha-256'")
    await admin.execute("CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'hunter2'")
    await admin.execute("ALTER SYSTEM SET ssl = on")
    await admin.execute("SELECT pg_reload_conf()")
    uri = f"postgresql://replicator:hunter2@127.0.0.1:{cluster.port}/postgres?sslmode=require"

    async def in_() -> bool:
        try:
            doors.append(await Session.open(resolve(uri, environ={}), by_door=True))
        except ConnectError:
            return False
        return True

    await wait_until(in_, "the server has TLS")
    doors[-1].move_at = math.inf
    for _ in range(3):
        snapshot = await doors[-1].poll()
    assert snapshot.server.door == WALSENDER_DOOR
    assert (snapshot.server.tls or "").startswith("TLSv1")
    assert snapshot.server.role == "replicator"
    await admin.close()


async def test_the_last_sender_is_left_to_a_standby(make_cluster: MakeCluster, doors: list[Session]) -> None:
    cluster = make_cluster(settings={**SETTINGS, "max_wal_senders": "2"})
    await through_the_door(cluster, doors)
    with pytest.raises(ConnectError, match="left to a standby"):
        await through_the_door(cluster, doors)


async def test_a_role_without_replication_is_told_why(cluster: Cluster, clients: Clients, doors: list[Session]) -> None:
    role = await clients.role(cluster, "plain")
    with pytest.raises(ConnectError, match=r"(?i)replication|superuser"):
        await through_the_door(cluster, doors, role)


@given(st.text() | st.lists(st.text(), min_size=1) | st.binary() | st.floats())
def test_nothing_but_numbers_and_known_words_is_written_into_a_statement(value: object) -> None:
    try:
        text = written("SELECT $1", [value]).splitlines()[2].removeprefix("SELECT ")
    except PollFailed:
        return
    words = {"active", "idle", "idle in transaction", "disabled"}
    names = "|".join(NAMES)
    assert text.strip("'") in words or re.fullmatch(rf"\([-+.0-9e]+\)|ARRAY\[('(-?[0-9a-f]*|{names})'(, )?)+\]", text)
