"""What a poll asks of the server, and how often: counted where it arrives, in the server's own log."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import fields
from types import SimpleNamespace

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME, Backend, Snapshot
from pgtop_conn.postgres.poll import authenticating, reader
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.postgres.conftest import OpenSession
from tests.support.postgres.statement_recorder import Recorder, until
from tests.support.servers import Clients
from tests.support.waits import HANG_S

_ASKED = re.compile(rb"LOG:  (?:execute [^:]*|statement): ")
_TEMPORARY = re.compile(rb"LOG:  temporary file: ")

Logged = Callable[[Cluster, str], Awaitable[Session]]


@pytest.fixture
def logged(clients: Clients, sessions: OpenSession) -> Logged:
    """A session of a role whose every statement and temporary file is logged, with little memory of its own."""

    async def open_session(cluster: Cluster, options: str) -> Session:
        role = await clients.role(cluster, "cadence", f"LOGIN {options}")
        admin = await clients(cluster)
        for setting in ("log_statement = 'all'", "log_temp_files = 0", "work_mem = '64kB'"):
            await admin.execute(f"ALTER ROLE {role} SET {setting}")
        return await sessions(cluster, user=role)

    return open_session


def count(cluster: Cluster, what: re.Pattern[bytes]) -> int:
    return len(what.findall(cluster.log_file.read_bytes()))


async def test_a_steady_poll_is_one_statement_and_so_is_one_with_new_queries(
    every_cluster: Cluster, clients: Clients, logged: Logged
) -> None:
    session = await logged(every_cluster, "IN ROLE pg_monitor")
    web = await clients.many(3, every_cluster, app="web")
    await session.poll()
    for number in range(3):
        before = count(every_cluster, _ASKED)
        snapshot = await session.poll()
        assert count(every_cluster, _ASKED) == before + 1
        assert sum(one.app == "web" for one in snapshot.backends) == 3
        await web[number].execute(f"SELECT 'new {number}'")
    before = count(every_cluster, _ASKED)
    snapshot = await session.poll()
    assert count(every_cluster, _ASKED) == before + 1
    assert {one.query for one in snapshot.backends if one.app == "web"} == {f"SELECT 'new {one}'" for one in range(3)}


async def test_a_role_that_sees_little_asks_one_statement_too(
    every_cluster: Cluster, clients: Clients, logged: Logged
) -> None:
    session = await logged(every_cluster, "")
    await clients(every_cluster, app="web")
    used = (await session.poll()).counted_used
    await session.poll()
    before = count(every_cluster, _ASKED)
    assert (await session.poll()).counted_used == used
    assert count(every_cluster, _ASKED) == before + 1
    await clients(every_cluster, app="web")
    assert used is not None
    assert (await session.poll()).counted_used == used + 1


async def test_nothing_slow_is_asked_more_often_than_it_has_to_be(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes, a poll every two seconds, while one session waits for another."""
    session = await sessions(every_cluster)
    holder, waiter = await clients(every_cluster, app="holder"), await clients(every_cluster, app="waiter")
    await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(4713)")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(4713)"))
    await until(session, lambda one: any(two.blocked_by for two in one.backends))
    recorder = Recorder(session)
    # Whatever was asked before is long due.
    now = time.monotonic() + 3600.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(reader, "time", clock)
    monkeypatch.setattr(authenticating, "time", clock)
    for _ in range(60):
        snapshot = await session.poll()
        assert [one.blocked_by for one in snapshot.backends if one.app == "waiter"] == [(holder.get_server_pid(),)]
        now += 2.0
    asked = Counter(recorder.taken())
    expected = {
        "activity": 60,
        "counters": 20,
        "locks": 12,
        "blockers": 12,
        "server": 4,
        "identity": 4,
        "roles": 4,
        "databases": 4,
    }
    if every_cluster.major < 18:
        expected["virtual_transactions"] = 4
    assert asked == expected
    await holder.execute("ROLLBACK")
    await waiting


async def test_who_blocks_is_asked_again_when_one_of_them_goes_on(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    session = await sessions(cluster)
    first, second, waiter = await clients.many(3, cluster, app="queue")
    for holder in (first, second):
        await holder.execute("BEGIN; SELECT pg_advisory_xact_lock_shared(4714)")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(4714)"))
    blocked = {first.get_server_pid(), second.get_server_pid()}
    await until(session, lambda one: any(set(two.blocked_by) == blocked for two in one.backends))
    recorder = Recorder(session)
    await session.poll()
    assert "blockers" not in recorder.taken()
    await first.execute("ROLLBACK")
    snapshot = await session.poll()
    assert "blockers" in recorder.taken()
    assert {one.blocked_by for one in snapshot.backends} == {(), (second.get_server_pid(),)}
    await second.execute("ROLLBACK")
    await waiting
    assert not any(one.blocked_by for one in (await session.poll()).backends)


async def test_no_poll_goes_through_a_temporary_file(
    make_cluster: MakeCluster, clients: Clients, logged: Logged
) -> None:
    cluster = make_cluster(settings={"max_connections": "530", "track_activity_query_size": "4096"})
    session = await logged(cluster, "IN ROLE pg_monitor")
    for _ in range(25):
        opened = await asyncio.gather(*(clients(cluster, app="web") for _ in range(20)))
        await asyncio.gather(*(one.execute(f"SELECT 1 /* {'x' * 3000} */") for one in opened))
    for _ in range(20):
        snapshot = await session.poll()
    assert sum(one.app == "web" and len(one.query) > 3000 for one in snapshot.backends) == 500
    assert count(cluster, _TEMPORARY) == 0
    assert count(cluster, _ASKED) < 45
    # The same with the memory that the role would have: what is counted here would be seen.
    await Recorder(session).link.fetch("SELECT pg_catalog.set_config('work_mem', '64kB', false)")
    await session.poll()
    assert count(cluster, _TEMPORARY) > 0


async def test_a_reader_that_looks_at_changes_tells_what_a_new_one_tells(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    """Sessions come and go, run queries, and change their names, while others stay as they are."""
    session = await sessions(every_cluster)
    opened = await clients.many(6, every_cluster, app="web")
    for number in range(6):
        await session.poll()
        await opened[number].close()
        opened.append(await clients(every_cluster, app=f"late {number}"))
        await opened[number + 1].execute(f"SET application_name = 'renamed {number}'")
        await opened[-1].execute("SELECT 1")
        for one in opened[number + 2 : number + 4]:
            await one.execute("SELECT 'again'")
        # Until every one of them waits for its client, and who left has left.
        async with asyncio.timeout(HANG_S):
            snapshot = await session.poll()
            while _clients(snapshot) != _clients(await (await sessions(every_cluster)).poll()):
                snapshot = await session.poll()
        assert sum(one.app.startswith(("web", "late", "renamed")) for one in snapshot.backends) == 6
        assert list(snapshot.by_key.values()) == list(snapshot.backends)
        assert session.reader.kept.used == sum(one.is_client for one in snapshot.backends)
        again = await session.poll()
        assert all(again.by_key[one.key] is one for one in snapshot.backends if one.pid in _clients(snapshot))


def _clients(snapshot: Snapshot) -> dict[int, tuple[object, ...]]:
    """All that is told of each client but ourselves."""
    names = [field.name for field in fields(Backend)]
    clients = [one for one in snapshot.backends if one.is_client and one.app != OWN_APPLICATION_NAME]
    return {one.pid: tuple(getattr(one, name) for name in names) for one in clients}
