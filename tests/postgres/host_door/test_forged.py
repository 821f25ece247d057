"""The host door and processes that are not what their titles say, or whose titles do not say it all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import Care, Policy, judge
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import CLIENT_BACKEND, Backend, Snapshot
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.host_door.door import HostDoor
from pgtop_conn.postgres.host_door.processes import Process, children, is_of, look, send
from tests.conftest import VERSIONS, MakeCluster
from tests.postgres.host_door.test_door import info_of, sessions_of, web
from tests.support.command_line import run
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the tests' servers belong to another user")

FORGED = "postgres: web postgres [local] idle"
#: Another number than any server of the tests runs as.
STRANGER = 64998

#: What makes a container of a server, and a process in it that pretends to be one of its own.
TOOLS = ("unshare", "nsenter", "setpriv", "bash")
LOOK = """
import asyncio, json, sys
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.source import Action, Target
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.host_door.door import HostDoor
async def main():
    door = await HostDoor.open(resolve(sys.argv[1], environ={}))
    snapshot = await door.poll()
    budget = SlotBudget.of(snapshot)
    targets = [Target.of(one) for one in snapshot.backends if one.role == "web"]
    outcomes = await door.signal(Action.TERMINATE, targets)
    print(json.dumps([budget.used, budget.exact, [str(one.status) for one in outcomes]]))
asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def first_of_all(cluster: Cluster) -> AsyncIterator[int]:
    """The server as the first process of a pid namespace, as in a container; its pid as it is here."""
    cluster.stop()
    owner = cluster.data_dir.stat()
    program = str(cluster.binaries.bin_dir / "postgres")
    as_owner = ["--setgid", str(owner.st_gid), "--setuid", str(owner.st_uid)]
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *as_owner, program]
    outer = await asyncio.create_subprocess_exec(
        *command, "-D", str(cluster.data_dir), stderr=subprocess.DEVNULL, cwd="/"
    )
    try:
        yield await newborn(outer.pid, lambda _: True)
    finally:
        outer.kill()
        await outer.wait()


async def newborn(parent: int, wanted: Callable[[Process], bool]) -> int:
    """The pid of the first child that is like that."""
    found: list[int] = []

    def born() -> bool:
        found[:] = [one.pid for one in children(parent) if wanted(one)]
        return bool(found)

    await wait_until(born, f"process {parent} has the child")
    return found[0]


def inside(postmaster: int, *command: str) -> list[str]:
    return ["nsenter", "--target", str(postmaster), "--pid", "--mount", "--wd=/", *command]


@contextlib.asynccontextmanager
async def orphan(postmaster: int, program: Path, user: int, fifo: Path) -> AsyncIterator[int]:
    """A process in there with the title of a session and a parent that has died; its pid as it is here."""
    before = {one.pid for one in children(postmaster)}
    forge = f"(exec -a '{FORGED}' {program} < {fifo} > /dev/null 2>&1 &)"
    who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "bash", "-c", forge]
    forging = await asyncio.create_subprocess_exec(*inside(postmaster, *who))
    assert await forging.wait() == 0
    pid = await newborn(postmaster, lambda one: one.pid not in before and one.title == FORGED.encode())
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
async def test_orphans_with_the_title_of_a_session_are_none(
    make_cluster: MakeCluster, clients: Clients, tmp_path: Path
) -> None:
    """Another user's, the server's own user's, and a setuid program: the server is the first process of all."""
    cluster = make_cluster()
    await clients.role(cluster, "web")
    owner = cluster.data_dir.stat().st_uid
    cat, fifo, tall = Path(shutil.which("cat") or ""), cluster.folder / "fifo", cluster.folder / "tall"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    cluster.folder.chmod(0o755)
    shutil.copy(cat, tall)
    tall.chmod(0o4755)
    # It never ends, and nobody waits for the other end.
    keeper = os.open(fifo, os.O_RDWR)
    async with first_of_all(cluster) as postmaster, contextlib.AsyncExitStack() as stack:
        session = await session_on(cluster)
        forged = [
            await stack.enter_async_context(orphan(postmaster, program, user, fifo))
            for program, user in ((cat, STRANGER), (cat, owner), (tall, owner))
        ]
        code = inside(postmaster, sys.executable, "-c", LOOK, cluster.uri())
        process = await asyncio.create_subprocess_exec(*code, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = await process.communicate()
        assert err.decode() == ""
        assert json.loads(out) == [1, True, ["signalled"]]
        await wait_until(session.is_closed, "the session is gone")
        assert [pid for pid in forged if look(pid) is None] == []
        first = look(postmaster)
        assert first is not None
        assert [is_of(one, first, owner) for one in children(postmaster) if one.pid in forged] == [False] * 3
    os.close(keeper)


async def session_on(cluster: Cluster) -> Connection:
    """As soon as the server lets it in."""
    found: list[Connection] = []

    async def in_() -> bool:
        try:
            found.append(await asyncpg.connect(cluster.uri(user="web"), timeout=5))
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    await wait_until(in_, "the server lets a session in")
    return found[0]


async def test_another_program_or_user_of_the_same_process_is_a_change(cluster: Cluster, clients: Clients) -> None:
    """All of it is looked at once more under the descriptor, right before the signal."""
    (session,) = await web(cluster, clients, 1)
    assert cluster.postmaster_pid is not None
    (process,) = [one for one in children(cluster.postmaster_pid) if one.pid == session.get_server_pid()]
    others: list[dict[str, Any]] = [{"program": (0, 1)}, {"users": (0, 0, 0, 0)}, {"folder": None}, {"name": "cat"}]
    for wrong in others:
        assert send(replace(process, **wrong), signal.SIGTERM) == "changed"
    assert await session.fetchval("SELECT 1") == 1


async def test_whose_a_process_is(cluster: Cluster, clients: Clients) -> None:
    """One that can't be told counts, and gets no signal; where files can't be looked at, the parent has to do."""
    (session,) = await web(cluster, clients, 1)
    assert cluster.postmaster_pid is not None
    first = look(cluster.postmaster_pid)
    assert first is not None
    owner = first.users[0]
    (process,) = [one for one in children(first.pid) if one.pid == session.get_server_pid()]
    assert is_of(process, first, owner) is True
    for wrong in (
        {"program": (0, 1)},
        {"folder": (0, 1)},
        {"users": (owner, 0, 0, owner)},
        {"started": 1},
        {"parent": 1},
    ):
        assert is_of(replace(process, **wrong), first, owner) is False
    unseen: dict[str, Any] = {"program": None, "folder": None}
    assert is_of(replace(process, **unseen), first, owner) is True
    assert is_of(replace(process, name="cat", **unseen), first, owner) is False
    alone = replace(first, pid=1)
    assert is_of(replace(process, parent=1, **unseen), alone, owner) is None


@contextlib.contextmanager
def with_room(cluster: Cluster, room: int) -> Iterator[None]:
    """The server, started so that a title of its processes takes so many bytes at most."""
    cluster.stop()
    owner = cluster.data_dir.stat()
    (cluster.folder / "p").symlink_to(cluster.binaries.bin_dir / "postgres")
    (cluster.folder / "d").symlink_to(cluster.data_dir)
    argv = ["./p", "-D", "d"]
    # Each with its end, and a last byte that is never written.
    left = room + 2 - sum(len(one) + 1 for one in argv) - len("P=") - 1
    environ = {"P": "x" * left}
    with subprocess.Popen(
        argv,
        env=environ,
        cwd=cluster.folder,
        stderr=subprocess.DEVNULL,
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)


async def test_titles_that_are_cut_off_make_the_number_an_upper_bound(
    make_cluster: MakeCluster, clients: Clients
) -> None:
    """What may be a session is counted, never "0, exact", and gets no signal."""
    cluster = make_cluster()
    await clients.role(cluster, "web", "LOGIN")
    with with_room(cluster, len("postgres: web postg")):
        sessions = [await session_on(cluster) for _ in range(3)]
        snapshot = await (await HostDoor.open(info_of(cluster))).poll()
        budget = SlotBudget.of(snapshot)
        assert budget.max == 100
        assert budget.used >= 3
        assert not budget.exact
        code, out, _ = await run("check", "--door", "host", cluster.uri())
        assert "at most" in out, (code, out)
        suspects = [one for one in snapshot.backends if one.pid in {two.get_server_pid() for two in sessions}]
        assert all(one.holds_slot for one in suspects)
        await nobody_is_signalled(cluster, suspects, snapshot)
        assert [await one.fetchval("SELECT 1") for one in sessions] == [1] * 3
        for one in sessions:
            one.terminate()


@pytest.mark.parametrize("end", ["idle", "idle ", "idle in transaction"])
async def test_a_state_that_may_go_on_is_no_state(make_cluster: MakeCluster, clients: Clients, end: str) -> None:
    """Cut off at the right place, a transaction looks idle."""
    cluster = make_cluster()
    await clients.role(cluster, "web")
    with with_room(cluster, len(f"postgres: web postgres [local] {end}")):
        session = await session_on(cluster)
        await session.execute("BEGIN; SAVEPOINT a")
        snapshot = await (await HostDoor.open(info_of(cluster))).poll()
        (found,) = [one for one in snapshot.backends if one.pid == session.get_server_pid()]
        assert (found.backend_type, found.state) == (CLIENT_BACKEND, None)
        await nobody_is_signalled(cluster, [found], snapshot)
        assert await session.fetchval("SELECT 1") == 1
        session.terminate()


async def nobody_is_signalled(cluster: Cluster, suspects: Sequence[Backend], snapshot: Snapshot) -> None:
    assert {judge(one, snapshot, Policy()).care for one in suspects} == {Care.REFUSE}
    door = await HostDoor.open(info_of(cluster))
    again = {one.key: one for one in (await door.poll()).backends}
    outcomes = await door.signal(Action.TERMINATE, [Target.of(again[one.key]) for one in suspects])
    assert {one.status for one in outcomes} == {Status.DENIED}


@pytest.mark.parametrize("major", sorted(VERSIONS), ids=lambda major: f"pg{major}")
async def test_sessions_that_wait_for_a_synchronous_standby_are_counted(
    make_cluster: MakeCluster, clients: Clients, major: int
) -> None:
    """They pile up when it is gone, and their titles say so in a form of their own."""
    cluster = make_cluster(major=major, settings={"synchronous_standby_names": "nobody", "synchronous_commit": "local"})
    (session,) = await web(cluster, clients, 1)
    await session.execute("SET synchronous_commit = on")
    working = asyncio.create_task(session.execute("SELECT pg_logical_emit_message(true, '', '')"))
    door = await HostDoor.open(info_of(cluster))

    async def waits() -> bool:
        one = look(session.get_server_pid())
        return one is not None and b" waiting for " in one.title

    await wait_until(waits, "it waits for a standby")
    snapshot = await door.poll()
    (found,) = sessions_of(snapshot, "web")
    assert (found.state, found.wait, SlotBudget.of(snapshot).used) == ("active", "", 1)
    session.terminate()
    await asyncio.wait({working})
