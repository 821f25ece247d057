"""Applications that lose their sessions, each by another client and in another way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Connection as AlchemyConnection
from sqlalchemy import create_engine, text

from tests.support.shapes.servers import Ground
from tests.support.shapes.shape import Build, Promise, every, meanwhile, threads

OPEN_INVOICES = "SELECT id, total FROM invoices WHERE status = 'open' LIMIT 5"
AN_ORDER = "SELECT id, status FROM orders WHERE id = 7"


def by_asyncpg(*, first: int = 4, every_s: float = 0.25, role: str = "billing", most: int = 40) -> Build:
    """One session after another, each with one statement run, and kept."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        kept = 0

        async def lose() -> None:
            nonlocal kept
            if kept < most:
                kept += 1
                connection = await ground.connect("billing-worker", role=role)
                await connection.fetch(OPEN_INVOICES)

        for _ in range(first):
            await lose()
        async with meanwhile(every(every_s, lose)):
            yield {"app": "billing-worker", "role": role}

    return build


@asynccontextmanager
async def without_a_query(ground: Ground) -> AsyncIterator[Promise]:
    """Sessions that are opened and then forgotten."""

    async def lose() -> None:
        await ground.connect("health-check", role="jobs")

    for _ in range(4):
        await lose()
    async with meanwhile(every(0.3, lose)):
        yield {"app": "health-check"}


def by_sqlalchemy(*, commits: bool) -> Build:
    """A pool whose connections are taken out and, on one of two code paths, never given back."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        engine = create_engine(ground.url("invoicing", role="billing"), pool_size=5, max_overflow=40)
        kept: list[AlchemyConnection] = []

        def requests(stop: Event) -> None:
            while not stop.wait(0.3):
                with engine.connect() as connection:
                    connection.execute(text(AN_ORDER))
                forgotten = engine.connect()
                kept.append(forgotten)
                forgotten.execute(text(OPEN_INVOICES))
                if commits:
                    forgotten.commit()

        try:
            async with threads(requests):
                yield {"app": "invoicing"}
        finally:
            for connection in kept:
                connection.close()
            engine.dispose()

    return build


@asynccontextmanager
async def by_psycopg_pool(ground: Ground) -> AsyncIterator[Promise]:
    """getconn() without putconn(), until the pool has grown to its size."""
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        ground.conninfo("mailer", role="jobs"), min_size=2, max_size=45, open=False, kwargs={"autocommit": True}
    )
    kept: list[AsyncConnection] = []

    async def request() -> None:
        connection = await pool.getconn()
        kept.append(connection)
        await connection.execute(AN_ORDER)
        async with pool.connection() as another:
            await another.execute(AN_ORDER)

    await pool.open()
    try:
        async with meanwhile(every(0.3, request)):
            yield {"app": "mailer"}
    finally:
        for connection in kept:
            await pool.putconn(connection)
        await pool.close()
