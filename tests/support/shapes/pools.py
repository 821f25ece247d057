"""Pools as they are when all is well: real ones, and the ways of those that are written in other languages."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from threading import Event
from time import monotonic

import asyncpg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import create_engine, text

from tests.support.servers import Connection
from tests.support.shapes.leaks import AN_ORDER, OPEN_INVOICES
from tests.support.shapes.pgbouncer import bouncer
from tests.support.shapes.servers import Ground
from tests.support.shapes.shape import Promise, every, meanwhile, threads
from tests.support.waits import HANG_S


@asynccontextmanager
async def sqlalchemy(ground: Ground) -> AsyncIterator[Promise]:
    """QueuePool of SQLAlchemy, warmed up by one rush, then in the use of three threads."""
    engine = create_engine(ground.url("web"), pool_size=8, max_overflow=4)

    def requests(stop: Event) -> None:
        while not stop.wait(random.uniform(0.1, 0.4)):
            with engine.connect() as connection:
                connection.execute(text(AN_ORDER))
                connection.execute(text(OPEN_INVOICES))

    rush = [await asyncio.to_thread(engine.connect) for _ in range(8)]
    for connection in rush:
        connection.execute(text(AN_ORDER))
        connection.close()
    try:
        async with threads(requests, requests, requests):
            yield {}
    finally:
        engine.dispose()


@asynccontextmanager
async def hikari(ground: Ground) -> AsyncIterator[Promise]:
    """HikariCP: a fixed number, made at once, none in use; the oldest is replaced now and then (maxLifetime)."""
    pool = [await _jdbc(ground) for _ in range(10)]

    async def replace() -> None:
        await asyncio.sleep(2.0)
        await pool.pop(0).close()
        pool.append(await _jdbc(ground))

    async with meanwhile(every(0.0, replace)):
        yield {}


async def _jdbc(ground: Ground) -> Connection:
    connection = await ground.connect("PostgreSQL JDBC Driver")
    await connection.execute("SET extra_float_digits = 3")
    await connection.execute("SET application_name = 'PostgreSQL JDBC Driver'")
    return connection


@asynccontextmanager
async def hikari_in_use(ground: Ground) -> AsyncIterator[Promise]:
    """HikariCP under load: each session is taken up every so often."""
    pool = [await _jdbc(ground) for _ in range(10)]
    users = [every(0.5, partial(one.fetch, OPEN_INVOICES)) for one in pool]
    async with meanwhile(*users):
        yield {}


@asynccontextmanager
async def django(ground: Ground) -> AsyncIterator[Promise]:
    """Django with CONN_MAX_AGE: each thread has one session, and a new one at the first request past its age."""

    async def thread(number: int) -> None:
        for connected in itertools.count():
            max_age_s = 2.5 if connected else 0.5 + number / 3
            async with await AsyncConnection.connect(ground.conninfo("gunicorn"), autocommit=True) as connection:
                born = monotonic()
                while monotonic() - born < max_age_s:
                    await connection.execute(AN_ORDER)
                    await asyncio.sleep(random.uniform(0.2, 0.6))

    async with meanwhile(*(thread(number) for number in range(6))):
        yield {}


class NewestFirst:
    """A pool that takes the session that came back last, opens one when there is none, and closes those at rest."""

    def __init__(self, ground: Ground, app: str, size: int, idle_timeout_s: float) -> None:
        self._ground = ground
        self._app = app
        self._slots = asyncio.Semaphore(size)
        self._idle_timeout_s = idle_timeout_s
        self._idle: list[tuple[Connection, float]] = []

    async def request(self, sql: str, seconds: float) -> None:
        """One request: a session, a statement, some work in the application, and the session goes back."""
        async with self._slots:
            connection = self._idle.pop()[0] if self._idle else await self._ground.connect(self._app)
            await connection.fetch(sql)
            await asyncio.sleep(seconds)
            self._idle.append((connection, monotonic()))

    async def reap(self) -> None:
        """Close those that were idle for too long."""
        while self._idle and monotonic() - self._idle[0][1] > self._idle_timeout_s:
            await self._idle.pop(0)[0].close()

    async def play(self, users: int, pause_s: float) -> None:
        """Users come in bursts; at times there is only one."""

        async def user() -> None:
            while True:
                await self.request(AN_ORDER, random.uniform(0.02, 0.1))
                await asyncio.sleep(random.uniform(0.5, 1.5) * pause_s)

        async with meanwhile(every(0.5, self.reap), *(user() for _ in range(users))):
            await asyncio.Event().wait()


@asynccontextmanager
async def rails(ground: Ground) -> AsyncIterator[Promise]:
    """Rails: four processes with a pool of five each, and a reaper."""
    names = [f"puma: cluster worker {number}: 812{number} [shop]" for number in range(4)]
    pools = [NewestFirst(ground, name, 5, idle_timeout_s=2.0) for name in names]
    for pool in pools:
        await asyncio.gather(*(pool.request(AN_ORDER, 0.1) for _ in range(5)))
    async with meanwhile(*(pool.play(2, 0.4) for pool in pools)):
        yield {}


@asynccontextmanager
async def node_postgres(ground: Ground) -> AsyncIterator[Promise]:
    """pg-pool of node-postgres: up to ten, newest first, with an idle timeout, and a burst every two seconds."""
    pool = NewestFirst(ground, "storefront-api", 10, idle_timeout_s=1.5)

    async def burst() -> None:
        await asyncio.gather(*(pool.request(AN_ORDER, 0.1) for _ in range(8)))

    async with meanwhile(pool.play(2, 0.3), every(2.0, burst)):
        yield {}


@asynccontextmanager
async def database_sql(ground: Ground) -> AsyncIterator[Promise]:
    """Go's database/sql: at most two idle ones are kept, so that sessions of a busy moment come and go."""
    pool = NewestFirst(ground, "inventory", 8, idle_timeout_s=0.3)
    async with meanwhile(pool.play(3, 0.4)):
        yield {}


@asynccontextmanager
async def psycopg_pool(ground: Ground) -> AsyncIterator[Promise]:
    """ConnectionPool of psycopg: oldest first."""
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        ground.conninfo("tickets"), min_size=6, max_size=12, open=False
    )

    async def request() -> None:
        async with pool.connection() as connection:
            await connection.execute(AN_ORDER)

    await pool.open(wait=True)
    try:
        async with meanwhile(*(every(0.3, request) for _ in range(4))):
            yield {}
    finally:
        await pool.close()


@asynccontextmanager
async def asyncpg_pool(ground: Ground) -> AsyncIterator[Promise]:
    """Pool of asyncpg: most of its sessions have never been needed."""
    settings = {"application_name": "search"}
    uri = ground.cluster.uri(user="web", database="shop")
    async with asyncpg.create_pool(uri, min_size=10, max_size=12, server_settings=settings) as pool:
        users = [every(0.3, partial(pool.fetch, AN_ORDER)) for _ in range(3)]
        async with meanwhile(*users):
            yield {}


@asynccontextmanager
async def growing_with_its_work(ground: Ground) -> AsyncIterator[Promise]:
    """A pool after a deployment: a session more whenever there is work for it, and all of them in use."""

    async def user(number: int) -> None:
        await asyncio.sleep(0.5 * number)
        connection = await ground.connect("recommendations")
        while True:
            await connection.fetch(AN_ORDER)
            await asyncio.sleep(random.uniform(0.2, 0.5))

    async with meanwhile(*(user(number) for number in range(14))):
        yield {}


@asynccontextmanager
async def more_instances(ground: Ground) -> AsyncIterator[Promise]:
    """Autoscaling: every other second one more instance, with six sessions at once, of which it needs one."""

    async def instance(number: int) -> None:
        await asyncio.sleep(2.0 * number)
        pool = [await _jdbc(ground) for _ in range(6)]
        await every(0.4, partial(pool[0].fetch, AN_ORDER))

    async with meanwhile(*(instance(number) for number in range(3))):
        yield {}


@asynccontextmanager
async def transactions_that_end(ground: Ground) -> AsyncIterator[Promise]:
    """Requests in a transaction each: at any moment some are idle in one, never the same for long."""

    async def user(connection: Connection) -> None:
        while True:
            async with connection.transaction():
                await connection.fetch(AN_ORDER)
                await asyncio.sleep(random.uniform(0.1, 0.3))
                await connection.fetch(OPEN_INVOICES)
            await asyncio.sleep(random.uniform(0.1, 0.3))

    async with meanwhile(*(user(one) for one in await ground.many(10, "bookings"))):
        yield {}


@asynccontextmanager
async def waits_that_end(ground: Ground) -> AsyncIterator[Promise]:
    """A counter that several want at once: there is often one who waits, never the same for long."""

    async def user(connection: Connection) -> None:
        while True:
            async with connection.transaction():
                await connection.execute("UPDATE invoices SET total = total + 1 WHERE id = 1")
                await asyncio.sleep(0.03)
            await asyncio.sleep(random.uniform(0.1, 0.3))

    async with meanwhile(*(user(one) for one in await ground.many(5, "counter"))):
        yield {}


@asynccontextmanager
async def rolling_deployment(ground: Ground) -> AsyncIterator[Promise]:
    """The sessions of the old processes go as those of the new ones come."""
    old = await ground.many(10, "web")
    for one in old:
        await one.fetch(AN_ORDER)

    async def user(connection: Connection) -> None:
        await every(0.4, partial(connection.fetch, AN_ORDER))

    async def deploy() -> None:
        async with AsyncExitStack() as new:
            for one in old:
                await asyncio.sleep(0.4)
                await new.enter_async_context(meanwhile(user(await ground.connect("web"))))
                await one.close()
            await asyncio.Event().wait()

    async with meanwhile(deploy()):
        yield {}


@asynccontextmanager
async def behind_pgbouncer(ground: Ground) -> AsyncIterator[Promise]:
    """Forty clients of a real PgBouncer, and its own eight sessions."""
    async with bouncer(ground.cluster, default_pool_size=8, min_pool_size=8) as uri, AsyncExitStack() as stack:
        clients = []
        for _ in range(40):
            connection = await asyncpg.connect(uri, statement_cache_size=0, timeout=HANG_S)
            stack.push_async_callback(connection.close)
            clients.append(connection)
        async with meanwhile(*(every(0.8, partial(one.execute, AN_ORDER)) for one in clients)):
            yield {}
