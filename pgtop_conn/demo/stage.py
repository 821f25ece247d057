"""The process behind a demo: it owns the server and the applications, and ends when whoever started it ends.

`python -m pgtop_conn.demo.stage FOLDER` prints one line, `uri …` when all is set or `error …`. It then plays until
its standard input is closed, which the operating system does however the parent ends, or a signal asks it to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import asyncpg

from pgtop_conn.demo.applications import DATABASE, Troupe
from pgtop_conn.demo.binaries import find_binaries
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.terminal.interrupts import ended_by

FIRST_WITH_RESERVED_CONNECTIONS = 16


def settings_for(major: int) -> dict[str, str]:
    """A server that is small enough to be filled within a minute, with every kind of reserve that its version has."""
    settings = {
        "max_connections": "60",
        "superuser_reserved_connections": "3",
        "max_wal_senders": "10",
        "cluster_name": "demo",
    }
    return settings | ({"reserved_connections": "2"} if major >= FIRST_WITH_RESERVED_CONNECTIONS else {})


async def build_shop(cluster: Cluster) -> None:
    """The roles, the database and its tables."""
    admin = await asyncpg.connect(cluster.uri(), timeout=10)
    await admin.execute(f"CREATE DATABASE {DATABASE}")
    await admin.close()
    admin = await asyncpg.connect(cluster.uri(database=DATABASE), timeout=10)
    await admin.execute(files("pgtop_conn.demo").joinpath("shop.sql").read_text(encoding="utf-8"))
    await admin.close()


async def play(cluster: Cluster) -> None:
    """Build the shop and let the applications play until we are told to stop."""
    await build_shop(cluster)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()

    loop.add_reader(sys.stdin.fileno(), listen)
    with ended_by(lambda _number: stopped.set()):
        performance = asyncio.create_task(Troupe(cluster).perform(lambda: say(f"uri {cluster.uri()}")))
        told = asyncio.create_task(stopped.wait())
        await asyncio.wait({performance, told}, return_when=asyncio.FIRST_COMPLETED)
        if not performance.done():
            performance.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await performance


def say(line: str) -> None:
    """Tell the parent, unless it is gone already, in which case the closed standard input ends us."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), line.encode() + b"\n")


def main() -> int:
    folder = Path(sys.argv[1])
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    try:
        binaries = find_binaries()
        with Cluster(binaries, settings=settings_for(binaries.major), folder=folder) as cluster:
            asyncio.run(play(cluster))
    except PgtopError as error:
        say(f"error {error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
