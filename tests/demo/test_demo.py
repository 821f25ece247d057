"""The demo: the picture that it paints, how its applications come back, and that nothing of it is ever left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import psutil
import pytest

from pgtop_conn.demo import launch
from pgtop_conn.demo.launch import Stage, running_demo
from pgtop_conn.model.errors import PgtopError
from tests.support.servers import Connection, is_alive
from tests.support.waits import HANG_S, wait_until

HEADLESS = "import sys; from pgtop_conn.demo.launch import run_headless; sys.exit(run_headless())"


def folder_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).netloc.rpartition("@")[2].partition(":")[0]))


def postmaster_of(uri: str) -> int:
    return int((folder_of(uri) / "data" / "postmaster.pid").read_text().split("\n")[0])


async def connect(uri: str, role: str = "postgres") -> Connection:
    connection: Connection = await asyncpg.connect(uri.replace("postgres@", f"{role}@"), timeout=HANG_S)
    return connection


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo() as uri:
        yield uri


@pytest.fixture
async def admin(demo: str) -> AsyncIterator[Connection]:
    connection = await connect(demo)
    yield connection
    await connection.close()


async def count(admin: Connection, condition: str) -> int:
    number: int = await admin.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}")
    return number


async def test_settings_and_roles(admin: Connection) -> None:
    assert await admin.fetchval("SHOW max_connections") == "60"
    roles = {
        row["rolname"]: (row["rolsuper"], row["rolreplication"], row["rolconnlimit"])
        for row in await admin.fetch("SELECT * FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'")
    }
    assert roles == {
        "web": (False, False, -1),
        "billing": (False, False, -1),
        "reporting": (False, False, 10),
        "replicator": (False, True, -1),
        "cron": (True, False, -1),
    }


async def test_the_applications_are_there_when_the_uri_is(admin: Connection) -> None:
    rows = await admin.fetch(
        "SELECT application_name AS app, usename AS role, count(*) AS sessions FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename <> 'billing' GROUP BY 1, 2"
    )
    assert {(row["app"], row["role"]): row["sessions"] for row in rows} == {
        ("nightly-report", "reporting"): 1,
        ("bi-dashboard", "reporting"): 7,
        ("web", "web"): 15,
        ("checkout", "web"): 2,
        ("cron", "cron"): 1,
    }


async def test_a_real_standby_streams(admin: Connection) -> None:
    async def streams() -> bool:
        return bool(await admin.fetchval("SELECT count(*) FROM pg_stat_replication WHERE usename = 'replicator'"))

    await wait_until(streams, "the replication connection is there")


async def test_two_sessions_wait_behind_the_idle_report(admin: Connection) -> None:
    async def wait_behind() -> bool:
        blocked = await admin.fetch(
            "SELECT blocked.application_name AS app FROM pg_stat_activity report JOIN pg_stat_activity blocked"
            " ON report.pid = ANY(pg_blocking_pids(blocked.pid))"
            " WHERE report.application_name = 'nightly-report' AND report.state = 'idle in transaction'"
        )
        return [row["app"] for row in blocked] == ["checkout", "checkout"]

    await wait_until(wait_behind, "two checkouts wait behind the report")


async def test_the_leak_grows_by_about_one_a_second_after_the_same_select(admin: Connection) -> None:
    leaked = "usename = 'billing' AND state = 'idle' AND query LIKE 'SELECT % FROM invoices WHERE %'"
    await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {leaked}")
    before = await count(admin, leaked)

    async def grown() -> bool:
        return await count(admin, leaked) >= before + 4

    await wait_until(grown, "four more sessions have leaked")
    took = await admin.fetchval(f"SELECT max(backend_start) - min(backend_start) FROM pg_stat_activity WHERE {leaked}")
    # Not all at once; a busy machine may make it longer.
    assert took.total_seconds() > 2


async def test_terminated_applications_come_back(admin: Connection) -> None:
    every = "usename IN ('web', 'cron', 'replicator', 'reporting') AND application_name <> 'nightly-report'"
    expected = await count(admin, every)
    old = [row["pid"] for row in await admin.fetch(f"SELECT pid FROM pg_stat_activity WHERE {every}")]
    await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {every}")

    async def returned() -> bool:
        rows = await admin.fetch(f"SELECT pid FROM pg_stat_activity WHERE {every}")
        return len(rows) >= expected and not {row["pid"] for row in rows} & set(old)

    await wait_until(returned, "every application has its sessions again")


async def test_a_full_server_refuses_only_until_a_slot_is_free(demo: str, admin: Connection) -> None:
    held: list[Connection] = []
    with contextlib.suppress(asyncpg.TooManyConnectionsError):
        while len(held) < 60:
            held.append(await connect(demo, "billing"))
    assert len(held) < 60
    for connection in held:
        connection.terminate()
    leaked = await count(admin, "usename = 'billing'")

    async def grown() -> bool:
        return await count(admin, "usename = 'billing' AND application_name <> ''") > leaked - len(held)

    await wait_until(grown, "the leak goes on")


async def read_uri(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


StartHeadless = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start_headless() -> AsyncIterator[StartHeadless]:
    """Starts the headless demo, in a session of its own; ended with the test if the test did not do it."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*python: str, **options: Any) -> asyncio.subprocess.Process:
        command = [*(python or [sys.executable]), "-c", HEADLESS]
        pipe = asyncio.subprocess.PIPE
        started.append(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, **options))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def assert_nothing_left(folder: Path, *pids: int) -> None:
    await wait_until(lambda: not folder.exists(), f"{folder} is gone")
    await wait_until(lambda: not any(map(is_alive, pids)), f"{pids} have ended")
    await wait_until(lambda: not processes_of(folder), f"no process speaks of {folder}")


def processes_of(folder: Path) -> list[int]:
    """Every process with this folder in its command line: stage, server, pg_receivewal, guardian."""
    return [one.pid for one in running() if str(folder) in command_of(one)]


def stage_of(folder: Path) -> int:
    commands = ((one.pid, command_of(one)) for one in running())
    found: int = next(pid for pid, command in commands if str(folder) in command and "pgtop_conn.demo.stage" in command)
    return found


def running() -> list[psutil.Process]:
    """Every process, also where there is no program to list them."""
    return list(psutil.process_iter(["ppid", "cmdline"]))


def command_of(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -signal.SIGKILL)],
    ids=lambda value: getattr(value, "name", None),
)
async def test_headless_leaves_nothing_whatever_ends_it(
    start_headless: StartHeadless, number: signal.Signals, code: int
) -> None:
    process = await start_headless()
    uri = await read_uri(process)
    connection = await connect(uri)
    connection.terminate()
    folder, postmaster = folder_of(uri), postmaster_of(uri)
    # Not by send_signal(), which may take the exit code before asyncio does, and that one tells 255 then.
    os.kill(process.pid, number)
    # A second signal must not disturb the clean-up.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (code, b"", b"")
    if number is not signal.SIGKILL:
        assert not folder.exists()
    await assert_nothing_left(folder, postmaster)


async def test_a_signal_while_it_starts_leaves_nothing(start_headless: StartHeadless) -> None:
    process = await start_headless()
    before = set(started_by(process.pid))
    await wait_until(lambda: bool(started_by(process.pid)), "the stage was started")
    process.send_signal(signal.SIGTERM)
    stages = set(started_by(process.pid)) - before
    await process.communicate()
    assert process.returncode == 0
    await wait_until(lambda: not any(map(is_alive, stages)), "the stage has ended")


def started_by(parent: int) -> list[int]:
    return [one.pid for one in running() if one.info["ppid"] == parent]


async def test_a_killed_stage_takes_everything_along_and_is_reported(start_headless: StartHeadless) -> None:
    process = await start_headless()
    uri = await read_uri(process)
    folder, postmaster = folder_of(uri), postmaster_of(uri)
    os.kill(stage_of(folder), signal.SIGKILL)
    _, err = await process.communicate()
    assert b"the demo ended by itself" in err
    assert not folder.exists()
    await assert_nothing_left(folder, postmaster)


async def test_parent_and_stage_killed_together_leave_nothing(start_headless: StartHeadless) -> None:
    process = await start_headless()
    uri = await read_uri(process)
    folder, postmaster = folder_of(uri), postmaster_of(uri)
    stage = stage_of(folder)
    # A stopped stage can't see its parent die and end by itself before it is killed.
    os.kill(stage, signal.SIGSTOP)
    process.kill()
    os.kill(stage, signal.SIGKILL)
    await process.communicate()
    await assert_nothing_left(folder, postmaster)


async def test_a_killed_server_is_no_obstacle_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # The end comes by what it waits for, and not because it waited for long enough.
    monkeypatch.setattr(launch, "END_TIMEOUT_S", 3600.0)
    stage = Stage()
    try:
        os.kill(postmaster_of(await asyncio.to_thread(stage.uri)), signal.SIGKILL)
    finally:
        await asyncio.to_thread(stage.end)
    await assert_nothing_left(stage.folder, stage.pid)


def test_leaving_the_demo_with_an_exception_leaves_nothing() -> None:
    uris: list[str] = []
    pids: list[int] = []

    def fail() -> None:
        with running_demo() as uri:
            uris.append(uri)
            pids.append(postmaster_of(uri))
            raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        fail()
    assert not folder_of(uris[0]).exists()
    assert not is_alive(pids[0])


def test_without_a_server_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    # Found before anything of the project: a stage in which no server can be found.
    (empty / "sitecustomize.py").write_text(
        "import pgtop_conn.demo.binaries as binaries\n"
        "binaries.EMBEDDED_PACKAGE, binaries.MACHINE_FOLDERS = 'no_such_package', ()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(empty), *filter(None, sys.path)]))
    monkeypatch.setenv("PATH", str(empty))
    stage = Stage()
    try:
        with pytest.raises(PgtopError, match=r"pip install 'pgtop-conn\[demo\]'"):
            stage.uri()
    finally:
        stage.end()
    assert not stage.folder.exists()


def python_for(user: str) -> list[str]:
    """A Python that this user can run and that finds the project, with its environment, or a skipped test."""
    paths = os.pathsep.join(entry for entry in sys.path if entry)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin")):
        command = ["env", f"PYTHONPATH={paths}", "HOME=/nonexistent", str(python), "-B"]
        try:
            tried = subprocess.run(
                [*command, "-c", "import asyncpg, pgtop_conn"], user=user, capture_output=True, cwd="/"
            )
        except PermissionError:
            continue
        if tried.returncode == 0:
            return command
    pytest.skip(f"no Python here that the user {user} can run")


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test runs it as an ordinary user already")
async def test_an_ordinary_user_can_run_it(start_headless: StartHeadless) -> None:
    nobody = pwd.getpwnam("nobody")
    options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}
    process = await start_headless(*python_for("nobody"), **options)
    uri = await read_uri(process)
    folder, postmaster = folder_of(uri), postmaster_of(uri)
    assert folder.stat().st_uid == nobody.pw_uid
    assert (folder / "data").stat().st_uid == nobody.pw_uid
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 0
    await assert_nothing_left(folder, postmaster)
