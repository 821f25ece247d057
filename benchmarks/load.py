"""Opens client sessions as applications hold them, and keeps them until its input ends or it is told to.

python load.py 2000 --port 56000 [--rate 150] [--churn 0] [--still]

79 % are idle after a statement of 40 to 1,000 characters, 10 % idle in a transaction (some hold row locks), 5 % in a
long sleep, 5 % run short statements (`--rate` a second in all, so that the load leaves the processors to what is
measured), 1 % wait for a row lock, some behind another waiter. 1 % of the idle ones run a statement each second.
Seeded: the same mix every time. Prints READY when the mix is in place.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

APPLICATIONS = (
    "web-frontend",
    "api-gateway",
    "checkout-svc",
    "billing-worker",
    "PostgreSQL JDBC Driver",
    "sidekiq 7.1 mailers [3 of 25 busy]",
    "celery@worker-07",
    "metabase",
    "psql",
    "airflow-scheduler",
)
ROLES = ("app_rw", "app_ro", "etl", "report", "billing")
DATABASES = ("shop", "billing", "analytics")
COLUMNS = ("id", "customer", "state", "total")
LOGINS_AT_ONCE = 20
ORDERS = 5000

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Mix:
    """How many sessions of each kind."""

    idle: int
    in_transaction: int
    holding_locks: int
    sleeping: int
    short: int
    blocked: int

    @classmethod
    def of(cls, sessions: int, still: bool) -> Mix:
        """The shares of so many sessions, at least three of them blocked; `still` ones are all idle."""
        if still:
            return cls(sessions, 0, 0, 0, 0, 0)
        blocked = max(3, sessions // 100)
        sleeping = short = max(1, sessions * 5 // 100)
        in_transaction = max(2, sessions // 10)
        idle = sessions - sleeping - short - in_transaction - blocked
        return cls(idle, in_transaction, min(in_transaction - 1, max(1, blocked // 4)), sleeping, short, blocked)


def long_query(chance: random.Random) -> str:
    """A SELECT of several lines and 40 to 1,000 characters, as ORMs write them."""
    named = (f'"orders"."{chance.choice(COLUMNS)}" AS "c{i}_{chance.randrange(1000)}"' for i in range(_lines(chance)))
    conditions = (
        f'"orders"."{chance.choice(COLUMNS[:2])}" > {chance.randrange(5000, 99_999)}'
        for _ in range(chance.randint(1, 4))
    )
    columns, where = ",\n       ".join(named), " AND ".join(conditions)
    return f'SELECT {columns}\n  FROM "orders"\n WHERE {where}\n LIMIT 1'


def _lines(chance: random.Random) -> int:
    return chance.choice((1, 2, 3, 5, 8, 12))


def short_query(chance: random.Random, order: int) -> str:
    """One row by its key, with a comment of any length."""
    told = long_query(chance)[7 : chance.randrange(10, 300)].replace("*/", "")
    return f"SELECT state, total FROM orders WHERE id = {order} /* {told} */"


class Load:
    """The sessions; `open()` brings the mix about, `run()` keeps it busy until cancelled."""

    def __init__(self, sessions: int, port: int, rate: float, churn: float, still: bool) -> None:
        self._still = still
        self._port, self._rate, self._churn = port, rate, churn
        self._mix = Mix.of(sessions, still)
        self._chance = random.Random(sessions)
        self._logins = asyncio.Semaphore(LOGINS_AT_ONCE)
        self._tasks: list[asyncio.Task[Any]] = []
        self._every: list[Connection] = []
        self._idle: list[Connection] = []
        orders = self._chance.sample(range(1, ORDERS), 200)
        self._shorts = [short_query(self._chance, order) for order in orders]

    async def _connect(self, database: str | None = None) -> Connection:
        chosen = database or self._chance.choice(DATABASES)
        role, application = self._chance.choice(ROLES), self._chance.choice(APPLICATIONS)
        async with self._logins:
            connection: Connection = await asyncpg.connect(
                host="127.0.0.1",
                port=self._port,
                user=role,
                database=chosen,
                statement_cache_size=0,
                timeout=120,
                server_settings={"application_name": application},
            )
        self._every.append(connection)
        return connection

    async def _several(self, count: int, database: str | None = None) -> list[Connection]:
        return list(await asyncio.gather(*(self._connect(database) for _ in range(count))))

    def _keep(self, work: Coroutine[Any, Any, Any]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def open(self) -> None:
        """Log in, and bring every session into its state."""
        mix = self._mix
        self._idle = await self._several(mix.idle)
        for one in self._idle:
            await one.fetch(long_query(self._chance))
        for one in await self._several(mix.in_transaction - mix.holding_locks):
            await one.execute("BEGIN")
            await one.fetch(long_query(self._chance))
        # Who waits for a lock is in the database of who holds it.
        for number, one in enumerate(await self._several(mix.holding_locks, "shop")):
            await one.execute("BEGIN")
            await one.execute(f"UPDATE orders SET total = total + 1 WHERE id = {number + 1}")
        for number, one in enumerate(await self._several(mix.blocked, "shop")):
            order = number % mix.holding_locks + 1
            self._keep(one.execute(f"UPDATE orders SET state = 'paid', total = {number} WHERE id = {order}"))
        for number, one in enumerate(await self._several(mix.sleeping)):
            self._keep(
                one.execute(f"SELECT pg_sleep({20_000 + number}) /* nightly report {number} */ FROM orders LIMIT 1")
            )
        for number, one in enumerate(await self._several(mix.short)):
            self._keep(self._work(one, number, mix.short / self._rate))
        if not self._still:
            self._keep(self._touch())
        if self._churn:
            self._keep(self._come_and_go())

    async def _work(self, connection: Connection, number: int, period_s: float) -> None:
        """Short statements, one each period; some take long enough to be seen running."""
        chance = random.Random(number)
        await asyncio.sleep(chance.random() * period_s)
        while True:
            pause = asyncio.create_task(asyncio.sleep(period_s))
            await connection.fetch(chance.choice(self._shorts))
            if chance.random() < 0.2:
                await connection.execute(f"SELECT pg_sleep({chance.random() * 0.3:.3f})")
            await pause

    async def _touch(self) -> None:
        """1 % of the idle sessions run a statement each second, half of them at a time."""
        chance = random.Random(7)
        while True:
            for one in chance.sample(self._idle, max(1, len(self._idle) // 200)):
                await one.fetch(chance.choice(self._shorts))
            await asyncio.sleep(0.5)

    async def _come_and_go(self) -> None:
        """So many idle sessions a second end, and others log in for them."""
        chance = random.Random(8)
        while True:
            old = self._idle.pop(chance.randrange(len(self._idle)))
            self._every.remove(old)
            await old.close()
            new = await self._connect()
            await new.fetch(long_query(chance))
            self._idle.append(new)
            await asyncio.sleep(1 / self._churn)

    async def run(self) -> None:
        """Until cancelled; raises what went wrong in any session."""
        await asyncio.gather(*self._tasks, asyncio.Event().wait())

    async def close(self) -> None:
        """End every session, also those that sleep and do not notice that their client is gone."""
        for task in self._tasks:
            task.cancel()
        for one in self._every:
            one.terminate()
        admin: Connection = await asyncpg.connect(
            host="127.0.0.1", port=self._port, user="postgres", database="postgres"
        )
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($1)", list(ROLES)
        )
        await admin.close()


async def hold(sessions: int, port: int, rate: float, churn: float, still: bool) -> None:
    """The load until SIGTERM or SIGINT, or until standard input ends: then whoever started it is gone."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin, stop.set)
    load = Load(sessions, port, rate, churn, still)
    async with AsyncExitStack() as ending:
        ending.push_async_callback(load.close)
        await load.open()
        sys.stdout.write("READY\n")
        sys.stdout.flush()
        running, stopped = asyncio.create_task(load.run()), asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if running in done:
            await running
        running.cancel()


def main() -> int:
    """Read the command line and hold the load."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("sessions", type=int)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=150.0, help="short statements a second, of all sessions together")
    parser.add_argument("--churn", type=float, default=0.0, help="idle sessions that end and are replaced each second")
    parser.add_argument("--still", action="store_true", help="idle sessions only, and nothing moves")
    given = parser.parse_args()
    asyncio.run(hold(given.sessions, given.port, given.rate, given.churn, given.still))
    return 0


if __name__ == "__main__":
    sys.exit(main())
