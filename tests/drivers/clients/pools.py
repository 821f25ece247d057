"""Drivers of Python that block: SQLAlchemy over three of them, psycopg_pool, psycopg2's pool, psycopg, pg8000.

Add a driver: a class with Pool's methods, a line in POOLS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tests.drivers.clients.speech import (
    A_FAILURE,
    A_LONG_RESULT,
    AN_INVOICE,
    AN_ORDER,
    Answer,
    Refused,
    options,
    serve,
)

TAKE_S = 0.4


class Pool(Protocol):
    """One pool of one driver. Connections are whatever the driver gives."""

    def __init__(self, about: Mapping[str, Any]) -> None: ...

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        """What the driver raises where no connection is to be had."""
        ...

    def take(self) -> Any:
        """A connection out of the pool."""
        ...

    def give(self, connection: Any) -> None:
        """Give it back."""
        ...

    def drop(self, connection: Any) -> None:
        """End the session."""
        ...

    def run(self, connection: Any, sql: str) -> int:
        """Run a statement and read all of it; the first column of its first row."""
        ...

    def begin(self, connection: Any) -> None:
        """Begin a transaction, where the first statement does not."""
        ...

    def finish(self, connection: Any, *, failed: bool = False) -> None:
        """End the transaction."""
        ...

    def unread(self, connection: Any) -> int:
        """Begin to read a long result; its first column."""
        ...

    def ping(self) -> None:
        """Check what is kept."""
        ...

    def bare(self) -> tuple[int, Any]:
        """Connect as a script does that never closes, run a statement and commit: the pid, and what keeps it open."""
        ...


class _Base:
    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = about

    @property
    def dsn(self) -> str:
        about = self.about
        return (
            f"host={about['host']} port={about['port']} user={about['user']} dbname={about['database']}"
            f" application_name='{about['app']}'"
        )

    def run(self, connection: Any, sql: str) -> int:
        """As every driver of the DB-API."""
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = cursor.fetchall()
        cursor.close()
        return int(rows[0][0])

    def finish(self, connection: Any, *, failed: bool = False) -> None:
        """As every driver of the DB-API."""
        if failed:
            connection.rollback()
        else:
            connection.commit()

    def begin(self, connection: Any) -> None:
        """The first statement does."""

    def ping(self) -> None:
        """Nothing is checked."""

    def drop(self, connection: Any) -> None:
        """As every driver of the DB-API."""
        connection.close()


class Alchemy(_Base):
    """SQLAlchemy's QueuePool."""

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.exc import TimeoutError as NoneFree

        return NoneFree, DBAPIError

    def __init__(self, about: Mapping[str, Any]) -> None:
        import sqlalchemy

        super().__init__(about)
        self.text = sqlalchemy.text
        under = about["under"]
        url = sqlalchemy.URL.create(
            f"postgresql+{under}", about["user"], host=about["host"], port=about["port"], database=about["database"]
        )
        self.engine = sqlalchemy.create_engine(
            url,
            pool_size=about.get("least", 5),
            max_overflow=about["most"] - about.get("least", 5),
            pool_timeout=TAKE_S,
            pool_pre_ping=about.get("pre_ping", False),
            pool_use_lifo=about.get("lifo", False),
            connect_args={"application_name": about["app"]},
        )

    def take(self) -> Any:
        return self.engine.connect()

    def give(self, connection: Any) -> None:
        connection.close()

    def run(self, connection: Any, sql: str) -> int:
        return int(connection.execute(self.text(sql)).fetchall()[0][0])

    def drop(self, connection: Any) -> None:
        connection.close()
        self.engine.dispose()

    def unread(self, connection: Any) -> int:
        result = connection.execution_options(stream_results=True).execute(self.text(A_LONG_RESULT))
        self.result = result
        return int(result.fetchone()[0])

    def bare(self) -> tuple[int, Any]:
        connection = self.take()
        pid = self.run(connection, AN_INVOICE)
        connection.commit()
        return pid, connection


class PsycopgPool(_Base):
    """psycopg_pool.ConnectionPool."""

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        import psycopg
        import psycopg_pool

        return psycopg_pool.PoolTimeout, psycopg.OperationalError

    def __init__(self, about: Mapping[str, Any]) -> None:
        import psycopg
        import psycopg_pool

        super().__init__(about)
        self.connect = psycopg.connect
        self.pool = psycopg_pool.ConnectionPool(
            self.dsn,
            min_size=about.get("least", 4),
            max_size=about["most"],
            timeout=about.get("take_s", TAKE_S),
            max_idle=about.get("idle_s", 600.0),
            max_lifetime=about.get("life_s", 3600.0),
            reconnect_timeout=0.2,
            open=True,
            num_workers=1,
            check=psycopg_pool.ConnectionPool.check_connection if about.get("pre_ping") else None,
            kwargs={"autocommit": about.get("autocommit", False)},
        )
        try:
            self.pool.wait(2.0)
        except psycopg_pool.PoolTimeout:
            # Otherwise it would go on trying, and take the slot that somebody frees.
            self.pool.close()
            raise

    def take(self) -> Any:
        return self.pool.getconn()

    def give(self, connection: Any) -> None:
        self.pool.putconn(connection)

    def unread(self, connection: Any) -> int:
        rows = connection.cursor().stream(A_LONG_RESULT)
        self.rows = [*getattr(self, "rows", ()), rows]
        return int(next(rows)[0])

    def ping(self) -> None:
        self.pool.check()

    def bare(self) -> tuple[int, Any]:
        connection = self.connect(self.dsn)
        pid = self.run(connection, AN_INVOICE)
        connection.commit()
        return pid, connection


class Psycopg2Pool(_Base):
    """psycopg2.pool.ThreadedConnectionPool: last in, first out."""

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        import psycopg2
        import psycopg2.pool

        return psycopg2.pool.PoolError, psycopg2.OperationalError

    def __init__(self, about: Mapping[str, Any]) -> None:
        import psycopg2
        import psycopg2.pool

        super().__init__(about)
        self.connect = psycopg2.connect
        self.pool = psycopg2.pool.ThreadedConnectionPool(about.get("least", 4), about["most"], self.dsn)

    def take(self) -> Any:
        return self.pool.getconn()

    def give(self, connection: Any) -> None:
        self.pool.putconn(connection)

    def unread(self, connection: Any) -> int:
        cursor = connection.cursor("report")
        cursor.itersize = 10
        cursor.execute(A_LONG_RESULT)
        self.cursors = [*getattr(self, "cursors", ()), cursor]
        return int(cursor.fetchone()[0])

    def ping(self) -> None:
        for connection in list(self.pool._pool):
            self.run(connection, "SELECT 1")
            connection.rollback()

    def bare(self) -> tuple[int, Any]:
        with self.connect(self.dsn) as connection:
            return self.run(connection, AN_INVOICE), connection


class Unpooled(_Base):
    """A stack of free connections, as applications write one over a driver without a pool."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self.free: list[Any] = []
        self.opened = 0
        for connection in [self.open() for _ in range(about.get("least", 0))]:
            self.give(connection)

    def open(self) -> Any:
        raise NotImplementedError

    def take(self) -> Any:
        if self.free:
            return self.free.pop()
        if self.opened >= self.about["most"]:
            raise Refused("all are in use")
        connection = self.open()
        self.opened += 1
        return connection

    def give(self, connection: Any) -> None:
        connection.rollback()
        self.free.append(connection)

    def ping(self) -> None:
        for connection in self.free:
            self.run(connection, "SELECT 1")
            connection.rollback()

    def bare(self) -> tuple[int, Any]:
        connection = self.open()
        pid = self.run(connection, AN_INVOICE)
        connection.commit()
        return pid, connection


class Pg8000(Unpooled):
    """pg8000's DB-API; it always reads a result to its end, so only its transactions stay open."""

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        import pg8000.dbapi

        return pg8000.dbapi.DatabaseError, pg8000.dbapi.InterfaceError

    def open(self) -> Any:
        import pg8000.dbapi

        about = self.about
        return pg8000.dbapi.connect(
            user=about["user"],
            host=about["host"],
            port=about["port"],
            database=about["database"],
            application_name=about["app"],
        )

    def unread(self, connection: Any) -> int:
        cursor = connection.cursor()
        cursor.execute(f"DECLARE report CURSOR FOR {A_LONG_RESULT}")
        cursor.execute("FETCH 1 FROM report")
        return int(cursor.fetchall()[0][0])


class Django(Unpooled):
    """Django's persistent connections: one for each thread that serves requests, kept from one request to the next."""

    made = 0

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        from django.db import OperationalError

        return (OperationalError,)

    def __init__(self, about: Mapping[str, Any]) -> None:
        from django.conf import settings

        if not settings.configured:
            settings.configure(DATABASES={"default": _django_database(about)}, USE_TZ=True)
        super().__init__(about)

    def open(self) -> Any:
        from django.db import connections

        # As a new thread finds it: with nothing open yet.
        connection = connections["default"].copy()
        connection.inc_thread_sharing()
        connection.ensure_connection()
        return connection

    def give(self, connection: Any) -> None:
        connection.close_if_unusable_or_obsolete()
        self.free.append(connection)

    def begin(self, connection: Any) -> None:
        connection.set_autocommit(False)

    def finish(self, connection: Any, *, failed: bool = False) -> None:
        """Each statement was a transaction."""

    def ping(self) -> None:
        for connection in self.free:
            connection.is_usable()

    def unread(self, connection: Any) -> int:
        cursor = connection.chunked_cursor()
        connection.set_autocommit(False)
        cursor.execute(A_LONG_RESULT)
        self.cursors = [*getattr(self, "cursors", ()), cursor]
        return int(cursor.fetchone()[0])

    def bare(self) -> tuple[int, Any]:
        connection = self.open()
        return self.run(connection, AN_INVOICE), connection


def _django_database(about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": about["host"],
        "PORT": about["port"],
        "USER": about["user"],
        "NAME": about["database"],
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": bool(about.get("pre_ping")),
        "OPTIONS": {"application_name": about["app"]},
    }


class Psycopg(Unpooled):
    """psycopg without a pool; with `sync` its connections are kept alive by a bare Sync, as Postgrex and Npgsql do.

    Postgrex pings those that are free, Npgsql all that it opened: `sync` is "free" or "all".
    """

    @staticmethod
    def refusals() -> tuple[type[Exception], ...]:
        import psycopg

        return (psycopg.OperationalError,)

    def open(self) -> Any:
        import psycopg

        connection = psycopg.connect(self.dsn, autocommit=bool(self.about.get("autocommit")))
        self.every = [*getattr(self, "every", ()), connection]
        return connection

    def stalled(self) -> int:
        """Begin a pipeline, read what its statement says, and leave it: the server waits for the Sync."""
        connection = self.take()
        pipeline = connection.pipeline()
        pipeline.__enter__()
        self.rows = [*getattr(self, "rows", ()), (connection, pipeline)]
        return int(connection.execute(AN_INVOICE).fetchone()[0])

    def ping(self) -> None:
        sync = self.about.get("sync")
        if not sync:
            super().ping()
            return
        for connection in self.every if sync == "all" else self.free:
            with connection.pipeline() as pipeline:
                pipeline.sync()

    def unread(self, connection: Any) -> int:
        rows = connection.cursor().stream(A_LONG_RESULT)
        self.rows = [*getattr(self, "rows", ()), rows]
        return int(next(rows)[0])


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
        pid, connection = self._pool_of_one().bare()
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
        try:
            taken.extend(pool.take() for _ in range(count))
            return [pool.run(connection, AN_ORDER) for connection in taken]
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
