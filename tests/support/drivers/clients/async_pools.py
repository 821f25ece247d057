"""Drivers of Python that are awaited: asyncpg's pool, and SQLAlchemy over asyncpg."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.support.drivers.clients.speech import (
    A_FAILURE,
    A_LONG_RESULT,
    AN_INVOICE,
    AN_ORDER,
    Answer,
    Refused,
    options,
    serve_async,
)

TAKE_S = 0.4


class Pool(Protocol):
    """As pools.Pool, awaited."""

    def __init__(self, about: Mapping[str, Any]) -> None: ...

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]: ...

    async def open(self) -> None:
        """Fill it."""
        ...

    async def take(self) -> Any: ...

    async def give(self, connection: Any) -> None: ...

    async def run(self, connection: Any, sql: str) -> int: ...

    async def finish(self, connection: Any, *, failed: bool = False) -> None: ...

    async def begin(self, connection: Any) -> None: ...

    async def unread(self, connection: Any) -> int: ...

    async def ping(self) -> None: ...

    async def bare(self) -> Any:
        """A connection of its own."""
        ...


class Asyncpg:
    """asyncpg.Pool: opens its least at once, last in first out, resets what is given back."""

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        import asyncpg

        return TimeoutError, asyncpg.PostgresError

    def __init__(self, about: Mapping[str, Any]) -> None:
        import asyncpg

        self.about = about
        self.asyncpg = asyncpg
        self.where = {
            "host": about["host"],
            "port": about["port"],
            "user": about["user"],
            "database": about["database"],
            "ssl": False,
            "server_settings": {"application_name": about["app"]},
        }
        self.unread_copies: list[asyncio.Task[Any]] = []

    async def open(self) -> None:
        self.pool = await self.asyncpg.create_pool(
            **self.where,
            min_size=self.about.get("least", 10),
            max_size=self.about["most"],
            max_inactive_connection_lifetime=self.about.get("idle_s", 300.0),
        )

    async def take(self) -> Any:
        return await self.pool.acquire(timeout=TAKE_S)

    async def give(self, connection: Any) -> None:
        await self.pool.release(connection)

    async def run(self, connection: Any, sql: str) -> int:
        return int((await connection.fetch(sql))[0][0])

    async def finish(self, connection: Any, *, failed: bool = False) -> None:
        """Each statement was a transaction."""

    async def begin(self, connection: Any) -> None:
        await connection.transaction().start()

    async def unread(self, connection: Any) -> int:
        """COPY into a writer that takes the first block, and no other."""
        pid = int(connection.get_server_pid())

        async def stuck(_: bytes) -> None:
            await asyncio.get_running_loop().create_future()

        self.unread_copies.append(asyncio.create_task(connection.copy_from_query(A_LONG_RESULT, output=stuck)))
        return pid

    async def ping(self) -> None:
        free = [await self.take() for _ in range(self.pool.get_idle_size())]
        for connection in free:
            await connection.execute("SELECT 1")
        for connection in free:
            await self.give(connection)

    async def bare(self) -> Any:
        return await self.asyncpg.connect(**self.where)


class Alchemy:
    """SQLAlchemy's AsyncEngine over asyncpg."""

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        import asyncpg
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.exc import TimeoutError as NoneFree

        # asyncpg's own come through where it connects.
        return NoneFree, DBAPIError, TimeoutError, asyncpg.PostgresError

    def __init__(self, about: Mapping[str, Any]) -> None:
        import sqlalchemy
        from sqlalchemy.ext.asyncio import create_async_engine

        self.text = sqlalchemy.text
        least = about.get("least", 5)
        self.engine = create_async_engine(
            sqlalchemy.URL.create(
                "postgresql+asyncpg", about["user"], host=about["host"], port=about["port"], database=about["database"]
            ),
            pool_size=least,
            max_overflow=about["most"] - least,
            pool_timeout=TAKE_S,
            pool_pre_ping=about.get("pre_ping", False),
            pool_use_lifo=about.get("lifo", False),
            connect_args={"ssl": False, "server_settings": {"application_name": about["app"]}},
        )
        self.results: list[Any] = []

    async def open(self) -> None:
        """It opens its connections as they are asked for."""

    async def take(self) -> Any:
        return await self.engine.connect()

    async def give(self, connection: Any) -> None:
        await connection.close()

    async def run(self, connection: Any, sql: str) -> int:
        return int((await connection.execute(self.text(sql))).fetchall()[0][0])

    async def finish(self, connection: Any, *, failed: bool = False) -> None:
        await (connection.rollback() if failed else connection.commit())

    async def begin(self, connection: Any) -> None:
        """The first statement begins it."""

    async def unread(self, connection: Any) -> int:
        result = await connection.stream(self.text(A_LONG_RESULT))
        self.results.append(result)
        return int((await result.fetchone())[0])

    async def ping(self) -> None:
        """At each checkout, where it was asked for."""

    async def bare(self) -> Any:
        return await self.engine.connect()


POOLS: Mapping[str, type[Pool]] = {"asyncpg": Asyncpg, "sqlalchemy": Alchemy}


class Application:
    """The commands of speech.py over a pool."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = about
        self.make = POOLS[about["driver"]]
        self.first: Pool | None = None
        self.refusals = self.make.refusals()
        self.kept: list[Any] = []
        self.workers: dict[int, Pool] = {}
        self.block: list[int] = []

    def commands(self) -> dict[str, Callable[[int], Awaitable[Answer]]]:
        """Each by its word."""
        names = ("work", "worker", "ping", "leak", "error", "transaction", "unread", "engine", "reload")
        return {name: self._guarded(getattr(self, name)) for name in names} | {"with": self._guarded(self.with_)}

    async def pool(self) -> Pool:
        """Made when it is needed first: some of what is done needs none."""
        if self.first is None:
            self.first = await self._opened({})
        return self.first

    async def work(self, count: int) -> Answer:
        return {"pids": await self._work(await self.pool(), count)}

    async def worker(self, number: int) -> Answer:
        if number not in self.workers:
            self.workers[number] = await self._opened({"least": 1, "most": 1})
        return {"pids": await self._work(self.workers[number], 1)}

    async def ping(self, _: int) -> Answer:
        await (await self.pool()).ping()
        return {}

    async def leak(self, _: int) -> Answer:
        connection = await self._taken()
        pid = await (await self.pool()).run(connection, AN_INVOICE)
        await (await self.pool()).finish(connection)
        return {"leaked": [pid]}

    async def error(self, _: int) -> Answer:
        connection = await self._taken()
        pid = await (await self.pool()).run(connection, AN_INVOICE)
        try:
            await (await self.pool()).run(connection, A_FAILURE)
        except Exception as error:
            # Every driver has an exception of its own; what it says is what was asked for.
            if "division by zero" not in str(error):
                raise
            await (await self.pool()).finish(connection, failed=True)
        return {"leaked": [pid]}

    async def transaction(self, _: int) -> Answer:
        connection = await self._taken()
        await (await self.pool()).begin(connection)
        return {"leaked": [await (await self.pool()).run(connection, AN_INVOICE)]}

    async def unread(self, _: int) -> Answer:
        return {"leaked": [await (await self.pool()).unread(await self._taken())]}

    async def engine(self, _: int) -> Answer:
        pool = await self._opened({"least": 1, "most": 1})
        self.kept.append(pool)
        return {"leaked": await self._work(pool, 1)}

    async def with_(self, _: int) -> Answer:
        pool = self.make({**self.about, "least": 1, "most": 1})
        connection = await pool.bare()
        self.kept.append((pool, connection))
        pid = await pool.run(connection, AN_INVOICE)
        await pool.finish(connection)
        return {"leaked": [pid]}

    async def reload(self, count: int) -> Answer:
        before, pool = self.block, await self._opened({"least": count})
        self.kept.append(pool)
        self.first = pool
        self.block = await self._work(pool, count)
        return {"pids": self.block, "leaked": before}

    async def _opened(self, changes: Mapping[str, Any]) -> Pool:
        pool = self.make({**self.about, **changes})
        await pool.open()
        return pool

    async def _taken(self) -> Any:
        connection = await (await self.pool()).take()
        self.kept.append(connection)
        return connection

    async def _work(self, pool: Pool, count: int) -> list[int]:
        taken: list[Any] = []
        pids: list[int] = []
        try:
            for _ in range(count):
                taken.append(await pool.take())
                pids.append(await pool.run(taken[-1], AN_ORDER))
            return pids
        finally:
            for connection in taken:
                await pool.give(connection)

    def _guarded(self, command: Callable[[int], Awaitable[Answer]]) -> Callable[[int], Awaitable[Answer]]:
        async def guarded(number: int) -> Answer:
            try:
                return await command(number)
            except self.refusals as error:
                raise Refused(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from None

        return guarded


async def main() -> None:
    application = Application(options())
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def next_line() -> str:
        return (await lines.readline()).decode()

    await serve_async(application.commands(), next_line)


if __name__ == "__main__":
    asyncio.run(main())
