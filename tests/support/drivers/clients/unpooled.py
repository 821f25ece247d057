"""Drivers of Python that are used without a pool: pg8000, Django's persistent connections, psycopg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.drivers.clients.blocking import Base
from tests.support.drivers.clients.speech import A_LONG_RESULT, AN_INVOICE, Refused


class Unpooled(Base):
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
