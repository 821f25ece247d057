"""SlotBudget: who may still connect, counted as the server itself counts.

A slot of max_connections is taken by client backends only (and by connections that still authenticate); walsenders,
parallel workers, autovacuum and background processes have limits of their own. A login is accepted while, after it,
as many slots are left as are reserved from it:

    ordinary role                               max - used - superuser_reserved - reserved  >= 1
    role with pg_use_reserved_connections       max - used - superuser_reserved             >= 1
    superuser                                   max - used                                  >= 1

Reserved slots are no seats of their own: a superuser who came early sits in a slot an ordinary role could have had.
Source: InitPostgres() in src/backend/utils/init/postinit.c; measured on 12-18.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pgtop_conn.model.snapshot import STARTING, Backend, Database, Role, Server, Snapshot

#: Per cent of what ordinary roles may use.
WARNING_PERCENT = 80.0
CRITICAL_PERCENT = 95.0

HIDDEN_STATE = "hidden"
NO_STATE = "unknown"


class Level(StrEnum):
    """How close ordinary roles are to being refused."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    #: An ordinary login would be refused now.
    FULL = "full"


class SlotKind(StrEnum):
    """Which kind of slot a session sits in: what its leaving would give back."""

    ORDINARY = "ordinary"
    RESERVED = "reserved"
    SUPERUSER = "superuser"
    WALSENDER = "walsender"


@dataclass(frozen=True, slots=True)
class Limit:
    """A CONNECTION LIMIT of a role or a database, and how much of it is used."""

    kind: str
    oid: int
    name: str
    limit: int
    used: int

    @property
    def free(self) -> int:
        """Further logins this limit alone would let in."""
        return max(0, self.limit - self.used)

    @property
    def share(self) -> float:
        """used / limit; 1.0 where the limit is 0."""
        return self.used / self.limit if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """Further logins of one role to one database that would succeed now, and what stops the one after them."""

    role: str
    database: str
    free: int
    #: cluster, role or database.
    limited_by: str


def may_hold_slot(backend: Backend) -> bool:
    """A client backend, or a row whose type is hidden and that could be one."""
    if backend.hidden and backend.backend_type is None:
        return bool(backend.role_oid and backend.database_oid and not backend.walsender)
    return backend.is_client


@dataclass(frozen=True, slots=True)
class SlotBudget:
    """Counts are slots. `exact` is False where `used` is an upper bound (see Snapshot.counted_exact)."""

    max: int
    used: int
    exact: bool
    superuser_reserved: int
    #: reserved_connections and every reserve a provider adds.
    reserved: int
    authenticating: int
    walsenders_used: int
    walsenders_max: int
    own_slot: SlotKind
    level: Level
    states: Mapping[str, int]
    #: Tightest first.
    limits: tuple[Limit, ...]

    @property
    def capacity(self) -> int:
        """Slots ordinary roles may fill."""
        return max(0, self.max - self.superuser_reserved - self.reserved)

    @property
    def percent(self) -> float:
        """used of capacity, in per cent: what the level is judged by."""
        return 100.0 * self.used / self.capacity if self.capacity else 100.0

    @property
    def ordinary_free(self) -> int:
        """Further logins of an ordinary role without limits that would succeed now."""
        return max(0, self.capacity - self.used)

    @property
    def reserved_free(self) -> int:
        """Further logins of a member of pg_use_reserved_connections, the ordinary ones included."""
        return max(0, self.max - self.superuser_reserved - self.used)

    @property
    def superuser_free(self) -> int:
        """Further logins of a superuser, all others included."""
        return max(0, self.max - self.used)

    def ordinary_free_after(self, freed: int) -> int:
        """ordinary_free once `freed` slots are given back."""
        return max(0, self.capacity - (self.used - freed))

    def room(self, role: Role, database: Database | None) -> Room:
        """The least of what the cluster, the database's limit and the role's limit leave; a tie names the first one.

        Superusers are exempt from both limits (InitPostgres() and CheckMyDatabase() in postinit.c).
        """
        database_name = database.name if database else ""
        if role.superuser:
            return Room(role.name, database_name, self.superuser_free, "cluster")
        free, limited_by = self.reserved_free if role.uses_reserved else self.ordinary_free, "cluster"
        for kind, one in (("database", database), ("role", role)):
            for limit in self.limits:
                if one is not None and (limit.kind, limit.oid) == (kind, one.oid) and limit.free < free:
                    free, limited_by = limit.free, limit.kind
        return Room(role.name, database_name, free, limited_by)

    @classmethod
    def of(cls, snapshot: Snapshot, warning: float = WARNING_PERCENT, critical: float = CRITICAL_PERCENT) -> SlotBudget:
        """Count one snapshot; thresholds are per cent of what ordinary roles may use."""
        server = snapshot.server
        clients = [backend for backend in snapshot.backends if backend.is_client]
        # Where the state is hidden, a client without a role is one whose login has not come that far.
        starting = sum(
            1 for backend in clients if backend.state == STARTING or (backend.hidden and not backend.role_oid)
        )
        counted = len(clients) if snapshot.counted_used is None else snapshot.counted_used
        used = counted + snapshot.authenticating
        capacity = server.ordinary_capacity
        return cls(
            max=server.max_connections,
            used=used,
            exact=snapshot.counted_exact,
            superuser_reserved=server.superuser_reserved,
            reserved=server.all_reserved,
            authenticating=snapshot.authenticating + starting,
            walsenders_used=sum(1 for backend in snapshot.backends if backend.walsender),
            walsenders_max=server.max_wal_senders,
            own_slot=_own_slot(snapshot, used, capacity),
            level=level_of(used, capacity, warning, critical),
            states=_states(snapshot),
            limits=_limits(snapshot),
        )


def rooms(snapshot: Snapshot, budget: SlotBudget) -> list[Room]:
    """The tightest room of every role that holds a slot now, over the databases it is in: who is refused next."""
    tightest: dict[int, Room] = {}
    pairs = {(b.role_oid, b.database_oid) for b in snapshot.backends if may_hold_slot(b) and b.role_oid}
    for role_oid, database_oid in sorted(pairs):
        role = snapshot.roles.get(role_oid)
        if role is None:
            continue
        room = budget.room(role, snapshot.databases.get(database_oid))
        if role_oid not in tightest or room.free < tightest[role_oid].free:
            tightest[role_oid] = room
    return sorted(tightest.values(), key=lambda room: (room.free, room.role))


def level_of(used: int, capacity: int, warning: float, critical: float) -> Level:
    """How close ordinary roles are to being refused; thresholds are per cent of `capacity`, what they may use."""
    if used >= capacity:
        return Level.FULL
    percent = 100.0 * used / capacity
    if percent >= critical:
        return Level.CRITICAL
    return Level.WARNING if percent >= warning else Level.OK


def _own_slot(snapshot: Snapshot, used: int, capacity: int) -> SlotKind:
    """What our leaving would give back; only roles that may use a reserve can sit in it."""
    server: Server = snapshot.server
    own = snapshot.find(server.own_pid)
    if own is not None and own.walsender:
        return SlotKind.WALSENDER
    if used <= capacity or not (server.superuser or server.uses_reserved):
        return SlotKind.ORDINARY
    if server.superuser and used > server.max_connections - server.superuser_reserved:
        return SlotKind.SUPERUSER
    return SlotKind.RESERVED


def state_of(backend: Backend) -> str:
    """The word a session is counted under: its state, `hidden` where we may not see it, or `unknown`."""
    if backend.hidden:
        return HIDDEN_STATE
    return backend.state or NO_STATE


def _states(snapshot: Snapshot) -> dict[str, int]:
    """Sessions that hold a slot by state, most first."""
    return dict(Counter(state_of(backend) for backend in snapshot.backends if may_hold_slot(backend)).most_common())


def _limits(snapshot: Snapshot) -> tuple[Limit, ...]:
    """Every CONNECTION LIMIT in force. Superusers are exempt, but their sessions count towards a database's."""
    holders = [backend for backend in snapshot.backends if may_hold_slot(backend)]
    by_role = Counter(backend.role_oid for backend in holders)
    by_database = Counter(backend.database_oid for backend in holders)
    limits = [
        Limit("role", role.oid, role.name, role.connection_limit, by_role[role.oid])
        for role in snapshot.roles.values()
        if role.connection_limit >= 0 and role.can_login and not role.superuser
    ]
    limits += [
        Limit("database", database.oid, database.name, database.connection_limit, by_database[database.oid])
        for database in snapshot.databases.values()
        if database.connection_limit >= 0
    ]
    return tuple(sorted(limits, key=lambda limit: (-limit.share, limit.kind, limit.name)))
