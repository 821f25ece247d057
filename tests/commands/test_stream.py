"""`snapshot --watch`, as a pipe sees it: a line a look, through restarts, and every way it ends."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from pgtop_conn.demo.server import Cluster
from tests.conftest import MakeCluster
from tests.support.command_line import remark, run
from tests.support.servers import Clients
from tests.support.waits import HANG_S, wait_until

#: A line of many sessions with long queries is long.
LONGEST = 64 * 1024 * 1024
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"
#: Much less than 60 s, the longest time between two looks.
BEFORE_NEXT_LOOK_S = 45.0


@asynccontextmanager
async def watching(cluster: Cluster, *options: str, every_s: str = "0.25") -> AsyncIterator[asyncio.subprocess.Process]:
    """snapshot --watch on this server; it is ended with the block if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pgtop_conn", "snapshot", "--watch", every_s, *options, cluster.uri()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=LONGEST,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    found = json.loads(await asyncio.wait_for(process.stdout.readline(), HANG_S))
    assert isinstance(found, dict)
    return found


async def none_of_ours(cluster: Cluster, clients: Clients) -> None:
    admin = await clients(cluster)

    async def gone() -> bool:
        return bool(await admin.fetchval(OURS) == 0)

    await wait_until(gone, "no session of ours is left")


async def test_each_look_is_one_compact_line(cluster: Cluster, clients: Clients) -> None:
    holder = await clients(cluster, app="web")
    await holder.execute("SELECT\n1, '\u2028'")
    code, out, err = await run("snapshot", "--watch", "0.25", "--count", "3", "--filter", "app:web", cluster.uri())
    assert (code, err, out.count("\n")) == (0, "", 3)
    looks = [json.loads(text) for text in out.splitlines()]
    assert [[backend["app"] for backend in look["backends"]] for look in looks] == [["web"]] * 3
    times = [look["taken_at"] for look in looks]
    assert times == sorted(set(times))
    assert looks[2]["trend"]["peak"] == max(look["slots"]["used"] for look in looks)
    assert '": ' not in out.splitlines()[0].partition('"backends"')[0]


async def test_csv_has_one_header_and_the_time_of_each_look(cluster: Cluster, clients: Clients) -> None:
    await clients.many(2, cluster, app="web")
    options = ("--csv", "--count", "2", "--filter", "app:web")
    _, plain, _ = await run("snapshot", "--csv", cluster.uri())
    code, out, err = await run("snapshot", "--watch", "0.25", *options, cluster.uri())
    rows = list(csv.reader(out.splitlines()))
    assert (code, err, len(rows)) == (0, "", 5)
    assert rows[0] == ["taken_at", *plain.splitlines()[0].split(",")]
    assert rows[1][0] == rows[2][0] < rows[3][0] == rows[4][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_between_two_looks(cluster: Cluster, clients: Clients, number: signal.Signals) -> None:
    async with watching(cluster, every_s="60") as process:
        await line(process)
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), BEFORE_NEXT_LOOK_S)
        assert (process.returncode, out, err) == (0, b"", b"")
    await none_of_ours(cluster, clients)


def first_line(reading: int) -> str:
    """One line of the pipe, which is closed then."""
    with os.fdopen(reading) as pipe:
        return pipe.readline()


async def test_a_reader_who_leaves_ends_it_at_once(cluster: Cluster, clients: Clients) -> None:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pgtop_conn", "snapshot", "--watch", "60", cluster.uri()),
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    look = await asyncio.to_thread(first_line, reading)
    _, err = await asyncio.wait_for(process.communicate(), BEFORE_NEXT_LOOK_S)
    assert (process.returncode, err) == (0, b"")
    assert "slots" in json.loads(look)
    await none_of_ours(cluster, clients)


async def test_a_reader_who_stops_reading_does_not_hold_it(cluster: Cluster, clients: Clients) -> None:
    holders = await clients.many(12, cluster, app="wide")
    for holder in holders:
        # More than a pipe takes.
        await holder.execute(f"SELECT '{'x' * 900}'")
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pgtop_conn", "snapshot", "--watch", "0.25", cluster.uri()),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
        )
        admin = await clients(cluster)

        async def stuck() -> bool:
            """No poll for longer than several intervals."""
            idle = f"{OURS} AND state = 'idle' AND clock_timestamp() - state_change > interval '2 s'"
            return bool(await admin.fetchval(idle) == 1)

        await wait_until(stuck, "it waits for its reader")
        process.terminate()
        _, err = await asyncio.wait_for(process.communicate(), HANG_S)
        assert (process.returncode, err) == (0, b"")
    finally:
        os.close(reading)
        os.close(writing)
    await none_of_ours(cluster, clients)


async def test_it_goes_on_through_a_restart(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    async with watching(cluster) as process:
        before = await line(process)
        cluster.stop()
        assert (await remark(process)).endswith("connecting again")
        cluster.start()
        told = ""
        while "answers again" not in told:
            told = await remark(process)
            assert told.startswith("pgtop-conn: ")

        async def newer() -> bool:
            return str((await line(process))["taken_at"]) > str(before["taken_at"])

        await wait_until(newer, "a look after the restart")
        assert process.returncode is None


async def test_without_a_server_it_begins_with_no_line(cluster: Cluster) -> None:
    code, out, err = await run("snapshot", "--watch", "1", "-h", "127.0.0.1", "-p", "1")
    assert (code, out, len(err.splitlines())) == (2, "", 1)


async def test_rates_are_known_after_a_while(cluster: Cluster, clients: Clients) -> None:
    await clients(cluster, app="steady")
    async with watching(cluster) as process:
        assert (await line(process))["trend"]["per_minute"] is None

        async def known() -> bool:
            look = await line(process)
            steady = next(group for group in look["groups"] if group["key"]["app"] == "steady")
            return look["trend"]["per_minute"] is not None and steady["per_minute"] is not None

        await wait_until(known, "a rate", every_s=0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--watch", "0.1"], "--watch: expected seconds between 0.25 and 60, not '0.1'"),
        (["--watch", "often"], "--watch: expected seconds between"),
        (["--count", "3"], "--count needs --watch"),
        (["--watch", "1", "--count", "0"], "--count: expected at least 1"),
        (["--watch", "1", "--count", "-1"], "--count"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_bad_input(arguments: list[str], expected: str) -> None:
    code, out, err = await run("snapshot", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert expected in err
