"""The server that is looked at, and the sessions on it: private, on a free port, and gone when the run ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import HERE
from benchmarks.harness.phases import STATEMENT
from benchmarks.harness.processes import Server
from benchmarks.load import DATABASES, ORDERS, ROLES
from pgtop_conn.demo.binaries import Binaries, binaries_in, find_binaries, newest
from pgtop_conn.demo.server import Cluster

DEBIAN = Path("/usr/lib/postgresql")
WANTED_MAJOR = 15
EXTENSION = "pg_stat_statements"
#: Nothing of the server's own in the figures.
SETTINGS = {
    "max_connections": "3000",
    "shared_buffers": "256MB",
    "autovacuum": "off",
    "jit": "off",
    "deadlock_timeout": "60s",
    "log_min_messages": "warning",
    "track_io_timing": "on",
}
COUNTED_STATEMENTS = {"shared_preload_libraries": EXTENSION, f"{EXTENSION}.max": "20000", "compute_query_id": "on"}
#: pg_monitor is what a monitor's role really gets; without pg_read_all_settings pg_activity reads no process.
MONITORS = (("mon", "pg_monitor"), ("monremote", "pg_read_all_stats"))
LOAD_PATIENCE_S = 180
TEMP_FILES = "SELECT 'temp_files', sum(temp_files) FROM pg_stat_database"
STATEMENTS = f"""
UNION ALL SELECT '{STATEMENT}' || userid || ':' || queryid, sum(calls) FROM {EXTENSION}
WHERE userid IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'mon%') GROUP BY userid, queryid"""


class LoadFailed(Exception):
    """The sessions could not be opened."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """A running server."""

    cluster: Cluster
    psql: str
    counts_statements: bool

    @property
    def server(self) -> Server:
        """Where the processes of the server are found."""
        pid = self.cluster.postmaster_pid
        if pid is None:
            raise LoadFailed("the server has ended")
        return Server(self.cluster.port, pid)

    def ask(self, sql: str, database: str = "postgres") -> str:
        """Run statements as the superuser; rows as lines of columns with | between."""
        uri = self.cluster.uri(database=database, tcp=True)
        command = [self.psql, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", uri, "-c", sql]
        return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout

    def probe(self) -> dict[str, float]:
        """Temporary files so far and, where they are counted, the calls of every statement of the monitors' roles."""
        lines = self.ask(TEMP_FILES + (STATEMENTS if self.counts_statements else "")).splitlines()
        pairs = (line.rpartition("|") for line in lines)
        return {name: float(value or 0) for name, _, value in pairs}

    @contextmanager
    def load(self, sessions: int, *options: str) -> Iterator[None]:
        """So many sessions, by load.py; raises LoadFailed."""
        command = [sys.executable, str(HERE / "load.py"), str(sessions), "--port", str(self.cluster.port), *options]
        # A session of its own: Ctrl-C reaches us, and it ends in its order.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            if process.stdout is None or process.stdout.readline() != "READY\n":
                raise LoadFailed(f"{sessions} sessions could not be opened")
            yield
        finally:
            try:
                process.communicate("", timeout=LOAD_PATIENCE_S)
            finally:
                process.kill()
                process.wait()


def server_binaries() -> Binaries:
    """Debian's PostgreSQL 15, otherwise its newest, otherwise what the demo would take. Raises BadInput without any."""
    debian = [one for folder in sorted(DEBIAN.glob("*/bin")) if (one := binaries_in(folder)) is not None]
    return newest([one for one in debian if one.major == WANTED_MAJOR] or debian) or find_binaries()


@contextmanager
def laboratory(psql: str) -> Iterator[Laboratory]:
    """A server with the roles, databases and tables that the sessions use; ends whatever happens."""
    binaries = server_binaries()
    counts = any((binaries.bin_dir.parent / "lib").rglob(f"{EXTENSION}.*"))
    settings = SETTINGS | (COUNTED_STATEMENTS if counts else {})
    with Cluster(binaries, settings=settings, tcp=True) as cluster:
        made = Laboratory(cluster, psql, counts)
        _seed(made)
        yield made


def _seed(made: Laboratory) -> None:
    roles = [f"CREATE ROLE {role} LOGIN" for role in ROLES]
    monitors = [f"CREATE ROLE {name} LOGIN IN ROLE {granted}" for name, granted in MONITORS]
    made.ask("; ".join([*roles, *monitors]))
    for database in DATABASES:
        made.ask(f"CREATE DATABASE {database}")
    for database in ("postgres", *DATABASES):
        made.ask("; ".join(_tables(made.counts_statements)), database)


def _tables(counts_statements: bool) -> Sequence[str]:
    return [
        *([f"CREATE EXTENSION {EXTENSION}"] if counts_statements else []),
        "CREATE TABLE orders (id int PRIMARY KEY, customer int, state text, total numeric)",
        f"INSERT INTO orders SELECT n, n % 997, 'new', n % 500 FROM generate_series(1, {ORDERS}) n",
        "GRANT ALL ON orders TO PUBLIC",
        "ANALYZE orders",
    ]
