"""Pools of Python's drivers that block: SQLAlchemy's over three of them, psycopg_pool, psycopg2's.

Add a driver: a class with Pool's methods, a line in pools.POOLS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tests.support.drivers.clients.speech import A_LONG_RESULT, AN_INVOICE

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


class Base:
    """What most drivers have in common."""

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


class Alchemy(Base):
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


class PsycopgPool(Base):
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


class Psycopg2Pool(Base):
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
