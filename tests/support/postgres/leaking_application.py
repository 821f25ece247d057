"""An application that leaks beside one that does not: on a real server, for as long as a test looks at them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pgtop_conn.demo.server import Cluster
from tests.support.servers import Clients, Connection

#: So many are leaked at most.
MOST_LEAKED = 70
#: Slow enough that it still grows after the shortest watch of 10 s, on a fast and on a busy machine.
LEAK_EVERY_S = 0.25


@dataclass
class Applications:
    """The sessions of both; `leaked` grows."""

    pool: list[Connection]
    leaked: list[Connection] = field(default_factory=list)

    @property
    def leaked_pids(self) -> set[int]:
        return {one.get_server_pid() for one in self.leaked}


@asynccontextmanager
async def applications(
    cluster: Cluster, clients: Clients, *, leaky: str, pooled: str, pool_size: int
) -> AsyncIterator[Applications]:
    """Sessions of `leaky` are opened one by one, used once and forgotten; those of `pooled` are used all the time."""
    await clients.role(cluster, "shop")
    both = Applications(await clients.many(pool_size, cluster, role="shop", app=pooled))
    over = asyncio.Event()

    async def leak() -> None:
        while not over.is_set() and len(both.leaked) < MOST_LEAKED:
            both.leaked.append(await clients(cluster, role="shop", app=leaky))
            await both.leaked[-1].fetchval("SELECT count(*) FROM pg_class WHERE oid = 42")
            await asyncio.sleep(LEAK_EVERY_S)

    async def use() -> None:
        while not over.is_set():
            for one in both.pool:
                await one.fetchval("SELECT 1")
                await asyncio.sleep(0.01)

    works = [asyncio.create_task(leak()), asyncio.create_task(use())]
    try:
        yield both
    finally:
        over.set()
        await asyncio.gather(*works)
