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
from functools import lru_cache
from operator import attrgetter

from pgtop_conn.model.snapshot import (
    CLIENT_BACKEND,
    HIDDEN_STATE,
    STARTING,
    Backend,
    Database,
    Role,
    Server,
    Snapshot,
)

#: Per cent of what ordinary roles may use.
WARNING_PERCENT = 80.0
CRITICAL_PERCENT = 95.0


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
    return backend.holds_slot


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
        return _counted(snapshot, warning, critical)


# Of one poll the gauges, the table, the history and the leaks ask; a paused table is another one's.
@lru_cache(maxsize=2)
def _counted(snapshot: Snapshot, warning: float, critical: float) -> SlotBudget:
    server = snapshot.server
    states = _states(snapshot)
    counted = snapshot.counted_used
    if counted is None:
        counted = Counter(map(attrgetter("backend_type"), snapshot.backends))[CLIENT_BACKEND]
    walsenders_used = sum(map(attrgetter("walsender"), snapshot.backends))
    used = counted + snapshot.authenticating
    capacity = server.ordinary_capacity
    return SlotBudget(
        max=server.max_connections,
        used=used,
        exact=snapshot.counted_exact,
        superuser_reserved=server.superuser_reserved,
        reserved=server.all_reserved,
        authenticating=snapshot.authenticating + _starting(snapshot, states),
        walsenders_used=walsenders_used,
        walsenders_max=server.max_wal_senders,
        own_slot=_own_slot(snapshot, used, capacity, walsenders_used),
        level=level_of(used, capacity, warning, critical),
        states=states,
        limits=_limits(snapshot),
    )


def rooms(snapshot: Snapshot, budget: SlotBudget) -> list[Room]:
    """The tightest room of every role that holds a slot now, over the databases it is in: who is refused next."""
    tightest: dict[int, Room] = {}
    pairs = {(b.role_oid, b.database_oid) for b in snapshot.holders if b.role_oid}
    for role_oid, database_oid in sorted(pairs):
        role = snapshot.roles.get(role_oid)
        # Who may not log in any more keeps the sessions it has, and there is room for none of it.
        if role is None or not role.can_login:
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


def _own_slot(snapshot: Snapshot, used: int, capacity: int, walsenders_used: int) -> SlotKind:
    """What our leaving would give back; only roles that may use a reserve can sit in it."""
    server: Server = snapshot.server
    if walsenders_used:
        own = snapshot.find(server.own_pid)
        if own is not None and own.walsender:
            return SlotKind.WALSENDER
    if used <= capacity or not (server.superuser or server.uses_reserved):
        return SlotKind.ORDINARY
    if server.superuser and used > server.max_connections - server.superuser_reserved:
        return SlotKind.SUPERUSER
    return SlotKind.RESERVED


def _starting(snapshot: Snapshot, states: Mapping[str, int]) -> int:
    """Clients whose login has not come to its end; where their state is hidden, those without a role."""
    if STARTING not in states and HIDDEN_STATE not in states:
        return 0
    return sum(
        backend.is_client and (backend.state == STARTING or (backend.hidden and not backend.role_oid))
        for backend in snapshot.holders
    )


def _states(snapshot: Snapshot) -> dict[str, int]:
    """Sessions that hold a slot by state, most first."""
    return dict(Counter(map(attrgetter("counted_as"), snapshot.holders)).most_common())


def _limits(snapshot: Snapshot) -> tuple[Limit, ...]:
    """Every CONNECTION LIMIT in force. Superusers are exempt, but their sessions count towards a database's."""
    roles = [one for one in snapshot.roles.values() if one.connection_limit >= 0]
    roles = [one for one in roles if one.can_login and not one.superuser]
    databases = [one for one in snapshot.databases.values() if one.connection_limit >= 0]
    if not roles and not databases:
        return ()
    by_role = Counter(map(attrgetter("role_oid"), snapshot.holders))
    by_database = Counter(map(attrgetter("database_oid"), snapshot.holders))
    limits = [Limit("role", one.oid, one.name, one.connection_limit, by_role[one.oid]) for one in roles]
    limits += [Limit("database", one.oid, one.name, one.connection_limit, by_database[one.oid]) for one in databases]
    return tuple(sorted(limits, key=lambda limit: (-limit.share, limit.kind, limit.name)))
