"""One poll of a server: who is connected, on what server, at one instant of the server's clock.

Add a column of new data: one line in postgres/sql/poll/activity.sql, two in postgres/poll/rows.py, one field of
Backend, one entry in view/table/columns.py.
Times are seconds since the epoch on the SERVER's clock; an age is `taken_at` minus a time, never below 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from pgtop_conn.model.application_name import app_name, whole_name
from pgtop_conn.model.locks import NOTHING_HELD, HeldLocks, Locks

OWN_APPLICATION_NAME = "pgtop-conn"

#: Emergency doors that we may have come in by.
WALSENDER_DOOR = "walsender"
HOST_DOOR = "host"

CLIENT_BACKEND = "client backend"
WALSENDER = "walsender"
#: Our word for a hidden row that is known to take no slot, whatever else it is.
BACKGROUND = "background"
#: Our word for a connection that has not said who it is: it takes no slot, but the server lets in only so many.
NEWCOMER = "newcomer"
STARTUP = "startup"

ACTIVE = "active"
IDLE = "idle"
IN_TRANSACTION = "idle in transaction"
ABORTED = "idle in transaction (aborted)"
FASTPATH = "fastpath function call"
#: track_activities is off: nothing is known of what it does.
DISABLED = "disabled"
#: Still logging in (18+).
STARTING = "starting"
IDLE_STATES = frozenset({IDLE, IN_TRANSACTION, ABORTED})
TRANSACTION_STATES = frozenset({IN_TRANSACTION, ABORTED})
WORKING_STATES = frozenset({ACTIVE, FASTPATH})
#: A session that waits for its client in the middle of a result for so long does no work.
CLIENT_WAIT_S = 10.0
#: A transaction in which nothing runs for so long is open, but its session does no work.
STUCK_XACT_S = 5.0
#: Our words for a state that we may not see, and for one that the process does not have.
HIDDEN_STATE = "hidden"
NO_STATE = "unknown"


#: A session that did something so many seconds ago is in use.
BUSY_WITHIN_S = 5.0


class BackendKey(NamedTuple):
    """The identity of a session. A bare pid is recycled and is never signalled.

    `backend_start` is None where the server hides it (a role without pg_read_all_stats); such a session has no
    identity that a signal could be bound to.
    """

    pid: int
    backend_start: float | None


@dataclass(frozen=True, slots=True)
class Role:
    """A row of pg_roles. `usable` is pg_has_role(oid, 'USAGE'): what the server itself asks before a signal."""

    oid: int
    name: str
    superuser: bool
    replication: bool
    can_login: bool
    #: rolconnlimit; -1 is none.
    connection_limit: int
    usable: bool
    #: Member of rds_replication: how Amazon RDS grants replication (rolreplication is false there).
    replication_member: bool = False
    #: Has the privileges of pg_use_reserved_connections (16+).
    uses_reserved: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """A row of pg_database; `connection_limit` is datconnlimit, -1 is none."""

    oid: int
    name: str
    connection_limit: int


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    """One row of pg_stat_get_activity(), cleaned. Empty text where the server says NULL and nothing is hidden."""

    key: BackendKey
    #: None where the server hides it and nothing else tells; BACKGROUND where all we know is that it takes no slot.
    backend_type: str | None
    role_oid: int
    role: str
    database_oid: int
    database: str
    #: The name that was meant: what a server escaped is plain, and what a pooler appended is in `app_host`.
    app: str
    #: Host address, "local" for a Unix socket, "" where unknown or not applicable.
    client: str
    client_port: int | None
    #: None where hidden or where the process has no state; "disabled" with track_activities off.
    state: str | None
    xact_start: float | None
    query_start: float | None
    state_change: float | None
    wait_event_type: str
    wait_event: str
    ssl: bool | None
    leader_pid: int | None
    holds_xmin: bool
    #: Has an assigned transaction id: the transaction has written.
    wrote: bool
    query_id: int | None
    #: The row's own columns are not ours to see; only pid, role, database and application are known.
    hidden: bool
    #: In pg_stat_get_wal_senders(), or backend_type says so.
    walsender: bool
    query: str = ""
    blocked_by: tuple[int, ...] = ()
    #: Read from the title of its process: what it ran, and when, is not known.
    by_title: bool = False
    #: Idle all along while its state_change moved and its query_start did not: a keep-alive that runs no statement,
    #: such as the Sync of Postgrex and Npgsql. Only a second poll can tell.
    kept_alive: bool = False
    #: Host and port that a pooler appended to the name of its client's application; "" as a rule.
    app_host: str = ""
    #: Holds a slot, or may: a client backend, or a row whose type is not known and that could be one. Every poll asks
    #: it of every row, so it is found once, as `counted_as` is.
    holds_slot: bool = field(init=False, repr=False)
    #: The word a session is counted under: its state, `hidden` where we may not see it, or `unknown`.
    counted_as: str = field(init=False, repr=False)
    #: Application, role and database of a client's session, all of which is ours to see; None for any other row, and
    #: for those of a pgtop-conn.
    pool: tuple[str, str, str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.app_host:
            app, host = app_name(self.app)
            object.__setattr__(self, "app", app)
            object.__setattr__(self, "app_host", host)
        unknown = (self.hidden or self.by_title) and self.backend_type is None
        could = self.by_title or bool(self.role_oid and self.database_oid and not self.walsender)
        object.__setattr__(self, "holds_slot", could if unknown else self.backend_type == CLIENT_BACKEND)
        object.__setattr__(self, "counted_as", HIDDEN_STATE if self.hidden else self.state or NO_STATE)
        seen = self.backend_type == CLIENT_BACKEND and not self.hidden and self.key.backend_start is not None
        pooled = seen and self.app != OWN_APPLICATION_NAME
        object.__setattr__(self, "pool", (self.app, self.role, self.database) if pooled else None)

    @property
    def pid(self) -> int:
        return self.key.pid

    @property
    def whole_app(self) -> str:
        """The application's name with what a pooler appended to it."""
        return whole_name(self.app, self.app_host)

    @property
    def is_client(self) -> bool:
        """Known to hold a slot of max_connections."""
        return self.backend_type == CLIENT_BACKEND

    @property
    def wait(self) -> str:
        """'Client:ClientRead', or '' when it does not wait."""
        return f"{self.wait_event_type}:{self.wait_event}" if self.wait_event_type else ""

    def session_s(self, at: float) -> float | None:
        """Seconds since the session began."""
        return age(at, self.key.backend_start)

    def xact_s(self, at: float) -> float | None:
        """Seconds the transaction is open; an aborted one has no xact_start and is aged by its state."""
        if self.xact_start is None and self.state == ABORTED:
            return age(at, self.state_change)
        return age(at, self.xact_start)

    def query_s(self, at: float) -> float | None:
        """Seconds since the current (or last) query began."""
        return age(at, self.query_start)

    def state_s(self, at: float) -> float | None:
        """Seconds in the current state."""
        return age(at, self.state_change)

    @property
    def used_at(self) -> float | None:
        """When its state last changed, or when its last statement began where a keep-alive changes the state."""
        return self.query_start if self.kept_alive else self.state_change

    def idle_s(self, at: float) -> float | None:
        """Seconds it is idle without being used; None when it is not idle, or when that can't be known."""
        return age(at, self.used_at) if self.state in IDLE_STATES else None

    def last_statement_s(self, at: float) -> float | None:
        """Seconds since its last statement began; None while one runs, where none ever did, or where it is hidden."""
        return age(at, self.query_start) if self.state in IDLE_STATES else None

    def unused_s(self, at: float) -> float | None:
        """Seconds since its last statement began, or since it connected where none ever did; None while one runs.

        No keep-alive without a statement makes it young, so that a single poll tells.
        """
        if self.state not in IDLE_STATES:
            return None
        return age(at, self.key.backend_start if self.never_queried else self.query_start)

    def keeps_alive(self, before: Backend) -> bool:
        """Whether nothing but a keep-alive happened to this session since the row `before` of it."""
        if self.key != before.key or self.query_start != before.query_start or self.query_start is None:
            return False
        if self.state != IDLE or before.state != IDLE:
            return False
        return before.kept_alive or self.state_change != before.state_change

    def is_busy(self, at: float) -> bool:
        """Whether it works, or worked a moment ago: a runaway application is idle between its short statements."""
        if self.state in (ACTIVE, FASTPATH):
            return True
        state_s = self.state_s(at)
        return self.state in IDLE_STATES and state_s is not None and state_s < BUSY_WITHIN_S

    @property
    def never_queried(self) -> bool:
        """Connected and idle without ever having run a statement."""
        return self.state == IDLE and self.query_start is None and not self.query and not self.by_title


def waits_for_client(backend: Backend, at: float) -> bool:
    """Active, and for long only because its client neither reads on nor sends on; COPY is one way to be so."""
    since = backend.state_change
    return (
        backend.state == ACTIVE
        and backend.wait_event_type == "Client"
        and since is not None
        and at - since >= CLIENT_WAIT_S
    )


def is_working(backend: Backend, at: float) -> bool:
    """Busy for its client: it runs something, or it is between two statements of a transaction for a moment only."""
    if backend.state in TRANSACTION_STATES:
        return (backend.state_s(at) or 0.0) < STUCK_XACT_S
    return backend.state in WORKING_STATES and not waits_for_client(backend, at)


def age(at: float, since: float | None) -> float | None:
    """Seconds from `since` to `at`, clamped at 0; None where `since` is unknown."""
    if since is None:
        return None
    return max(0.0, at - since)


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """What changes seldom: read at connect and every 30 s."""

    host: str
    port: int
    database: str
    version_num: int
    #: "16.4", as server_version shows it.
    version: str
    in_recovery: bool
    pooled: bool
    #: Our own role and what it may do.
    role: str
    superuser: bool
    sees_all: bool
    can_signal: bool
    uses_reserved: bool
    own_pid: int
    max_connections: int
    superuser_reserved: int
    #: reserved_connections (16+); 0 where it does not exist.
    reserved: int
    #: Reserves a provider adds, e.g. rds.rds_reserved_connections: name to slots.
    provider_reserved: Mapping[str, int]
    max_wal_senders: int
    provider: str | None = None
    #: The emergency door we came in by, "walsender" or "host"; "" for an ordinary session.
    door: str = ""
    #: Our own connection: "TLSv1.3, TLS_AES_256_GCM_SHA384", "" without TLS; None where we have no connection.
    tls: str | None = None
    #: What of the conninfo was left out or read in another way, a line each.
    notes: tuple[str, ...] = ()
    #: Postmaster start: tells a restart from a lost connection.
    started_at: float | None = None
    #: Digits that a server shares with its standbys and copies alone; "" where they can't be read.
    system_id: str = ""
    #: A primary's timeline, 8 hexadecimal digits: no other server with this system_id writes on it. "" where unknown.
    timeline: str = ""
    #: What our role may not read, and the GRANT that gives it back, a line each.
    missing: tuple[str, ...] = ()

    @property
    def all_reserved(self) -> int:
        """reserved_connections and every reserve a provider adds."""
        return self.reserved + sum(self.provider_reserved.values())

    def lacks(self, name: str) -> bool:
        """Whether a relation or function of this name is not ours to use, as far as it was needed."""
        return any(f" pg_catalog.{name}" in line for line in self.missing)

    @property
    def ordinary_capacity(self) -> int:
        """Slots ordinary roles may fill."""
        return max(0, self.max_connections - self.superuser_reserved - self.all_reserved)

    @property
    def is_unix_socket(self) -> bool:
        return self.host.startswith(("/", "@"))

    @property
    def is_in_the_clear(self) -> bool:
        """Whether what we send and read can be overheard: no TLS over a network."""
        local = self.is_unix_socket or self.host in ("localhost", "::1") or self.host.startswith("127.")
        return self.tls == "" and not local


@dataclass(frozen=True, slots=True)
class Counters:
    """pg_stat_database summed over all databases: counts since the last reset, read every few seconds.

    The session counters exist since 14 and are None before; the server brings them up to date within about a second.
    """

    at: float
    #: Sessions opened, and those that ended abandoned by their client, by a fatal error, or terminated.
    opened: int | None
    abandoned: int | None
    fatal: int | None
    killed: int | None
    #: Committed and rolled back.
    transactions: int
    #: sum(numbackends): what some consoles show as connections.
    numbackends: int


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything one poll read. Frozen and compared by identity: cheap to hand around and to keep.

    What many ask for is found when the first one does.
    """

    taken_at: float
    server: Server
    backends: tuple[Backend, ...]
    roles: Mapping[int, Role]
    databases: Mapping[int, Database]
    #: Sessions that take a slot and have no row (17 and older); `starting` rows are in `backends`.
    authenticating: int = 0
    #: Slots in use counted by the server when rows are hidden from us; None when every row is ours to see.
    counted_used: int | None = None
    #: False where the slots in use are an upper bound (16 and older: rows are hidden, or a login is under way).
    counted_exact: bool = True
    #: The newest reading of the server's counters; several polls share one. None before the first.
    counters: Counters | None = None
    #: Read now and then like the counters; None before the first reading.
    locks: Locks | None = None
    #: Seconds the poll took, on our clock.
    poll_s: float = 0.0
    #: What by_key becomes, where whoever read the sessions has it already.
    index: InitVar[Mapping[BackendKey, Backend] | None] = None

    def __post_init__(self, index: Mapping[BackendKey, Backend] | None) -> None:
        if index is not None:
            vars(self)["by_key"] = MappingProxyType(index)

    @cached_property
    def by_key(self) -> Mapping[BackendKey, Backend]:
        """Every row by its identity."""
        return MappingProxyType({backend.key: backend for backend in self.backends})

    @cached_property
    def holders(self) -> tuple[Backend, ...]:
        """The rows that hold a slot, or may."""
        return tuple([backend for backend in self.backends if backend.holds_slot])

    @cached_property
    def listed(self) -> tuple[Backend, ...]:
        """The rows a table shows that is not asked for a type or a pid: background processes hold no slot."""
        return tuple([backend for backend in self.backends if backend.holds_slot or backend.walsender])

    def holds_no_lock(self, backend: Backend) -> bool:
        """Whether it is known that the session holds no lock now: it has done nothing since the locks were read."""
        locks, since = self.locks, backend.state_change
        return locks is not None and since is not None and since <= locks.at and backend.pid not in locks.holders

    def held_by(self, backend: Backend) -> HeldLocks:
        """What the last reading of locks and slots says of a session; nothing of one that began later."""
        locks, began = self.locks, backend.key.backend_start
        if locks is None or began is None or began > locks.at:
            return NOTHING_HELD
        pid, since = backend.pid, backend.state_change
        return HeldLocks(pid in locks.advisory, pid in locks.slots, since is not None and since <= locks.at)

    def hides(self, key: BackendKey) -> bool:
        """Whether a row of that pid is there of which we may not see when it began: it can't be called gone."""
        return any(backend.pid == key.pid and backend.key.backend_start is None for backend in self.backends)

    def find(self, pid: int) -> Backend | None:
        """The row of a pid in this snapshot; for showing only, a signal is bound to a BackendKey."""
        return next((backend for backend in self.backends if backend.pid == pid), None)
