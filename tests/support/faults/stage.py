"""What the monitor looks at: a server behind a breakable network, one behind PgBouncer, or a primary and a standby."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import asyncpg

from pgtop_conn.demo.binaries import Binaries
from pgtop_conn.demo.server import Cluster
from tests.support.faults.network import Proxy
from tests.support.faults.sampler import reach
from tests.support.pgbouncer import configure, free_port, pooler_program, start
from tests.support.waits import HANG_S, wait_until

PASSWORD = "once typed"
MAX_CONNECTIONS = 20
SETTINGS = {
    "max_connections": str(MAX_CONNECTIONS),
    "max_wal_senders": "6",
    "wal_level": "replica",
    "password_encryption": "scram-sha-256",
    "wal_keep_size": "64MB",
}
SETUP = f"""
CREATE ROLE dba LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor, pg_signal_backend;
CREATE ROLE beat LOGIN;
CREATE ROLE crowd LOGIN;
"""


class Stage:
    """One server behind a proxy; the monitor's role types its password once."""

    name = "direct"
    password = PASSWORD
    hba: tuple[str, ...] = ("host all dba 127.0.0.1/32 scram-sha-256",)

    def __init__(self, binaries: Binaries) -> None:
        self.binaries = binaries
        self.clusters = [self.make_cluster()]
        self.primary = self.clusters[0]
        self.proxy: Proxy | None = None
        self.max_connections = MAX_CONNECTIONS

    def make_cluster(self) -> Cluster:
        return Cluster(self.binaries, settings=SETTINGS, hba=self.hba, tcp=True)

    @property
    def uri(self) -> str:
        """What the monitor is started with."""
        port = self.proxy.port if self.proxy else self.primary.port
        return f"postgresql://dba@127.0.0.1:{port}/postgres"

    @property
    def ports(self) -> list[int]:
        """Those that nobody but the monitor connects to."""
        return [self.proxy.port] if self.proxy else [cluster.port for cluster in self.clusters]

    async def start(self) -> None:
        await asyncio.to_thread(self.primary.start)
        admin = await reach(self.primary)
        await admin.execute(SETUP)
        await admin.close()
        await self.open_door()

    async def open_door(self) -> None:
        """Whatever stands between the monitor and the server."""
        self.proxy = Proxy(self.primary.port)
        await self.proxy.start()

    async def stop(self) -> None:
        if self.proxy is not None:
            await self.proxy.stop()
        for cluster in self.clusters:
            await asyncio.to_thread(cluster.destroy)


class Pooled(Stage):
    """PgBouncer in transaction mode between the proxy and the server."""

    name = "pooler"
    password = ""
    hba = ()

    def __init__(self, binaries: Binaries) -> None:
        super().__init__(binaries)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self._folder = self.primary.folder / "bouncer"

    async def open_door(self) -> None:
        self._folder.mkdir()
        configure(self._folder, self.primary, self._port, "dba", default_pool_size=2, server_login_retry=1)
        await self.start_pooler()
        self.proxy = Proxy(self._port)
        await self.proxy.start()

    async def start_pooler(self) -> None:
        self._process = self._run()
        await wait_until(self._answers, "PgBouncer answers", every_s=0.02)

    def _run(self) -> subprocess.Popen[bytes]:
        program = pooler_program()
        assert program is not None
        return start(program, self._folder)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return True

    async def stop_pooler(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                await asyncio.to_thread(self._process.wait, 3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            self._process = None

    async def stop(self) -> None:
        await self.stop_pooler()
        await super().stop()


class Pair(Stage):
    """A primary and its standby; the monitor knows both and wants the one that can be written to. No proxy."""

    name = "pair"
    password = ""
    hba = ("local replication all trust",)

    def __init__(self, binaries: Binaries) -> None:
        super().__init__(binaries)
        self.clusters.append(self.make_cluster())

    @property
    def uri(self) -> str:
        hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in self.clusters)
        return f"postgresql://dba@{hosts}/postgres?target_session_attrs=read-write"

    @property
    def standby(self) -> Cluster:
        return next(cluster for cluster in self.clusters if cluster is not self.primary)

    async def open_door(self) -> None:
        await self.build_standby()

    async def promote(self) -> None:
        """The standby becomes the primary."""
        self.primary = self.standby
        admin = await reach(self.primary)
        assert await admin.fetchval("SELECT pg_promote(true, 30)")
        await admin.close()

    async def build_standby(self) -> None:
        """From a base backup of the primary, whatever was there before."""
        standby = self.standby
        await asyncio.to_thread(standby.stop, "immediate")
        await asyncio.to_thread(_take_base_backup, self.primary, standby)
        await asyncio.to_thread(standby.start)


def _take_base_backup(primary: Cluster, standby: Cluster) -> None:
    shutil.rmtree(standby.data_dir)
    program = primary.binaries.bin_dir / "pg_basebackup"
    command = [str(program), "-D", str(standby.data_dir), "-h", str(primary.socket_dir), "-p", str(primary.port)]
    options = ["-U", "postgres", "-R", "-X", "stream", "--no-sync", "-c", "fast"]
    with standby.log_file.open("ab") as log:
        subprocess.run([*command, *options], stdout=log, stderr=log, check=True, **standby.surroundings())
    own = {"port": str(standby.port), "unix_socket_directories": str(standby.socket_dir)}
    with (standby.data_dir / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in own.items())


def has_base_backup(binaries: Binaries) -> bool:
    return (binaries.bin_dir / "pg_basebackup").exists()


def children_of(pid: int) -> list[int]:
    """Every process of the server of this postmaster, itself excluded."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if fields[1] == str(pid):
            found.append(int(folder.name))
    return found


async def backends(cluster: Cluster, app: str) -> list[int]:
    """The pids of the sessions with this application_name, asked over a connection of its own."""
    admin = await reach(cluster)
    try:
        query = "SELECT array_agg(pid) FROM pg_stat_get_activity(NULL) WHERE application_name = $1"
        return await admin.fetchval(query, app) or []
    finally:
        await admin.close()


async def execute(cluster: Cluster, *statements: str) -> None:
    admin = await reach(cluster)
    try:
        for statement in statements:
            await admin.execute(statement)
    finally:
        await admin.close()


async def fill(cluster: Cluster, crowd: list[asyncpg.Connection[asyncpg.Record]]) -> None:
    """Take every slot that an ordinary role can have."""
    while True:
        try:
            crowd.append(await asyncpg.connect(cluster.uri(user="crowd"), timeout=HANG_S))
        except asyncpg.TooManyConnectionsError:
            return
