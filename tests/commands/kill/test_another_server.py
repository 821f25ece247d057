"""A kill during which the same address leads to another server: nobody of the first is called gone for it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.commands.journal import journal
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.facts import Facts
from pgtop_conn.model.signalling.server_identity import Relation, place_of
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Status, Target
from pgtop_conn.monitor.campaign import Campaign
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.sources.journaled import Journaled
from tests.conftest import VERSIONS, MakeCluster
from tests.support.command_line import run
from tests.support.faults.network import Proxy
from tests.support.kill.choices import FAST
from tests.support.kill.crowds import POLICY, crowd, plan_for, statuses
from tests.support.matrix.standby import SLOT_SYNC_SINCE, copy_primary
from tests.support.pgbouncer import configure, end, free_port, needed_program, start
from tests.support.servers import Clients
from tests.support.waits import wait_until


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """One port of 127.0.0.1, before whatever server it is told of."""
    one = Proxy(0)
    await one.start()
    yield one
    await one.stop()


def through(proxy: Proxy) -> str:
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"


def lead_to(proxy: Proxy, cluster: Cluster) -> None:
    """As a virtual address that moves: what is open is reset, and whoever comes is led to that one."""
    proxy.target_port = cluster.port
    proxy.reset()


class Switching:
    """A source that calls `switch` once `after` signals were sent."""

    def __init__(self, source: Source, switch: Callable[[], None], after: int) -> None:
        self._source = source
        self._switch = switch
        self._left = after

    async def poll(self) -> Snapshot:
        return await self._source.poll()

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        outcomes = await self._source.signal(action, targets)
        self._left -= len(targets)
        if self._left == 0:
            self._switch()
        return outcomes

    def settle(self, action: Action, outcome: Outcome) -> None:
        self._source.settle(action, outcome)

    async def look(self) -> Snapshot:
        """The next poll that succeeds: one that finds the connection lost says so first."""
        while True:
            try:
                return await self.poll()
            except PgtopError:
                await asyncio.sleep(0.01)

    async def facts(self) -> Facts:
        return await self._source.facts()

    async def close(self) -> None:
        await self._source.close()


async def killed_across(source: Source, switch: Callable[[], None], pids: Sequence[int]) -> tuple[Outcome, ...]:
    """The outcomes of a kill of `crowd` in the midst of which the switch is made, after the first signal.

    The first target is stopped, so that its end can't be seen before.
    """
    switching = Switching(source, switch, after=1)
    plan = plan_for(await switching.poll(), "crowd")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        return await Campaign(switching, switching.look, plan, POLICY, per_second=FAST, patience_s=2.0).run()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def standby_of(primary: Cluster, make_cluster: MakeCluster) -> Cluster:
    """A streaming standby, with the system identifier of its primary; both run."""
    standby = make_cluster(major=primary.major, tcp=True)
    standby.stop()
    primary.stop()
    copy_primary(primary, standby)
    with (standby.data_dir / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write("primary_slot_name = ''\nlisten_addresses = '127.0.0.1'\nsync_replication_slots = off\n")
    if standby.major < SLOT_SYNC_SINCE:
        path = standby.data_dir / "postgresql.auto.conf"
        path.write_text(path.read_text().replace("sync_replication_slots = off\n", ""))
    standby.start()
    primary.start()
    return standby


@pytest.mark.parametrize("major", sorted(VERSIONS), ids=lambda major: f"pg{major}")
async def test_an_address_that_leads_to_another_server_tells_nothing_of_who_was_signalled(
    make_cluster: MakeCluster, clients: Clients, proxy: Proxy, tmp_path: Path, major: int
) -> None:
    """Neither the campaign nor the journal: the first is unknown, to the others nothing was sent."""
    first, second = make_cluster(major=major, tcp=True), make_cluster(major=major, tcp=True)
    connections = await crowd(first, clients, 3)
    innocent = await crowd(second, clients, 3)
    lead_to(proxy, first)
    source = Journaled(await Session.open(resolve(through(proxy), environ={})), tmp_path / "journal")
    outcomes = await killed_across(source, lambda: lead_to(proxy, second), [connections[0].get_server_pid()])
    assert (outcomes[0].status, outcomes[0].detail) == (Status.UNKNOWN, "another server answers now")
    assert statuses(outcomes[1:]) == [Status.NOT_SENT] * 2
    assert [await one.fetchval("SELECT 1") for one in (*connections[1:], *innocent)] == [1] * 5
    await source.close()
    written: list[str] = []
    journal(tmp_path / "journal", None, written.append, as_json=True)
    told = json.loads("".join(written))
    # Whether the loss was noticed before the second is a matter of an instant; nothing is asked of a third.
    assert told[0]["outcome"] == "unknown"
    assert {one["outcome"] for one in told[1:]} <= {"not sent"}
    assert told[0]["detail"] == "another server answers now"


async def test_a_standby_is_another_server_and_so_is_the_primary_it_becomes(
    make_cluster: MakeCluster, clients: Clients, proxy: Proxy
) -> None:
    """It has the primary's system identifier; it ran beside it, and a promotion begins another timeline."""
    primary = make_cluster(tcp=True)
    standby = standby_of(primary, make_cluster)
    connections = await crowd(primary, clients, 1)
    lead_to(proxy, primary)
    session = await Session.open(resolve(through(proxy), environ={}))
    before = place_of(await session.poll())
    outcomes = await killed_across(session, lambda: lead_to(proxy, standby), [connections[0].get_server_pid()])
    assert (outcomes[0].status, outcomes[0].detail) == (Status.UNKNOWN, "another server answers now")
    beside = await session.poll()
    assert (beside.server.system_id, beside.server.timeline) == (before.server.system_id, "")
    assert len(before.server.system_id) > 5
    assert (before.server.timeline, before.relation(beside)) == ("00000001", Relation.OTHER)
    # Started after the last look at the primary, then promoted: its start tells nothing, its timeline does.
    standby.stop()
    standby.start()
    admin = await asyncpg.connect(standby.uri())
    await admin.execute("SELECT pg_promote()")
    await admin.close()
    switching = Switching(session, lambda: None, after=-1)
    proxy.reset()
    promoted = await switching.look()
    assert (promoted.server.in_recovery, promoted.server.timeline) == (False, "00000002")
    assert before.relation(promoted) is Relation.UNSURE
    await session.close()


@pytest.mark.parametrize("major", sorted(VERSIONS), ids=lambda major: f"pg{major}")
async def test_after_a_restart_of_the_same_server_they_are_gone(
    make_cluster: MakeCluster, clients: Clients, proxy: Proxy, major: int
) -> None:
    cluster = make_cluster(major=major, tcp=True)
    await crowd(cluster, clients, 2)
    lead_to(proxy, cluster)
    session = await Session.open(resolve(through(proxy), environ={}))

    def restart() -> None:
        cluster.stop()
        cluster.start()

    plan = plan_for(await session.poll(), "crowd")
    target = plan.targets[0].key.pid
    outcomes = await killed_across(session, restart, [])
    assert outcomes[0].target.key.pid == target
    assert {(one.status, one.detail) for one in outcomes[:1]} == {(Status.GONE, "the server was restarted")}
    assert outcomes[1].status in (Status.GONE, Status.NOT_SENT)
    await session.close()


async def test_the_command_says_unknown_and_leaves_with_1(
    make_cluster: MakeCluster, clients: Clients, proxy: Proxy, tmp_path: Path
) -> None:
    first, second = make_cluster(tcp=True), make_cluster(tcp=True)
    (frozen,) = [one.get_server_pid() for one in await crowd(first, clients, 1)]
    lead_to(proxy, first)
    environ = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    os.kill(frozen, signal.SIGSTOP)
    try:
        running = asyncio.create_task(run("kill", "app:crowd", "--yes", "--json", through(proxy), environ=environ))

        def sent() -> bool:
            return any('"sent"' in path.read_text() for path in tmp_path.rglob("*.jsonl"))

        await wait_until(lambda: running.done() or sent(), "it is signalled")
        lead_to(proxy, second)
        code, out, err = await running
    finally:
        os.kill(frozen, signal.SIGCONT)
    told = json.loads(out)
    assert [target["outcome"] for target in told["targets"]] == ["unknown"], err
    assert told["headroom"]["after"] is None
    assert code == 1
    assert "the end of 1 of 1 session is unknown" in err
    assert "another server answers now" in err
    code, out, _ = await run("journal", "--json", environ=environ)
    assert (code, [one["outcome"] for one in json.loads(out)]) == (0, ["unknown"])


async def test_a_pooler_that_goes_on_to_another_server_keeps_our_connection(
    make_cluster: MakeCluster, clients: Clients, proxy: Proxy
) -> None:
    """The session stays the same one, what was read of the first server does not."""
    program = needed_program()
    first, second = make_cluster(tcp=True), make_cluster(tcp=True)
    connections = await crowd(first, clients, 2)
    await clients.role(second, "stranger")
    await clients(second, role="stranger", app="elsewhere")
    lead_to(proxy, first)
    folder, port = first.folder / "bouncer", free_port()
    folder.mkdir()
    configure(folder, first, port, "postgres")
    path = folder / "ini"
    path.write_text(
        path.read_text().replace(f"host={first.socket_dir} port={first.port}", f"host=127.0.0.1 port={proxy.port}")
    )
    pooler = start(program, folder)
    try:
        uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        session = await opened(uri)
        assert session.pooled
        outcomes = await killed_across(session, lambda: lead_to(proxy, second), [connections[0].get_server_pid()])
        assert (outcomes[0].status, outcomes[0].detail) == (Status.UNKNOWN, "another server answers now")
        assert outcomes[1].status is Status.NOT_SENT
        assert "another" in outcomes[1].detail
        seen = {one.app: one.role for one in (await session.poll()).backends}
        assert seen["elsewhere"] == "stranger"
        assert await connections[1].fetchval("SELECT 1") == 1
        await session.close()
    finally:
        end(pooler)
        shutil.rmtree(folder)


async def opened(uri: str) -> Session:
    """As soon as the pooler listens."""
    found: list[Session] = []

    async def in_() -> bool:
        try:
            found.append(await Session.open(resolve(uri, environ={})))
        except PgtopError:
            return False
        return True

    await wait_until(in_, "the pooler lets us in")
    return found[0]
