"""Applications over the drivers of Python that block: the commands of speech.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.drivers.clients.blocking import Alchemy, Pool, Psycopg2Pool, PsycopgPool
from tests.support.drivers.clients.speech import A_FAILURE, AN_INVOICE, AN_ORDER, Answer, Refused, options, serve
from tests.support.drivers.clients.unpooled import Django, Pg8000, Psycopg

POOLS: Mapping[str, type[Pool]] = {
    "sqlalchemy": Alchemy,
    "psycopg_pool": PsycopgPool,
    "psycopg2": Psycopg2Pool,
    "pg8000": Pg8000,
    "psycopg": Psycopg,
    "django": Django,
}


class Application:
    """The commands of speech.py over a pool."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = about
        self.make = POOLS[about["driver"]]
        self.opened: Pool | None = None
        self.refusals = self.make.refusals()
        self.kept: list[Any] = []
        self.workers: dict[int, Pool] = {}
        self.block: list[int] = []

    def commands(self) -> dict[str, Callable[[int], Answer]]:
        """Each by its word."""
        plain = (self.work, self.worker, self.ping, self.leak, self.error, self.transaction, self.unread, self.stalled)
        return {one.__name__.rstrip("_"): self._guarded(one) for one in (*plain, *self._unpooled())}

    def _unpooled(self) -> tuple[Callable[[int], Answer], ...]:
        return self.engine, self.with_, self.reload, self.once

    @property
    def pool(self) -> Pool:
        """Made when it is needed first: some of what is done needs none."""
        if self.opened is None:
            self.opened = self.make(self.about)
        return self.opened

    def work(self, count: int) -> Answer:
        return {"pids": self._work(self.pool, count)}

    def worker(self, number: int) -> Answer:
        if number not in self.workers:
            self.workers[number] = self._pool_of_one()
        return {"pids": self._work(self.workers[number], 1)}

    def ping(self, _: int) -> Answer:
        self.pool.ping()
        return {}

    def leak(self, _: int) -> Answer:
        connection = self._taken()
        pid = self.pool.run(connection, AN_INVOICE)
        self.pool.finish(connection)
        return {"leaked": [pid]}

    def error(self, _: int) -> Answer:
        connection = self._taken()
        pid = self.pool.run(connection, AN_INVOICE)
        try:
            self.pool.run(connection, A_FAILURE)
        except Exception as error:
            # Every driver has an exception of its own; what it says is what was asked for.
            if "division by zero" not in str(error):
                raise
            self.pool.finish(connection, failed=True)
        return {"leaked": [pid]}

    def transaction(self, _: int) -> Answer:
        connection = self._taken()
        self.pool.begin(connection)
        return {"leaked": [self.pool.run(connection, AN_INVOICE)]}

    def unread(self, _: int) -> Answer:
        return {"leaked": [self.pool.unread(self._taken())]}

    def engine(self, _: int) -> Answer:
        pool = self._pool_of_one()
        self.kept.append(pool)
        return {"leaked": self._work(pool, 1)}

    def with_(self, _: int) -> Answer:
        pid, connection = self.make({**self.about, "least": 0, "most": 1}).bare()
        self.kept.append(connection)
        return {"leaked": [pid]}

    def reload(self, count: int) -> Answer:
        before, pool = self.block, self.make({**self.about, "least": count})
        self.kept.append(pool)
        self.opened = pool
        self.block = self._work(pool, count)
        return {"pids": self.block, "leaked": before}

    def stalled(self, _: int) -> Answer:
        assert isinstance(self.pool, Psycopg)
        return {"leaked": [self.pool.stalled()]}

    def once(self, count: int) -> Answer:
        pids = []
        for _ in range(count):
            pool = self._pool_of_one()
            connection = pool.take()
            pids.append(pool.run(connection, AN_ORDER))
            pool.drop(connection)
        return {"pids": pids}

    def _pool_of_one(self) -> Pool:
        return self.make({**self.about, "least": 1, "most": 1})

    def _taken(self) -> Any:
        connection = self.pool.take()
        self.kept.append(connection)
        return connection

    def _work(self, pool: Pool, count: int) -> list[int]:
        taken: list[Any] = []
        pids: list[int] = []
        try:
            for _ in range(count):
                taken.append(pool.take())
                # At once: where no other can be had, this one was used.
                pids.append(pool.run(taken[-1], AN_ORDER))
            return pids
        finally:
            for connection in taken:
                pool.give(connection)

    def _guarded(self, command: Callable[[int], Answer]) -> Callable[[int], Answer]:
        def guarded(number: int) -> Answer:
            try:
                return command(number)
            except self.refusals as error:
                raise Refused(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None

        return guarded


if __name__ == "__main__":
    serve(Application(options()).commands())
