"""The applications of the demo's shop. Add one: write how it plays with its session, add it to APPLICATIONS.

Each survives being terminated or refused: it counts the refusal and comes back after a while, as its pool would.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import asyncpg

from pgtop_conn.demo.server import Cluster

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DATABASE = "shop"
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
LEAK_EVERY_S = 1.0
REPLICATION_RETURNS_S = 3.0
LEAKED_QUERY = "SELECT id, order_id, total_cents FROM invoices WHERE status = 'open' AND due_on < current_date"


async def browse(connection: Connection) -> None:
    """A web request now and then: mostly quick reads, some searches, a cart that is changed in a transaction."""
    while True:
        await rest(connection, random.uniform(0.5, 4))
        customer = random.randint(1, 100)
        match random.randint(0, 5):
            case 0:
                await connection.fetch("SELECT id, name, price_cents FROM search_products($1)", "Product 1")
            case 1:
                await connection.execute("BEGIN")
                await connection.execute("UPDATE carts SET items = items + 1 WHERE customer_id = $1", customer)
                await rest(connection, 0.3)
                await connection.execute("COMMIT")
            case 2 | 3:
                await connection.fetch("SELECT id, name, price_cents FROM products WHERE id = $1", customer)
            case _:
                await connection.fetch(
                    "SELECT id, status, total_cents FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC",
                    customer,
                )


async def check_out(connection: Connection) -> None:
    """Marks an order as paid, one that the report has locked, and so waits behind it."""
    while True:
        await connection.execute("UPDATE orders SET status = 'paid' WHERE id = $1", random.randint(1, 40))
        await rest(connection, 2)


async def report_nightly(connection: Connection) -> None:
    """Locks the orders it reports on, then forgets its transaction."""
    await connection.execute("BEGIN")
    await connection.execute("UPDATE orders SET status = 'reported' WHERE id <= 400")
    await connection.fetch("SELECT status, sum(total_cents) FROM orders GROUP BY status")
    await rest(connection, float("inf"))


async def draw_dashboard(connection: Connection) -> None:
    while True:
        await connection.fetch("SELECT status, count(*), sum(total_cents) FROM invoices GROUP BY status")
        await rest(connection, random.uniform(10, 40))


async def send_invoices(connection: Connection) -> None:
    while True:
        await connection.execute("UPDATE invoices SET status = 'sent' WHERE id = $1", random.randint(1, 500))
        await rest(connection, random.uniform(3, 8))


async def keep_house(connection: Connection) -> None:
    while True:
        await connection.fetch("SELECT relname, n_dead_tup FROM pg_stat_user_tables ORDER BY n_dead_tup DESC")
        await rest(connection, random.uniform(5, 15))


@dataclass(frozen=True, slots=True)
class Application:
    """`count` sessions with this role and application_name; one that is lost comes back after `returns_s`."""

    name: str
    role: str
    count: int
    play: Callable[[Connection], Awaitable[None]]
    returns_s: float = 3.0


APPLICATIONS = (
    Application("nightly-report", "reporting", 1, report_nightly, returns_s=20.0),
    Application("web", "web", 15, browse),
    Application("checkout", "web", 2, check_out),
    Application("bi-dashboard", "reporting", 7, draw_dashboard),
    Application("billing-worker", "billing", 2, send_invoices),
    Application("cron", "cron", 1, keep_house),
)


@dataclass(slots=True)
class Troupe:
    """All applications on one server."""

    cluster: Cluster
    refusals: int = 0
    """How often a session was refused or lost."""
    leaked: list[Connection] = field(default_factory=list)

    async def perform(self, opened: Callable[[], None]) -> None:
        """Play until cancelled; calls `opened` once when every application has its sessions, before the leak begins."""
        ready = [[asyncio.Event() for _ in range(application.count)] for application in APPLICATIONS]
        streaming = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._replicate(streaming))
            for application, events in zip(APPLICATIONS, ready, strict=True):
                for event in events:
                    group.create_task(self._keep_playing(application, event))
                # The report locks its rows before anyone else comes.
                await asyncio.gather(*(event.wait() for event in events))
            await streaming.wait()
            opened()
            await self._leak()

    async def _open(self, name: str, role: str) -> Connection:
        uri = self.cluster.uri(user=role, database=DATABASE)
        connection: Connection = await asyncpg.connect(uri, server_settings={"application_name": name}, timeout=10)
        return connection

    def _count_refusal(self) -> None:
        self.refusals += 1
        # A session that breaks while its task is cancelled raises its own error instead, and would play on for ever.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError

    async def _keep_playing(self, application: Application, on_stage: asyncio.Event) -> None:
        while True:
            try:
                connection = await self._open(application.name, application.role)
                try:
                    on_stage.set()
                    await application.play(connection)
                finally:
                    connection.terminate()
            except TROUBLE:
                self._count_refusal()
            await asyncio.sleep(application.returns_s)

    async def _leak(self) -> None:
        """The billing worker's fault: one session more each second, used once and forgotten."""
        try:
            while True:
                self.leaked = [connection for connection in self.leaked if not connection.is_closed()]
                try:
                    self.leaked.append(await self._open("billing-worker", "billing"))
                    await self.leaked[-1].fetch(LEAKED_QUERY)
                except TROUBLE:
                    self._count_refusal()
                await asyncio.sleep(LEAK_EVERY_S)
        finally:
            for connection in self.leaked:
                connection.terminate()

    async def _replicate(self, streaming: asyncio.Event) -> None:
        """A standby's part: pg_receivewal where the server brings it, otherwise a plain replication connection."""
        program = self.cluster.binaries.bin_dir / "pg_receivewal"
        archive = self.cluster.folder / "archive"
        archive.mkdir(mode=0o700, exist_ok=True)
        while True:
            try:
                if os.access(program, os.X_OK):
                    await self._receive_wal(program, archive, streaming)
                else:
                    await self._hold_replication(streaming)
            except TROUBLE:
                self._count_refusal()
            await asyncio.sleep(REPLICATION_RETURNS_S)

    async def _receive_wal(self, program: Path, archive: Path, streaming: asyncio.Event) -> None:
        cluster = self.cluster
        process = await asyncio.create_subprocess_exec(
            str(program),
            *("-D", str(archive), "--no-loop", "--no-sync", "--no-password"),
            *("-h", str(cluster.socket_dir), "-p", str(cluster.port), "-U", "replicator"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        streaming.set()
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()

    async def _hold_replication(self, streaming: asyncio.Event) -> None:
        connection = await asyncpg.connect(
            self.cluster.uri(user="replicator"),
            server_settings={"replication": "true", "application_name": "standby"},
            timeout=10,
        )
        try:
            streaming.set()
            await rest(connection, float("inf"))
        finally:
            connection.terminate()


async def rest(connection: Connection, seconds: float) -> None:
    """Do nothing for a while; raises ConnectionResetError within a second when the session is ended meanwhile."""
    while seconds > 0:
        nap_s = min(seconds, 1.0)
        await asyncio.sleep(nap_s)
        if connection.is_closed():
            raise ConnectionResetError("the session was ended")
        seconds -= nap_s
