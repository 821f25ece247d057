"""The one connection: lost and found again, cancelled, closed; never two, never one left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, PasswordNeeded, PollFailed, SlotsExhausted, SourceLost
from pgtop_conn.postgres.connection import link as link_module
from pgtop_conn.postgres.connection.link import Rows
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import versioned
from tests.conftest import MakeCluster
from tests.postgres.conftest import OpenSession, own_pids
from tests.support.postgres.poll_clock import PollClock
from tests.support.postgres.statement_recorder import Answer, Recorder, until, until_true
from tests.support.servers import Clients, Connection, waits_on_lock


async def test_one_connection_before_and_after_a_restart(make_cluster: MakeCluster, sessions: OpenSession) -> None:
    cluster = make_cluster()
    session = await sessions(cluster)
    before = (await session.poll()).server
    assert await own_pids(cluster) == [before.own_pid]
    await asyncio.to_thread(cluster.stop)
    with pytest.raises(SourceLost):
        await session.poll()
    for _ in range(3):
        with pytest.raises(ConnectError, match="no server at socket"):
            await session.poll()
    await asyncio.to_thread(cluster.start)
    after = (await session.poll()).server
    assert await own_pids(cluster) == [after.own_pid]
    assert before.started_at is not None
    assert after.started_at is not None
    assert after.started_at > before.started_at


async def test_one_connection_before_and_after_we_are_terminated(
    cluster: Cluster, admin: Connection, sessions: OpenSession
) -> None:
    session = await sessions(cluster)
    own = (await session.poll()).server.own_pid
    await admin.execute("SELECT pg_terminate_backend($1)", own)
    await until_true(lambda: gone(admin, own))
    with pytest.raises(SourceLost, match="the server ended the session"):
        await session.poll()
    after = (await session.poll()).server.own_pid
    assert after != own
    assert await own_pids(cluster) == [after]


async def gone(connection: Connection, pid: int) -> bool:
    return bool(await connection.fetchval("SELECT count(*) = 0 FROM pg_stat_get_activity($1::int)", pid))


async def test_the_servers_own_words_when_it_ends_a_running_statement(
    cluster: Cluster, clients: Clients, sessions: OpenSession, poll_clock: PollClock
) -> None:
    session = await sessions(cluster)
    own = (await session.poll()).server.own_pid
    lock = await locked_catalog(clients, cluster)
    poll_clock.forward()
    polling = asyncio.create_task(session.poll())
    await until_true(lambda: waits_on_lock(lock, own))
    await lock.execute("SELECT pg_terminate_backend($1)", own)
    with pytest.raises(SourceLost, match="terminating connection due to administrator command"):
        await polling
    await lock.execute("ROLLBACK")
    await session.poll()


async def locked_catalog(clients: Clients, cluster: Cluster) -> Connection:
    lock = await clients(cluster)
    await lock.execute("BEGIN; LOCK pg_authid IN ACCESS EXCLUSIVE MODE")
    return lock


async def test_a_locked_catalog_stops_the_first_poll_and_no_later_one(
    cluster: Cluster, clients: Clients, sessions: OpenSession, poll_clock: PollClock
) -> None:
    session, fresh = await sessions(cluster), await sessions(cluster)
    names = (await session.poll()).roles
    lock = await locked_catalog(clients, cluster)
    with pytest.raises(PollFailed, match="a lock on a system catalog"):
        await fresh.poll()
    poll_clock.forward()
    assert (await session.poll()).roles is names
    recorder = Recorder(session)
    await session.poll()
    assert recorder.taken() == ["activity"]
    await lock.execute("ROLLBACK")
    await fresh.poll()


async def test_a_locked_catalog_never_fails_what_only_adds_to_the_picture(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, poll_clock: PollClock
) -> None:
    session = await sessions(every_cluster)
    before = await session.poll()
    assert before.counters is not None
    lock = await clients(every_cluster)
    await lock.execute("BEGIN; LOCK pg_database IN ACCESS EXCLUSIVE MODE")
    poll_clock.forward()
    recorder = Recorder(session)
    assert (await session.poll()).counters is before.counters
    assert "counters" in recorder.taken()
    for _ in range(3):
        assert (await session.poll()).backends
    assert "counters" not in recorder.taken()
    await lock.execute("ROLLBACK")
    poll_clock.forward()
    assert (await session.poll()).counters is not before.counters


async def test_statements_that_only_add_to_the_picture_may_fail(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, poll_clock: PollClock
) -> None:
    """A text that the server refuses stands for whatever may happen to each of them."""
    session = await sessions(every_cluster)
    holder, waiter = await clients(every_cluster), await clients(every_cluster, app="waiter")
    await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(4712)")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(4712)"))
    before = await until(session, lambda one: any(two.blocked_by for two in one.backends))
    recorder = Recorder(session)
    asked = []

    async def refuse(answer: Answer, text: str, arguments: Sequence[object]) -> Rows:
        names = ("counters", "locks", "blockers", "virtual_transactions")
        name = next((one for one in names if versioned(one, recorder.link.version_num) == text), None)
        if name is not None:
            asked.append(name)
            text, arguments = "SELECT 1/0", ()
        return await answer(text, arguments)

    recorder.stand_between(refuse)
    poll_clock.forward()
    for _ in range(2):
        after = await session.poll()
        assert (after.counters, after.locks) == (before.counters, before.locks)
        assert [one.blocked_by for one in after.backends if one.app == "waiter"] == [(holder.get_server_pid(),)]
    expected = {"counters", "locks", "blockers"} | ({"virtual_transactions"} if every_cluster.major < 18 else set())
    assert sorted(asked) == sorted(expected)
    await holder.execute("ROLLBACK")
    await waiting


async def test_a_statement_timeout_fails_the_poll_and_keeps_the_session(
    cluster: Cluster, sessions: OpenSession
) -> None:
    session = await sessions(cluster)
    own = (await session.poll()).server.own_pid
    link = Recorder(session).link
    await link.fetch("SELECT set_config('statement_timeout', '10ms', false)")
    with pytest.raises(PollFailed, match="longer than the statement timeout"):
        await link.read("SELECT pg_sleep(5)")
    assert (await session.poll()).server.own_pid == own


async def test_a_cancelled_poll_keeps_the_connection_and_opens_no_other(
    cluster: Cluster, clients: Clients, sessions: OpenSession, poll_clock: PollClock
) -> None:
    session = await sessions(cluster)
    own = (await session.poll()).server.own_pid
    lock = await locked_catalog(clients, cluster)
    poll_clock.forward()
    polling = asyncio.create_task(session.poll())
    await until_true(lambda: waits_on_lock(lock, own))
    polling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await polling
    # The driver would have asked for a cancel of the statement over a second connection.
    assert await waits_on_lock(lock, own)
    await lock.execute("ROLLBACK")
    assert (await session.poll()).server.own_pid == own
    assert await own_pids(cluster) == [own]


async def test_polls_cancelled_at_any_moment_leave_one_working_connection(
    cluster: Cluster, sessions: OpenSession
) -> None:
    session = await sessions(cluster)
    own = (await session.poll()).server.own_pid
    for step in range(40):
        polling = asyncio.create_task(session.poll())
        for _ in range(step % 20):
            await asyncio.sleep(0)
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling
    assert (await session.poll()).server.own_pid == own
    assert await own_pids(cluster) == [own]


async def test_logins_and_reconnects_cancelled_at_any_moment_leave_nothing(cluster: Cluster, admin: Connection) -> None:
    info = resolve(cluster.uri(), environ={})
    for step in range(40):
        opening = asyncio.create_task(Session.open(info))
        for _ in range(step):
            await asyncio.sleep(0)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await opening).close()
    session = await Session.open(info)
    for step in range(30):
        if session.link is not None:
            session.link.cut("by the test")
            with pytest.raises(SourceLost):
                await session.poll()
        polling = asyncio.create_task(session.poll())
        for _ in range(step):
            await asyncio.sleep(0)
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling
    await session.close()
    await until_true(lambda: nobody(cluster))


async def nobody(cluster: Cluster) -> bool:
    return not await own_pids(cluster)


async def test_close_is_quick_and_safe_at_any_time(cluster: Cluster, clients: Clients, poll_clock: PollClock) -> None:
    info = resolve(cluster.uri(), environ={})
    session = await Session.open(info)
    own = (await session.poll()).server.own_pid
    lock = await locked_catalog(clients, cluster)
    poll_clock.forward()
    polling = asyncio.create_task(session.poll())
    await until_true(lambda: waits_on_lock(lock, own))
    # While the server still waits for the lock, which nobody gives up before.
    await session.close()
    await session.close()
    with pytest.raises(SourceLost, match="the session was closed"):
        await polling
    with pytest.raises(SourceLost, match="the session was closed"):
        await session.poll()
    await lock.execute("ROLLBACK")
    await until_true(lambda: nobody(cluster))


async def test_close_during_a_reconnect(cluster: Cluster, sessions: OpenSession) -> None:
    session = await sessions(cluster)
    Recorder(session).link.cut("by the test")
    with pytest.raises(SourceLost, match="by the test"):
        await session.poll()
    polling = asyncio.create_task(session.poll())
    await asyncio.sleep(0)
    await session.close()
    with pytest.raises(SourceLost, match="the session was closed"):
        await polling
    await until_true(lambda: nobody(cluster))


async def test_a_full_server_is_told_apart(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"max_connections": "5", "superuser_reserved_connections": "1"})
    await clients.role(cluster, "plain")
    await clients.many(4, cluster)
    with pytest.raises(SlotsExhausted, match="remaining connection slots are reserved") as caught:
        await Session.open(resolve(cluster.uri(user="plain"), environ={}))
    assert caught.value.sqlstate == "53300"
    await clients(cluster)
    with pytest.raises(SlotsExhausted, match="too many clients already"):
        await Session.open(resolve(cluster.uri(), environ={}))


async def test_the_password_is_kept_for_reconnects(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(hba=["local all guarded scram-sha-256"])
    admin = await asyncpg.connect(cluster.uri())
    await admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'hunter2'")
    asking = resolve(cluster.uri(user="guarded"), environ={})
    with pytest.raises(PasswordNeeded, match="asks for the password of guarded"):
        await Session.open(asking)
    with pytest.raises(PasswordNeeded, match="password authentication failed") as caught:
        await Session.open(asking.with_password("hunter1"))
    assert "hunter" not in str(caught.value)
    session = await Session.open(asking.with_password("hunter2"))
    own = (await session.poll()).server.own_pid
    await admin.execute("SELECT pg_terminate_backend($1)", own)
    with pytest.raises(SourceLost):
        await session.poll()
    assert (await session.poll()).server.own_pid != own
    await session.close()
    await admin.close()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """`hang(pid)` stops a process of the server until the end of the test; half a second without an answer will do."""
    monkeypatch.setattr(link_module, "ANSWER_S", 0.5)
    stopped: list[int] = []

    def stop(pid: int) -> None:
        stopped.append(pid)
        os.kill(pid, signal.SIGSTOP)

    yield stop
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("tcp", [False, True])
async def test_sessions_that_give_no_answer_never_become_more_than_two(
    make_cluster: MakeCluster, sessions: OpenSession, hang: Callable[[int], None], tcp: bool
) -> None:
    cluster = make_cluster(tcp=tcp)
    session = await sessions(cluster, tcp=tcp)
    first = (await session.poll()).server.own_pid
    hang(first)
    with pytest.raises(SourceLost, match=rf"no answer from the server .* our session {first} may hold its slot"):
        await session.poll()
    second = (await session.poll()).server.own_pid
    assert await own_pids(cluster) == sorted([first, second])
    hang(second)
    with pytest.raises(SourceLost, match="no answer from the server"):
        await session.poll()
    for _ in range(5):
        with pytest.raises(SourceLost, match=rf"our sessions {first}, {second} give no answer .* no further one"):
            await session.poll()
    assert await own_pids(cluster) == sorted([first, second])
    os.kill(second, signal.SIGCONT)
    await until_true(lambda: answers(session))
    third = (await session.poll()).server.own_pid
    await until_true(lambda: only(cluster, sorted([first, third])))
    # Told to end long ago, the first one does so without having been asked again.
    os.kill(first, signal.SIGCONT)
    await until_true(lambda: only(cluster, [third]))
    assert (await session.poll()).server.own_pid == third


async def answers(session: Session) -> bool:
    with contextlib.suppress(SourceLost):
        return bool((await session.poll()).backends)
    return False


async def only(cluster: Cluster, pids: list[int]) -> bool:
    return await own_pids(cluster) == pids


async def test_the_server_is_told_to_end_a_session_of_ours_that_gave_no_answer(
    make_cluster: MakeCluster, sessions: OpenSession, hang: Callable[[int], None]
) -> None:
    """Also one that would go on: its client looks alive to it."""
    cluster = make_cluster()
    session = await sessions(cluster)
    first = (await session.poll()).server.own_pid
    hang(first)
    with pytest.raises(SourceLost):
        await session.poll()
    second = (await session.poll()).server.own_pid
    os.kill(first, signal.SIGCONT)
    await until_true(lambda: only(cluster, [second]))
    assert "terminating connection due to administrator command" in cluster.log_file.read_text()
