"""The host door: a server that lets nobody in, seen and freed from its host."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.signalling.guards import Care, Policy, judge
from pgtop_conn.model.signalling.plan import Ask, make_plan
from pgtop_conn.model.slots import Level, SlotBudget
from pgtop_conn.model.snapshot import CLIENT_BACKEND, WALSENDER, Backend, Snapshot
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, resolve
from pgtop_conn.postgres.host_door.door import HostDoor
from pgtop_conn.postgres.host_door.processes import children, look, send
from pgtop_conn.postgres.session import Session
from pgtop_conn.sources.role_memory import FILE, RoleMemory, place, recall, trouble
from pgtop_conn.view.dialogs import plan as plans
from tests.conftest import MakeCluster
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the tests' servers belong to another user")

SETTINGS = {
    "max_connections": "9",
    "superuser_reserved_connections": "2",
    "max_wal_senders": "4",
    "cluster_name": "a: b",
}


def info_of(cluster: Cluster) -> ConnInfo:
    return resolve(cluster.uri(), environ={})


async def web(cluster: Cluster, clients: Clients, count: int) -> list[Connection]:
    role = await clients.role(cluster, "web")
    return await clients.many(count, cluster, role=role, app="web")


def sessions_of(snapshot: Snapshot, role: str) -> list[Backend]:
    return [one for one in snapshot.backends if one.role == role and one.backend_type == CLIENT_BACKEND]


async def test_a_full_server_is_rescued_and_its_standby_is_not_touched(small: Cluster, clients: Clients) -> None:
    standby = await asyncpg.connect(small.uri(), server_settings={"replication": "true"})
    try:
        await web(small, clients, 7)
        await clients.many(2, small)
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await clients(small)
        door = await HostDoor.open(info_of(small))
        snapshot = await door.poll()
        budget = SlotBudget.of(snapshot)
        assert (budget.max, budget.used, budget.superuser_reserved, budget.level) == (9, 9, 2, Level.FULL)
        assert (budget.walsenders_used, budget.walsenders_max) == (1, 4)
        assert snapshot.server.version.startswith(str(small.major))
        targets = [Target.of(one) for one in sessions_of(snapshot, "web")[:3]]
        assert [one.status for one in await door.signal(Action.TERMINATE, targets)] == [Status.SIGNALLED] * 3

        async def gone() -> bool:
            return SlotBudget.of(await door.poll()).used == 6

        await wait_until(gone, "the three are gone")
        assert (await clients(small, role="web")).is_closed() is False
        assert not standby.is_closed()
        assert {one.status for one in await door.signal(Action.TERMINATE, targets)} == {Status.GONE}
    finally:
        standby.terminate()


async def test_the_guards_of_this_door(cluster: Cluster, clients: Clients) -> None:
    (idle,) = await web(cluster, clients, 1)
    busy = await clients(cluster, role="web")
    await clients.role(cluster, "two words")
    await clients(cluster, role="two words")
    seen = await clients.role(cluster, "streaming")
    await clients(cluster, role=seen)
    await clients(cluster, role="postgres", app="admin")
    running = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    door = await HostDoor.open(info_of(cluster), lambda _port: frozenset({"streaming"}))
    snapshot = await door.poll()

    async def shown() -> bool:
        nonlocal snapshot
        snapshot = await door.poll()
        return any(one.query == "SELECT" and one.role == "web" for one in snapshot.backends)

    await wait_until(shown, "the busy session shows as busy")

    def care(backend: Backend, *, bulk: bool = False) -> Care:
        return judge(backend, snapshot, Policy(), bulk=bulk).care

    by_pid = {one.pid: one for one in snapshot.backends}
    assert care(by_pid[idle.get_server_pid()]) is Care.TYPE_ROLE
    assert care(by_pid[idle.get_server_pid()], bulk=True) is Care.TYPE_ROLE
    assert care(by_pid[busy.get_server_pid()]) is Care.TYPE_ROLE
    assert care(by_pid[busy.get_server_pid()], bulk=True) is Care.REFUSE
    for name in ("two words postgres", "streaming", "postgres"):
        assert {care(one) for one in snapshot.backends if one.role == name} == {Care.REFUSE}, name
    assert {care(one) for one in snapshot.backends if one.backend_type != CLIENT_BACKEND} == {Care.REFUSE}
    plan = make_plan(Action.TERMINATE, [Target.of(one) for one in snapshot.backends], snapshot, Policy())
    assert (plan.ask, plan.answer) == (Ask.TYPE_ROLE, "web")
    busy.terminate()
    await asyncio.wait({running})


async def test_what_is_guarded_is_left_alone_even_when_it_is_asked_for(cluster: Cluster, clients: Clients) -> None:
    admin = await clients(cluster, app="admin")
    door = await HostDoor.open(info_of(cluster))
    snapshot = await door.poll()
    outcomes = await door.signal(Action.TERMINATE, [Target.of(one) for one in snapshot.backends if one.role != "web"])
    assert {one.status for one in outcomes} == {Status.DENIED}
    assert await admin.fetchval("SELECT 1") == 1


async def test_a_session_that_changed_is_left_alone(cluster: Cluster, clients: Clients) -> None:
    (session,) = await web(cluster, clients, 1)
    door = await HostDoor.open(info_of(cluster))
    (before,) = sessions_of(await door.poll(), "web")
    await session.execute("BEGIN")
    (outcome,) = await door.signal(Action.TERMINATE, [Target.of(before)])
    assert outcome.status is Status.CHANGED
    await door.poll()
    (outcome,) = await door.signal(Action.TERMINATE, [Target.of(before)])
    assert outcome.status is Status.CHANGED
    assert await session.fetchval("SELECT 1") == 1


async def test_a_recycled_pid_is_never_hit(cluster: Cluster, clients: Clients) -> None:
    """Identities that are not quite right: another beginning, another parent, another title."""
    (session,) = await web(cluster, clients, 1)
    assert cluster.postmaster_pid is not None
    (process,) = [one for one in children(cluster.postmaster_pid) if one.pid == session.get_server_pid()]
    for wrong in (replace(process, started=process.started - 1), replace(process, parent=1)):
        assert send(wrong, signal.SIGTERM) == "gone"
    assert send(replace(process, title=process.title + b"x"), signal.SIGTERM) == "changed"
    assert await session.fetchval("SELECT 1") == 1


async def test_the_kernel_gives_the_pid_to_another_session(cluster: Cluster, clients: Clients) -> None:
    """The same server, the same role, the same title and the same pid: another session all the same."""
    last_pid = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last_pid, os.W_OK):
        pytest.skip("the kernel does not let the next pid be chosen")
    (session,) = await web(cluster, clients, 1)
    door = await HostDoor.open(info_of(cluster))
    (before,) = sessions_of(await door.poll(), "web")
    session.terminate()
    await wait_until(lambda: look(before.pid) is None, "it is gone")
    while True:
        # Other processes may be born between the two.
        await asyncio.to_thread(last_pid.write_text, str(before.pid - 1))
        again = await clients(cluster, role="web", app="web")
        if again.get_server_pid() == before.pid:
            break
        await again.close()
    (outcome,) = await door.signal(Action.TERMINATE, [Target.of(before)])
    assert outcome.status is Status.GONE
    assert await again.fetchval("SELECT 1") == 1


async def test_a_session_that_has_run_and_is_idle_again_is_left_alone(cluster: Cluster, clients: Clients) -> None:
    """Its title is the same as before; that its process has run tells."""
    (session,) = await web(cluster, clients, 1)
    door = await HostDoor.open(info_of(cluster))
    (before,) = sessions_of(await door.poll(), "web")
    await session.fetchval("SELECT 1")
    (outcome,) = await door.signal(Action.TERMINATE, [Target.of(before)])
    assert outcome.status is Status.CHANGED
    (after,) = sessions_of(await door.poll(), "web")
    assert (after.state, after.never_queried) == ("idle", False)
    assert before.state_change is not None
    assert after.state_change is not None
    assert after.state_change > before.state_change


async def test_a_role_seen_by_sql_stays_protected(
    cluster: Cluster, clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the address it was seen at, whatever has become of its rights."""
    names = [
        await clients.role(cluster, "replica_of_old", "LOGIN REPLICATION"),
        await clients.role(cluster, "boss", "LOGIN SUPERUSER"),
        await clients.role(cluster, "web"),
    ]
    for name in names:
        await clients(cluster, role=name)
    source = RoleMemory(await Session.open(info_of(cluster)), tmp_path)
    await source.poll()
    await source.close()
    admin = await clients(cluster)
    await admin.execute("ALTER ROLE replica_of_old NOREPLICATION")
    nowhere = tmp_path / "nowhere"
    door = await HostDoor.open(info_of(cluster), partial(recall, (nowhere, tmp_path)))
    snapshot = await door.poll()
    cares = {one.role: judge(one, snapshot, Policy(allow_superuser=True)).care for one in snapshot.backends}
    assert (cares["replica_of_old"], cares["boss"], cares["web"]) == (Care.REFUSE, Care.REFUSE, Care.TYPE_ROLE)
    targets = [Target.of(one) for name in names for one in sessions_of(snapshot, name)]
    outcomes = {one.target.role: one.status for one in await door.signal(Action.TERMINATE, targets)}
    assert outcomes == {"replica_of_old": Status.DENIED, "boss": Status.DENIED, "web": Status.SIGNALLED}


def test_a_server_of_this_machine_is_the_same_by_each_of_its_names(tmp_path: Path) -> None:
    for host in ("/var/run/postgresql", "@abstract", "localhost", "127.0.0.1", "127.3.2.1", "::1"):
        assert place(host, 5433) == "local:5433", host
    assert place("192.0.2.1", 5433) == "192.0.2.1:5433"
    assert place("no-such-host.invalid", 5433) == "no-such-host.invalid:5433"


def test_a_file_that_can_not_be_read_protects_everybody(tmp_path: Path) -> None:
    assert recall([tmp_path], 5433) == frozenset()
    assert trouble([tmp_path]) == ""
    for content in (b"", b"[]", b'{"local:5433": [1]}', b"\xff", b'{"local:5433": "web"}', b"[" * 100_000):
        (tmp_path / FILE).write_bytes(content)
        assert "anybody" in recall([tmp_path], 5433) | {"postgres"}
        assert trouble([tmp_path]) == f"{tmp_path / FILE} is damaged"
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE)
    assert "anybody" in recall([tmp_path], 5433)
    assert "not a regular file" in trouble([tmp_path])


async def test_several_roles_are_typed_once_each(cluster: Cluster, clients: Clients) -> None:
    for name in ("web", "batch"):
        await clients.role(cluster, name)
        await clients.many(2, cluster, role=name)
    snapshot = await (await HostDoor.open(info_of(cluster))).poll()
    chosen = [Target.of(one) for one in snapshot.backends if one.role in ("web", "batch")]
    plan = make_plan(Action.TERMINATE, chosen, snapshot, Policy())
    assert len(plan.planned) == 4
    assert set(plan.answer.split(" ")) == {"web", "batch"}
    assert plans.prompt(plan) == f"Type the names of the 2 roles, a blank between, to confirm: {plan.answer}"


async def test_roles_called_like_processes_of_the_server(small: Cluster, clients: Clients) -> None:
    for name in ("archiver", "logger", "walsender", "startup"):
        await clients.role(small, name)
        await clients(small, role=name)
    snapshot = await (await HostDoor.open(info_of(small))).poll()
    assert SlotBudget.of(snapshot).used == 4 - 1
    kinds = {one.role: one.backend_type for one in snapshot.backends if one.role}
    # The word is the server's own in front of a walsender.
    assert kinds == {
        "archiver": CLIENT_BACKEND,
        "logger": CLIENT_BACKEND,
        "startup": CLIENT_BACKEND,
        "postgres": WALSENDER,
    }


async def test_titles_that_the_server_does_not_keep_up(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"update_process_title": "off"})
    await web(cluster, clients, 2)
    snapshot = await (await HostDoor.open(info_of(cluster))).poll()
    sessions = sessions_of(snapshot, "web")
    assert [one.state for one in sessions] == [None, None]
    assert {judge(one, snapshot, Policy(), bulk=True).care for one in sessions} == {Care.REFUSE}
    assert {judge(one, snapshot, Policy()).care for one in sessions} == {Care.TYPE_ROLE}


async def test_a_server_that_goes_and_comes_back(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster()
    door = await HostDoor.open(info_of(cluster))
    first = await door.poll()
    cluster.stop()
    with pytest.raises(SourceLost):
        await door.poll()
    cluster.start()
    again = await door.poll()
    assert again.server.started_at != first.server.started_at
    await door.close()
    with pytest.raises(SourceLost):
        await door.poll()
