"""Every other way to run out of slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import asyncpg
import psycopg

from tests.support.matrix.wire import Who, Wire
from tests.support.servers import Connection
from tests.support.shapes.leaks import AN_ORDER
from tests.support.shapes.servers import DATABASE_LIMIT, ROLE_LIMIT, Ground
from tests.support.shapes.shape import Build, Promise, every, meanwhile
from tests.support.waits import HANG_S

TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
LOCKED = Who("locked", "shop")
STREAMER = Who("streamer", "", "true")


async def work(connection: Connection, rest_s: float = 0.2, busy_s: float = 0.05) -> None:
    """Requests, one after another, each busy for a moment."""
    while True:
        await connection.fetch(AN_ORDER)
        await connection.fetch("SELECT pg_sleep($1)", busy_s)
        await asyncio.sleep(rest_s)


@asynccontextmanager
async def spike(ground: Ground) -> AsyncIterator[Promise]:
    """More truly active sessions than is good for the server."""
    crowd = await ground.many(46, "checkout")
    async with meanwhile(*(work(one, rest_s=0.0, busy_s=0.6) for one in crowd)):
        yield {}


def blocker(waiters: int) -> Build:
    """A row locked in a transaction that was forgotten, and those who want the row."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        holder = await ground.connect("nightly-report", role="jobs")
        await holder.execute("BEGIN")
        await holder.execute("UPDATE orders SET status = 'reported' WHERE id = 1")
        crowd = await ground.many(waiters, "checkout")
        paying = [asyncio.create_task(one.execute("UPDATE orders SET status = 'paid' WHERE id = 1")) for one in crowd]
        blocked = "SELECT count(*) = {} FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await ground.until(blocked.format(waiters), "everybody waits")
        try:
            yield {"pid": holder.get_server_pid()}
        finally:
            await holder.execute("ROLLBACK")
            await asyncio.gather(*paying)

    return build


def in_transactions(count: int) -> Build:
    """Transactions left open; two of them have failed."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        for number, one in enumerate(await ground.many(count, "orders-api")):
            await one.execute("BEGIN")
            await one.execute(f"UPDATE orders SET status = 'seen' WHERE id = {100 + number}")
            if number < 2:
                try:
                    await one.execute("SELECT 1 / 0")
                except asyncpg.DivisionByZeroError:
                    continue
        yield {}

    return build


def unread(count: int) -> Build:
    """A result that fills every buffer on its way, and clients that do something else."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        with ExitStack() as stack:
            for _ in range(count):
                client = await psycopg.AsyncConnection.connect(ground.conninfo("export"))
                stack.callback(client.pgconn.finish)
                client.pgconn.send_query(b"SELECT * FROM events")
            yield {"count": count, "unread_results": count}

    return build


@asynccontextmanager
async def oversized(ground: Ground) -> AsyncIterator[Promise]:
    """Thirty sessions, all used once, of which two would do."""
    pool = await ground.many(30, "catalogue")
    for one in pool:
        await one.fetch(AN_ORDER)
    async with meanwhile(*(work(one) for one in pool[:2])):
        yield {"app": "catalogue"}


@asynccontextmanager
async def role_limit(ground: Ground) -> AsyncIterator[Promise]:
    """A role that has all the sessions it may have, and needs them."""
    crowd = await ground.many(ROLE_LIMIT, "reporting", role="limited")
    async with meanwhile(*(work(one) for one in crowd)):
        yield {"name": "limited", "limit": ROLE_LIMIT, "used": ROLE_LIMIT}


@asynccontextmanager
async def database_limit(ground: Ground) -> AsyncIterator[Promise]:
    """A database that has all the sessions it may have, and needs them."""
    crowd = await ground.many(DATABASE_LIMIT, "archive", database="small")
    busy = [every(0.3, partial(one.fetch, "SELECT pg_sleep(0.05)")) for one in crowd]
    async with meanwhile(*busy):
        yield {"name": "small", "limit": DATABASE_LIMIT, "used": DATABASE_LIMIT}


def full(apps: int, sessions: int) -> Build:
    """Several applications, each with a pool that it uses, that fill the server between them."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        crowd = [one for number in range(apps) for one in await ground.many(sessions, f"service-{number}")]
        async with meanwhile(*(work(one, rest_s=0.3) for one in crowd)):
            yield {"superuser_reserved": 0}

    return build


@asynccontextmanager
async def unfinished_logins(ground: Ground) -> AsyncIterator[Promise]:
    """Clients that never send the password."""
    with ExitStack() as stack:
        for _ in range(14):
            stack.callback(Wire(ground.cluster).begin_login(LOCKED).hang_up)
        yield {"count": 14}


@asynccontextmanager
async def walsenders(ground: Ground) -> AsyncIterator[Promise]:
    """As many as the server lets in."""
    with ExitStack() as stack:
        for _ in range(4):
            stack.callback(Wire(ground.cluster).login(STREAMER).close)
        yield {"used": 4, "max": 4}


@asynccontextmanager
async def reconnecting(ground: Ground) -> AsyncIterator[Promise]:
    """A session for each small request, and many requests."""

    async def request() -> None:
        uri = ground.cluster.uri(user="web", database="shop")
        connection = await asyncpg.connect(uri, server_settings={"application_name": "thumbnails"}, timeout=HANG_S)
        await connection.execute("SELECT 1")
        await connection.close()

    async with meanwhile(*(every(0.08, request) for _ in range(3))):
        yield {"restarted_s": None}


@asynccontextmanager
async def restarting(ground: Ground) -> AsyncIterator[Promise]:
    """The server restarts, and everybody is back at once."""

    async def client() -> None:
        while True:
            try:
                connection = await ground.connect("storefront")
                while True:
                    await connection.fetch(AN_ORDER)
                    await asyncio.sleep(0.3)
            except TROUBLE:
                await asyncio.sleep(0.1)

    async def restart() -> None:
        await asyncio.sleep(1.5)
        await asyncio.to_thread(ground.cluster.restart)

    async with meanwhile(restart(), *(client() for _ in range(25))):
        yield {"restarted_s": lambda seconds: seconds is not None}
