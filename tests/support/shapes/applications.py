"""Sessions outside any pool that are idle, or open, for good reason."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from tests.support.shapes.leaks import AN_ORDER
from tests.support.shapes.servers import Ground
from tests.support.shapes.shape import Promise, every, meanwhile
from tests.support.waits import HANG_S

AGENT_QUERY = "SELECT datname, numbackends, xact_commit FROM pg_stat_database"


@asynccontextmanager
async def listeners(ground: Ground) -> AsyncIterator[Promise]:
    """Sessions that only listen, and one that notifies them."""
    for one in await ground.many(8, "realtime", role="jobs"):
        await one.execute("LISTEN order_changes")
    teller = await ground.connect("orders")
    async with meanwhile(every(0.7, partial(teller.execute, "NOTIFY order_changes"))):
        yield {}


@asynccontextmanager
async def monitoring_agent(ground: Ground) -> AsyncIterator[Promise]:
    """The same question every half second, on two sessions."""
    agents = await ground.many(2, "datadog-agent", role="agent")
    async with meanwhile(*(every(0.5, partial(one.fetch, AGENT_QUERY)) for one in agents)):
        yield {}


@asynccontextmanager
async def humans(ground: Ground) -> AsyncIterator[Promise]:
    """People with psql: one has just connected, the others think."""
    for role in ("alice", "bob", "alice"):
        human = await ground.connect("psql", role=role)
        await human.fetch(AN_ORDER if role == "alice" else "SELECT count(*) FROM invoices")
    await ground.connect("psql", role="bob")
    yield {}


@asynccontextmanager
async def one_session_per_request(ground: Ground) -> AsyncIterator[Promise]:
    """Scripts without a pool, a request every half second."""

    async def request() -> None:
        uri = ground.cluster.uri(user="web", database="shop")
        connection = await asyncpg.connect(uri, server_settings={"application_name": "php-fpm"}, timeout=HANG_S)
        await connection.execute(AN_ORDER)
        await asyncio.sleep(0.05)
        await connection.close()

    async with meanwhile(every(0.5, request)):
        yield {}


@asynccontextmanager
async def batch(ground: Ground) -> AsyncIterator[Promise]:
    """A long transaction that works, statement after statement."""
    worker = await ground.connect("nightly-batch", role="jobs")
    await worker.execute("BEGIN")
    step = partial(worker.execute, "UPDATE invoices SET total = total WHERE id <= 50 AND pg_sleep(0.002) IS NOT NULL")
    async with meanwhile(every(0.02, step)):
        yield {}


@asynccontextmanager
async def dump(ground: Ground) -> AsyncIterator[Promise]:
    """A real pg_dump with two jobs, stopped in the middle so that it lasts; its first session only holds a snapshot."""
    folder = ground.cluster.folder / "dump"
    options = ["-Fd", "-j2", "-f", str(folder), "-d", ground.conninfo("pg_dump", role="postgres")]
    process = _start([_program(ground.cluster, "pg_dump"), *options])
    try:
        copying = "SELECT count(*) >= 1 FROM pg_stat_activity WHERE application_name = 'pg_dump' AND query LIKE 'COPY%'"
        await ground.until(copying, "it copies")
        os.killpg(process.pid, signal.SIGSTOP)
        yield {}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait, 10)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def replication(ground: Ground) -> AsyncIterator[Promise]:
    """A real standby that streams, and pg_receivewal beside it."""
    standby = await asyncio.to_thread(_standby_of, ground.cluster)
    archive = ground.cluster.folder / "wal"
    archive.mkdir()
    conninfo = f"host={ground.cluster.socket_dir} port={ground.cluster.port} user=streamer"
    receiver = _start([_program(ground.cluster, "pg_receivewal"), "-D", str(archive), "-d", conninfo])
    try:
        streaming = "SELECT count(*) = 2 FROM pg_stat_replication WHERE state = 'streaming'"
        await ground.until(streaming, "both stream")
        yield {}
    finally:
        receiver.terminate()
        await asyncio.to_thread(receiver.wait, 10)
        await asyncio.to_thread(standby.destroy)
        shutil.rmtree(archive)


def _standby_of(primary: Cluster) -> Cluster:
    standby = Cluster(primary.binaries)
    try:
        shutil.rmtree(standby.data_dir)
        conninfo = f"host={primary.socket_dir} port={primary.port} user=streamer"
        command = [_program(primary, "pg_basebackup"), "-D", str(standby.data_dir), "-R", "-c", "fast", "-d", conninfo]
        subprocess.run(command, check=True, capture_output=True)
        with (standby.data_dir / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write(f"port = {standby.port}\nlisten_addresses = ''\n")
            file.write(f"unix_socket_directories = '{standby.socket_dir}'\n")
        owner = standby.folder.stat()
        for folder, _, names in os.walk(standby.data_dir):
            for name in ("", *names):
                os.chown(Path(folder) / name, owner.st_uid, owner.st_gid)
        standby.start()
    except BaseException:
        standby.destroy()
        raise
    return standby


def _program(cluster: Cluster, name: str) -> str:
    program = cluster.binaries.bin_dir / name
    if not program.exists():
        pytest.skip(f"this server has no {name}")
    return str(program)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
