"""A PgBouncer between the applications of one scenario and its server."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pgtop_conn.demo.server import Cluster
from tests.drivers.application import ClientFailed
from tests.pooling import configure, free_port, pooler_program, start
from tests.waiting import wait_until

#: Seconds that a client waits for a server connection.
WAIT_S = 1


@asynccontextmanager
async def bouncer(cluster: Cluster, mode: str, role: str) -> AsyncIterator[int]:
    """Its port; `mode` is "session" or "transaction"."""
    program = pooler_program()
    if program is None:
        raise ClientFailed("no pgbouncer here")
    folder = cluster.folder / "bouncer"
    await asyncio.to_thread(folder.mkdir)
    port = free_port()
    configure(
        folder,
        cluster,
        port,
        role,
        pool_mode=mode,
        default_pool_size=60,
        max_client_conn=200,
        query_wait_timeout=WAIT_S,
    )
    process = start(program, folder)

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await wait_until(listens, "PgBouncer listens")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 10)
        await asyncio.to_thread(shutil.rmtree, folder)
