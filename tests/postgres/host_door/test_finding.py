"""Where the host door finds its server, for whom it opens, and what it does not believe."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.host_door import processes
from pgtop_conn.postgres.host_door.door import HostDoor, is_at_hand
from pgtop_conn.postgres.host_door.processes import look, owner_of, postmaster_at, postmasters, successor
from pgtop_conn.postgres.host_door.server import first_line
from tests.conftest import MakeCluster
from tests.postgres.host_door.test_door import info_of, sessions_of, web
from tests.support.servers import Clients
from tests.support.waits import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the tests' servers belong to another user")


async def test_several_servers_are_told_apart(make_cluster: MakeCluster, clients: Clients) -> None:
    one, other = make_cluster(), make_cluster()
    await web(one, clients, 2)
    assert len(sessions_of(await (await HostDoor.open(info_of(one))).poll(), "web")) == 2
    assert not sessions_of(await (await HostDoor.open(info_of(other))).poll(), "web")


async def test_by_loopback_the_port_tells(make_cluster: MakeCluster, clients: Clients) -> None:
    one, other = make_cluster(tcp=True), make_cluster(tcp=True)
    await web(one, clients, 2)
    for host in ("localhost", "127.0.0.1"):
        for cluster, count in ((one, 2), (other, 0)):
            door = await HostDoor.open(resolve(f"host={host} port={cluster.port} user=x", environ={}))
            assert len(sessions_of(await door.poll(), "web")) == count
    assert is_at_hand(info_of(one))
    assert not is_at_hand(resolve("host=192.0.2.1 user=x", environ={}))


async def test_a_file_of_another_user_is_not_believed(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever may write to the folder of the socket may put a lock file there, or something that never ends."""
    lock = tmp_path / ".s.PGSQL.5432.lock"
    lock.write_text(f"{cluster.postmaster_pid}\n{cluster.data_dir}\n")
    assert postmaster_at(tmp_path, 5432) is None
    lock.unlink()
    os.mkfifo(lock)
    assert postmaster_at(tmp_path, 5432) is None
    lock.unlink()
    lock.symlink_to(cluster.socket_dir / f".s.PGSQL.{cluster.port}.lock")
    assert postmaster_at(tmp_path, 5432) is None


@pytest.mark.parametrize("port", [5432, 5433])
async def test_a_lock_file_left_behind_does_not_name_another_server(
    make_cluster: MakeCluster, tmp_path: Path, port: int
) -> None:
    """A server that was killed leaves it, and the pid in it may be that of another one of the same user by now."""
    dead, alive = make_cluster(), make_cluster()
    assert alive.postmaster_pid is not None
    lock = tmp_path / f".s.PGSQL.{port}.lock"
    for folder, found in ((dead.data_dir, False), (alive.data_dir, port == alive.port)):
        lock.write_text(f"{alive.postmaster_pid}\n{folder}\n")
        os.chown(lock, owner_of(alive.postmaster_pid), -1)
        assert (postmaster_at(tmp_path, port) is not None) == found


async def test_what_only_root_may_read_is_not_told_to_the_server_s_program(cluster: Cluster, tmp_path: Path) -> None:
    """What stands in the data folder is run with, or shown: its owner may put a link there, or what never ends."""
    secret = tmp_path / "secret"
    secret.write_text("postgres of-root")
    secret.chmod(0o600)
    (found,) = [one for one in postmasters() if one.pid == cluster.postmaster_pid]
    for name in ("postmaster.opts", "PG_VERSION"):
        file, kept = cluster.data_dir / name, cluster.data_dir / f"{name}.kept"
        assert first_line(found, name)
        file.rename(kept)
        try:
            file.symlink_to(secret)
            assert first_line(found, name) == ""
            file.unlink()
            secret.rename(file)
            assert first_line(found, name) == ""
            file.rename(secret)
            os.mkfifo(file)
            assert first_line(found, name) == ""
        finally:
            file.unlink()
            kept.rename(file)


async def test_a_server_without_a_socket_is_found_again(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(tcp=True)
    (found,) = [one for one in postmasters() if one.pid == cluster.postmaster_pid]
    without = replace(found, socket_folder=Path())
    assert successor(without) == found
    cluster.stop()
    assert successor(without) is None


def as_nobody(door: str) -> str:
    """What a child that has become nobody is told when it opens the door."""
    code = (
        "import asyncio, concurrent.futures.thread, encodings.ascii, os, pwd, sys\n"
        "from pgtop_conn.connect.attempts import Way\n"
        "from pgtop_conn.postgres.conninfo.conninfo import resolve\n"
        "import pgtop_conn.connect.advice, pgtop_conn.postgres.host_door.door\n"
        "user = pwd.getpwnam('nobody')\n"
        "os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)\n"
        "sys.argv[0] = '/usr/bin/pgtop-conn'\n"
        "way = Way(resolve(sys.argv[1], environ={}), None, ())\n"
        "try: asyncio.run(way.host())\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code, door], capture_output=True, text=True, check=False)
    assert answer.stderr == ""
    return answer.stdout


async def test_another_user_is_told_to_take_sudo(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(tcp=True)
    told = as_nobody(f"host=localhost port={cluster.port} user=x")
    assert told.startswith("ConnectError ")
    assert f"process {cluster.postmaster_pid} of another OS user" in told
    assert told.rstrip().endswith(f"--door host -h localhost -p {cluster.port}")
    assert ": sudo " in told


@pytest.mark.parametrize("group", ["its own", "another"])
async def test_the_server_s_own_user_needs_no_root(cluster: Cluster, clients: Clients, group: str) -> None:
    """A child that has become the server's user sees the sessions and ends one."""
    (session,) = await web(cluster, clients, 1)
    assert cluster.postmaster_pid is not None
    owner = owner_of(cluster.postmaster_pid)
    number = pwd.getpwuid(owner).pw_gid if group == "its own" else 64999
    code = (
        "import asyncio, concurrent.futures.thread, encodings.ascii, os, sys\n"
        "from pgtop_conn.model.source import Action, Target\n"
        "from pgtop_conn.postgres.conninfo.conninfo import resolve\n"
        "from pgtop_conn.postgres.host_door.door import HostDoor\n"
        f"os.setgroups([]); os.setgid({number}); os.setuid({owner})\n"
        "async def main():\n"
        "    door = await HostDoor.open(resolve(sys.argv[1], environ={}))\n"
        "    snapshot = await door.poll()\n"
        "    targets = [Target.of(one) for one in snapshot.backends if one.role == 'web']\n"
        "    outcomes = await door.signal(Action.TERMINATE, targets)\n"
        "    print(snapshot.server.max_connections, [str(one.status) for one in outcomes])\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cluster.uri(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (out.decode(), err.decode()) == ("100 ['signalled']\n", "")
    await wait_until(session.is_closed, "the session is gone")


async def test_without_proc_there_is_no_door(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path / "proc")
    with pytest.raises(ConnectError, match="can't look at the processes of this host"):
        await HostDoor.open(info_of(cluster))
    # Nothing but our own processes to be seen, as with hidepid.
    (tmp_path / "proc").mkdir()
    with pytest.raises(ConnectError, match="here are: none that is ours to see"):
        await HostDoor.open(info_of(cluster))


async def test_the_server_s_program_is_never_run_as_root(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on root's terminal, which it could type into."""
    ran: list[object] = []
    run = subprocess.run

    def noted(*arguments: object, **options: object) -> object:
        ran.append((options.get("user"), options.get("extra_groups"), options.get("start_new_session")))
        return run(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("pgtop_conn.postgres.host_door.server.subprocess.run", noted)
    await HostDoor.open(info_of(cluster))
    assert cluster.postmaster_pid is not None
    assert set(map(str, ran)) == {str((owner_of(cluster.postmaster_pid), [], True))}


async def test_no_server_there(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="found no server"):
        await HostDoor.open(resolve(f"host={tmp_path} user=x", environ={}))
    (tmp_path / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n{tmp_path}\n")
    with pytest.raises(ConnectError, match="found no server"):
        await HostDoor.open(resolve(f"host={tmp_path} user=x", environ={}))
    assert look(os.getpid()) is not None
