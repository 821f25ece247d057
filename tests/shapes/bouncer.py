"""A real PgBouncer in front of a server."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from tests.pooling import configure, free_port, pooler_program, start
from tests.waiting import HANG_S, wait_until


@asynccontextmanager
async def bouncer(cluster: Cluster, **settings: object) -> AsyncIterator[str]:
    """In transaction mode, for the role web to the database shop; gives its URI. Skips the test where there is none."""
    program = pooler_program()
    if program is None:
        pytest.skip("no pgbouncer here")
    folder = cluster.folder / "bouncer"
    folder.mkdir()
    port = free_port()
    configure(folder, cluster, port, "web", **settings)
    process = start(program, folder)
    uri = f"postgresql://web@127.0.0.1:{port}/shop"
    try:
        await wait_until(lambda: _answers(uri), "PgBouncer answers")
        yield uri
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 10)
        shutil.rmtree(folder)


async def _answers(uri: str) -> bool:
    try:
        connection = await asyncpg.connect(uri, statement_cache_size=0, timeout=HANG_S)
    except OSError:
        return False
    await connection.close()
    return True
