"""The server the matrix drives to its edge: its roles, databases and reserves, and the truth found by logging in.

Add a kind of login: one line in PROBES; every scenario then checks what is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from pgtop_conn.demo.server import Cluster
from tests.support.matrix.wire import Refused, Who, Wire
from tests.support.waits import wait_until

TOO_MANY_CONNECTIONS = "53300"
MAX_WAL_SENDERS = 5
RESERVED_SINCE = 16

#: Every kind of session that can fill or be refused. `member` has pg_use_reserved_connections where that exists.
APP = Who("app")
LIMITED = Who("limited")
APP_IN_SMALL = Who("app", "small")
LIMITED_IN_SMALL = Who("limited", "small")
MEMBER = Who("member")
MEMBER_IN_SMALL = Who("member", "small")
SUPERUSER = Who("boss")
SUPERUSER_IN_SMALL = Who("boss", "small")
PHYSICAL = Who("streamer", "", "true")
LOGICAL = Who("streamer", "small", "database")
PROBES = (
    APP,
    LIMITED,
    APP_IN_SMALL,
    LIMITED_IN_SMALL,
    MEMBER,
    MEMBER_IN_SMALL,
    SUPERUSER,
    SUPERUSER_IN_SMALL,
    PHYSICAL,
    LOGICAL,
)

#: The server asks for a password that nobody sends.
LOCKED = Who("locked")
LOCKED_WALSENDER = Who("locked", "", "true")

#: Role of the monitor to what its privileges are; only `watcher` and the superuser see every row.
MONITORS = MappingProxyType({"plain": False, "signaller": False, "watcher": True, "postgres": True})

HBA = (
    "local all locked scram-sha-256",
    "host all locked 127.0.0.1/32 md5",
    "local replication locked scram-sha-256",
)
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "wal_level": "logical",
        "max_wal_senders": str(MAX_WAL_SENDERS),
        "max_worker_processes": "12",
        "autovacuum": "off",
        "password_encryption": "scram-sha-256",
    }
)

_SETUP = """
CREATE ROLE app LOGIN;
CREATE ROLE limited LOGIN;
CREATE ROLE member LOGIN;
CREATE ROLE boss LOGIN SUPERUSER CONNECTION LIMIT 1;
CREATE ROLE streamer LOGIN REPLICATION CONNECTION LIMIT 1;
CREATE ROLE locked LOGIN REPLICATION PASSWORD 'nobody knows';
CREATE ROLE plain LOGIN;
CREATE ROLE signaller LOGIN IN ROLE pg_signal_backend;
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes of one server; `reserved` is left out where the version has no such setting."""

    max_connections: int
    superuser_reserved: int
    reserved: int
    role_limit: int
    database_limit: int

    def __str__(self) -> str:
        return (
            f"max{self.max_connections}-S{self.superuser_reserved}-R{self.reserved}"
            f"-role{self.role_limit}-db{self.database_limit}"
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """What the server does: slots in use, and how many logins of each kind it lets in."""

    used: int
    logins: Mapping[Who, int]


class Stage:
    """A server; `populate` creates everybody, `arrange` gives it its sizes."""

    def __init__(self, cluster: Cluster, layout: Layout | None = None) -> None:
        self.cluster = cluster
        self.major = cluster.major
        self.layout = layout

    def populate(self) -> Stage:
        """Every role and database of the matrix, without limits yet."""
        with self.superuser() as admin:
            for statement in _SETUP.strip().splitlines():
                admin.ask(statement)
            if self.major >= RESERVED_SINCE:
                admin.ask("GRANT pg_use_reserved_connections TO member")
            admin.ask("CREATE DATABASE shop")
            admin.ask("CREATE DATABASE small")
        return self

    @contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[Wire]:
        """A superuser's session that is gone, slot and all, afterwards."""
        wire = Wire(self.cluster).login(Who("postgres", database))
        try:
            yield wire
        finally:
            wire.close()

    def arrange(self, layout: Layout, **settings: str) -> None:
        """Restart the server with these sizes and settings, and nothing left of the last ones."""
        sizes = {
            "max_connections": str(layout.max_connections),
            "superuser_reserved_connections": str(layout.superuser_reserved),
        }
        if self.major >= RESERVED_SINCE:
            sizes["reserved_connections"] = str(layout.reserved)
        with self.superuser() as admin:
            admin.ask("ALTER SYSTEM RESET ALL")
            for name, value in {**sizes, **settings}.items():
                admin.ask(f"ALTER SYSTEM SET {name} = '{value}'")
            admin.ask(f"ALTER ROLE limited CONNECTION LIMIT {layout.role_limit}")
            admin.ask(f"ALTER DATABASE small CONNECTION LIMIT {layout.database_limit}")
        self.cluster.restart()
        self.layout = layout

    async def wait_for(self, sql: str, what: str) -> None:
        """Wait until the statement answers true."""

        def holds() -> bool:
            with self.superuser() as admin:
                return admin.ask(sql) == [("t",)]

        await wait_until(holds, what, every_s=0.02)


def count_logins(cluster: Cluster, who: Who) -> int:
    """How many further logins succeed now; they are all gone again afterwards."""
    opened: list[Wire] = []
    try:
        while True:
            opened.append(Wire(cluster).login(who))
    except Refused as refusal:
        if refusal.code != TOO_MANY_CONNECTIONS:
            raise
        return len(opened)
    finally:
        for wire in opened:
            wire.close()


def find_truth(cluster: Cluster, max_connections: int) -> Truth:
    """Try every kind of login until it is refused. A superuser is refused when no slot at all is left."""
    logins = {who: count_logins(cluster, who) for who in PROBES}
    return Truth(max_connections - logins[SUPERUSER], MappingProxyType(logins))
