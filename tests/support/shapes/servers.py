"""Ground: one server that shapes are built on, one after another, with the roles and tables that they use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import asyncpg
from sqlalchemy import URL

from pgtop_conn.demo.server import Cluster
from tests.support.servers import Connection
from tests.support.waits import HANG_S, wait_until

SETTINGS: Mapping[str, str] = MappingProxyType(
    {"max_connections": "60", "max_wal_senders": "4", "wal_level": "replica", "autovacuum": "off"}
)
#: The server asks this role for a password that nobody sends.
HBA = ("local all locked scram-sha-256",)
ROLE_LIMIT = DATABASE_LIMIT = 6

_ROLES = f"""
CREATE ROLE web LOGIN;
CREATE ROLE billing LOGIN;
CREATE ROLE jobs LOGIN;
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE agent LOGIN IN ROLE pg_monitor;
CREATE ROLE backup LOGIN;
CREATE ROLE limited LOGIN CONNECTION LIMIT {ROLE_LIMIT};
CREATE ROLE streamer LOGIN REPLICATION;
CREATE ROLE locked LOGIN PASSWORD 'nobody knows';
CREATE DATABASE shop;
CREATE DATABASE small CONNECTION LIMIT {DATABASE_LIMIT}
"""
_TABLES = """
CREATE TABLE invoices AS SELECT id, 'open' AS status, id * 100 AS total FROM generate_series(1, 400) id;
CREATE TABLE orders AS SELECT id, 'new' AS status, repeat('x', 200) AS notes FROM generate_series(1, 400) id;
CREATE TABLE events AS SELECT id, repeat(md5(id::text), 60) AS body FROM generate_series(1, 8000) id;
CREATE TABLE visits AS SELECT id, repeat(md5(id::text), 60) AS body FROM generate_series(1, 8000) id;
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO PUBLIC
"""
_END_EVERYBODY = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()
"""


class Ground:
    """`clear()` leaves nobody connected; sessions of `connect()` end with it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._opened: list[Connection] = []
        self._settings: Mapping[str, str] = {}

    async def populate(self) -> None:
        """Create the roles, the databases and the tables."""
        async with self.admin() as admin:
            for statement in _ROLES.split(";"):
                await admin.execute(statement)
        async with self.admin("shop") as admin:
            await admin.execute(_TABLES)

    async def arrange(self, settings: Mapping[str, str]) -> None:
        """Restart the server with these settings beside the usual ones, if it does not run with them already."""
        if settings == self._settings:
            return
        async with self.admin() as admin:
            await admin.execute("ALTER SYSTEM RESET ALL")
            for name, value in settings.items():
                await admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await asyncio.to_thread(self.cluster.restart)
        self._settings = settings

    @asynccontextmanager
    async def admin(self, database: str = "postgres") -> AsyncIterator[Connection]:
        """A superuser's session."""
        connection: Connection = await asyncpg.connect(self.cluster.uri(database=database), timeout=HANG_S)
        try:
            yield connection
        finally:
            await connection.close()

    async def connect(self, app: str, *, role: str = "web", database: str = "shop") -> Connection:
        """A session of asyncpg."""
        uri = self.cluster.uri(user=role, database=database)
        connection: Connection = await asyncpg.connect(uri, server_settings={"application_name": app}, timeout=HANG_S)
        self._opened.append(connection)
        return connection

    async def many(self, count: int, app: str, *, role: str = "web", database: str = "shop") -> list[Connection]:
        """Several sessions alike."""
        return [await self.connect(app, role=role, database=database) for _ in range(count)]

    def conninfo(self, app: str, *, role: str = "web") -> str:
        """For libpq."""
        cluster = self.cluster
        return f"host={cluster.socket_dir} port={cluster.port} user={role} dbname=shop application_name='{app}'"

    def url(self, app: str, *, role: str = "web") -> URL:
        """For SQLAlchemy, over psycopg."""
        where = {"host": str(self.cluster.socket_dir), "port": str(self.cluster.port), "application_name": app}
        return URL.create("postgresql+psycopg", username=role, database="shop", query=where)

    async def until(self, sql: str, what: str) -> None:
        """Wait until the statement answers true."""
        async with self.admin("shop") as admin:
            await wait_until(lambda: admin.fetchval(sql), what)

    async def clear(self) -> None:
        """End every session, and wait until the server has none left."""
        for connection in self._opened:
            connection.terminate()
        self._opened.clear()
        async with self.admin() as admin:

            async def gone() -> bool:
                return not await admin.fetchval(_END_EVERYBODY)

            await wait_until(gone, "everybody is gone", every_s=0.02)
