"""`record` on a real server: what it writes can be read, whatever ends it."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.recording.recording import Recording
from tests.conftest import MakeCluster
from tests.support.command_line import remark, run
from tests.support.servers import Clients
from tests.support.waits import HANG_S, wait_until


@asynccontextmanager
async def recording(
    cluster: Cluster, path: Path, *options: str, limits: Callable[[], None] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """record FILE on this server; it is ended with the block if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pgtop_conn", "record", str(path), "--interval", "0.25", *options, cluster.uri()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=limits,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def polls(path: Path) -> int:
    """How many can be read."""
    try:
        with Recording.open(path) as found:
            return len(found.times)
    except PgtopError:
        return 0


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def has_polls(path: Path, least: int) -> None:
    async def enough() -> bool:
        return polls(path) >= least

    await wait_until(enough, f"{least} polls can be read")


async def test_it_records_for_so_long_and_says_what(cluster: Cluster, clients: Clients, tmp_path: Path) -> None:
    await clients(cluster, app="billing")
    path = tmp_path / "r"
    code, out, err = await run("record", str(path), "--duration", "1500ms", "--interval", "0.25", cluster.uri())
    first, last = err.splitlines()
    assert (code, out) == (0, "")
    assert re.fullmatch(rf"pgtop-conn: recording .* to {path} every 0.25 s; Ctrl-C ends it", first)
    with Recording.open(path) as found:
        assert found.ends is None
        assert re.fullmatch(rf"pgtop-conn: {len(found.times)} polls, [\d.]+ (kB|bytes) in {path}", last)
        assert "billing" in {backend.app for backend in found.moment(0).snapshot.backends}
        assert found.totals[0].apps["billing"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(cluster: Cluster, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "r"
    async with recording(cluster, path) as process:
        await has_polls(path, 2)
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert (process.returncode, out) == (0, b"")
    assert b" polls, " in err
    with Recording.open(path) as found:
        assert found.ends is None


async def test_killed_it_leaves_every_poll_that_it_wrote(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "r"
    async with recording(cluster, path) as process:
        await has_polls(path, 5)
        process.kill()
        await process.wait()
    written = polls(path)
    assert written >= 5
    with Recording.open(path) as found:
        assert all(found.moment(index).snapshot.backends for index in range(written))
        assert len(list(found.totals)) == written
    async with recording(cluster, path):
        await has_polls(path, written + 2)


async def test_it_goes_on_through_a_restart(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster()
    path = tmp_path / "r"
    async with recording(cluster, path) as process:
        await has_polls(path, 2)
        cluster.restart()
        assert (await remark(process)).startswith("pgtop-conn: recording ")
        before = polls(path)
        await has_polls(path, before + 2)
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert process.returncode == 0
    assert b"it answers again" in err
    with Recording.open(path) as found:
        assert len({totals.started_at for totals in found.totals}) == 2


async def test_a_full_disk_is_said_once_and_nothing_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "r"

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    async with recording(cluster, path, limits=small) as process:
        await remark(process)
        said = await remark(process)
        assert said.startswith(f"pgtop-conn: {path}: not recorded: File too large; what was recorded before is whole")
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert process.returncode == 1
    assert re.search(rb"polls, .* could not be written\n$", err)
    assert err.count(b"\n") == 1
    with Recording.open(path) as found:
        assert found.ends is None


async def test_a_folder_that_can_not_be_written_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    folder = Path("/proc/self") if os.geteuid() == 0 else tmp_path
    if folder == tmp_path:
        folder.chmod(0o500)
    code, _, err = await run("record", str(folder / "r"), "--duration", "1s", cluster.uri())
    assert code == 2
    assert re.fullmatch(r"pgtop-conn: \S+: (No such file or directory|Permission denied)\n", err)


async def test_two_never_record_to_one_file(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "r"
    async with recording(cluster, path):
        await has_polls(path, 1)
        code, _, err = await run("record", str(path), "--duration", "1s", cluster.uri())
    assert (code, err) == (2, f"pgtop-conn: {path} is being recorded to by another process\n")


async def test_literals_are_masked(cluster: Cluster, clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "r"
    holder = await clients(cluster, app="web")
    await holder.execute("SELECT 'tell nobody'")
    code, _, _ = await run("record", str(path), "--redact", "--duration", "1s", "--interval", "0.25", cluster.uri())
    assert code == 0
    with Recording.open(path) as found:
        assert found.redacted
        (query,) = {one.query for one in found.moment(0).snapshot.backends if one.app == "web"}
        assert query == "SELECT ?"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "the following arguments are required: FILE"),
        (["postgresql://u:s3cret@h/db"], "FILE comes first, then CONNINFO"),
        (["r", "--duration", "soon"], "--duration: expected a duration, like 90s, 10m, 2h or 3d, not 'soon'"),
        (["r", "--rotate-size", "12"], "--rotate-size: expected a size from 64kB on"),
        (["r", "--rotate-size", "1kB"], "--rotate-size: expected a size from 64kB on"),
        (["r", "--rotate-age", "1s"], "--rotate-age: expected a duration of at least 10 s"),
        (["r", "--keep", "3"], "--keep needs --rotate-size or --rotate-age"),
        (["r", "--rotate-age", "1d", "--keep", "-1"], "--keep: expected a whole number"),
        (["/nonexistent/r", "-h", "/nonexistent"], "/nonexistent/r: No such file or directory"),
        (["r", "--filter", "app:web"], "unrecognized option --filter"),
    ],
)
async def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = await run("record", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert expected in err
    assert "s3cret" not in err
    assert files_in(tmp_path) == []


async def test_without_a_server_no_file_is_left(tmp_path: Path) -> None:
    code, _, err = await run("record", str(tmp_path / "r"), "-h", "127.0.0.1", "-p", "1")
    assert (code, files_in(tmp_path)) == (2, [])
    assert "no server at 127.0.0.1:1" in err
