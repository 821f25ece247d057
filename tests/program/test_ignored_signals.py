"""Signals that were ignored when a command was started, as nohup and a shell's background jobs have them, stay so."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.recording.recording import Recording
from pgtop_conn.terminal.interrupts import ENDING
from tests.support.faults.kinds import stopped
from tests.support.servers import Clients
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, PROGRAM, Terminal
from tests.support.waits import HANG_S, wait_until

IGNORING = ("/bin/sh", "-c", "trap '' INT TERM HUP; exec \"$@\"", "sh", *PROGRAM)
WEB = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web'"


def ignore_all() -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@asynccontextmanager
async def ignoring(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command with all of them ignored; it is killed with the block if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        # A shell would ignore them some moments after it has begun.
        preexec_fn=ignore_all,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def send_all(process: asyncio.subprocess.Process) -> None:
    for number in ENDING:
        process.send_signal(number)


async def test_a_stream_goes_on(cluster: Cluster) -> None:
    async with ignoring("snapshot", "--watch", "0.25", "--csv", cluster.uri()) as process:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), HANG_S)
        send_all(process)
        times: set[bytes] = set()
        while len(times) < 4:
            line = await asyncio.wait_for(process.stdout.readline(), HANG_S)
            assert line
            times.add(line.partition(b",")[0])
        assert process.returncode is None


async def test_a_recording_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "r"

    def polls() -> int:
        with suppress(PgtopError), Recording.open(path) as found:
            return len(found.times)
        return 0

    async with ignoring("record", str(path), "--interval", "0.25", cluster.uri()) as process:
        await wait_until(lambda: polls() >= 2, "it records")
        send_all(process)
        before = polls()
        await wait_until(lambda: polls() >= before + 3, "it goes on recording")
        assert process.returncode is None


async def test_a_kill_goes_on(cluster: Cluster, clients: Clients) -> None:
    # Superusers are guarded.
    await clients.role(cluster, "crowd")
    await clients.many(30, cluster, role="crowd", app="web")
    admin = await clients(cluster)
    async with ignoring("kill", "app:web", "--yes", "--max", "30", "--json", cluster.uri()) as process:

        async def begun() -> bool:
            return int(await admin.fetchval(WEB)) <= 25

        await wait_until(begun, "some are gone", every_s=0.01)
        send_all(process)
        out, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert (process.returncode, err) == (0, b"")
    assert {target["outcome"] for target in json.loads(out)["targets"]} == {"gone"}


async def test_a_check_tells_its_line(cluster: Cluster) -> None:
    assert cluster.postmaster_pid is not None
    with stopped([cluster.postmaster_pid]):
        async with ignoring("check", "--timeout", "2", cluster.uri()) as process:
            # At every moment of its start; it lasts longer than this.
            for _ in range(15):
                send_all(process)
                await asyncio.sleep(0.1)
            told = await asyncio.wait_for(process.communicate(), HANG_S)
    assert (process.returncode, told) == (2, (b"PGTOP_CONN CRITICAL - no answer within 2 s\n", b""))


async def test_the_screen_comes_up_and_stays(cluster: Cluster) -> None:
    async with Terminal([cluster.uri()], program=IGNORING) as terminal:
        await wait_until(
            lambda: ENTER_ALTERNATE_SCREEN in terminal.written, "the first frame is painted", every_s=0.001
        )
        for number in ENDING:
            terminal.process.send_signal(number)
        await terminal.shows("Headroom")
        await wait_until(lambda: b"\x1b[?1004h" in terminal.written, "keys are read")
        for number in ENDING:
            terminal.process.send_signal(number)
        terminal.type("?")
        await terminal.shows("Free slots")
        terminal.type("\x03")
        assert await terminal.ends() == 0
