"""Sessions grouped. Add a grouping: one entry in GROUPINGS; keys, --group, help and JSON read it from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pgtop_conn.model.filters import NO_TAGS, Tags
from pgtop_conn.model.slots import may_hold_slot, state_of
from pgtop_conn.model.snapshot import ACTIVE, IDLE, TRANSACTION_STATES, Backend
from pgtop_conn.model.text import one_line

#: Queries that are alike so far are one group.
GROUPED_QUERY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing sessions are told apart by; `name` is the key in JSON and a key of the filter language."""

    name: str
    of: Callable[[Backend, Tags], str]


def _app(backend: Backend, _tags: Tags) -> str:
    return backend.app


def _role(backend: Backend, _tags: Tags) -> str:
    return backend.role


def _state(backend: Backend, _tags: Tags) -> str:
    return state_of(backend)


def _client(backend: Backend, _tags: Tags) -> str:
    return backend.client


def _database(backend: Backend, _tags: Tags) -> str:
    return backend.database


def _source(backend: Backend, tags: Tags) -> str:
    return tags.source(backend)


@lru_cache(maxsize=4096)
def _shortened(query: str) -> str:
    return one_line(query)[:GROUPED_QUERY_LENGTH]


def _query(backend: Backend, _tags: Tags) -> str:
    return _shortened(backend.query)


APP = Dimension("app", _app)
ROLE = Dimension("role", _role)
STATE = Dimension("state", _state)
CLIENT = Dimension("client", _client)
DATABASE = Dimension("db", _database)
SOURCE = Dimension("source", _source)
QUERY = Dimension("query", _query)


@dataclass(frozen=True, slots=True)
class Grouping:
    """`title` is shown above the table; `dimensions` from the outermost inwards."""

    name: str
    title: str
    dimensions: tuple[Dimension, ...]


#: In the order of the Tab key.
GROUPINGS: dict[str, Grouping] = {
    grouping.name: grouping
    for grouping in (
        Grouping("app", "app ▸ state", (APP, STATE)),
        Grouping("role", "role ▸ state", (ROLE, STATE)),
        Grouping("state", "state", (STATE,)),
        Grouping("client", "client", (CLIENT,)),
        Grouping("database", "database", (DATABASE,)),
        Grouping("source", "source", (SOURCE,)),
        Grouping("query", "query", (QUERY,)),
    )
}

#: What a group is called whose sessions have no value there.
UNNAMED = {
    "app": "(no application_name)",
    "role": "(no role yet)",
    "client": "(unknown)",
    "db": "(no database)",
    "source": "(unlabelled)",
    "query": "(no query yet)",
}

Path = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Group:
    """Sessions with the same values; durations in seconds, `share` of all used slots (0 to 1).

    `active`, `idle` and `in_transaction` (idle in a transaction, aborted or not) never overlap.

    `walsenders` groups hold no slot of max_connections and stand apart, below the others.
    """

    path: Path
    key: dict[str, str]
    backends: list[Backend] = field(default_factory=list)
    children: list[Group] = field(default_factory=list)
    walsenders: bool = False
    count: int = 0
    share: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    in_transaction: int = 0
    never_queried: int = 0
    oldest_idle_s: float | None = None
    blocked: int = 0
    role_oids: set[int] = field(default_factory=set)
    database_oids: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The innermost value, or what stands for none."""
        dimension, value = next(reversed(self.key.items()))
        return value or UNNAMED.get(dimension, "(none)")

    def tally(self, at: float, used: int) -> None:
        """Count the sessions; `used` is the total the share is of."""
        self.count = len(self.backends)
        self.share = self.count / used if used and not self.walsenders else 0.0
        self.states = Counter(state_of(backend) for backend in self.backends)
        for backend in self.backends:
            idle_s = backend.idle_s(at)
            if idle_s is not None and (self.oldest_idle_s is None or idle_s > self.oldest_idle_s):
                self.oldest_idle_s = idle_s
            self.in_transaction += backend.state in TRANSACTION_STATES
            self.never_queried += backend.never_queried
            self.blocked += bool(backend.blocked_by)
            self.role_oids.add(backend.role_oid)
            self.database_oids.add(backend.database_oid)

    @property
    def active(self) -> int:
        return self.states.get(ACTIVE, 0)

    @property
    def idle(self) -> int:
        return self.states.get(IDLE, 0)


def group(backends: Sequence[Backend], grouping: Grouping, at: float, used: int, tags: Tags = NO_TAGS) -> list[Group]:
    """Top-level groups with their children, most sessions first, walsenders apart at the end.

    Only rows that hold a slot, and walsenders, are grouped; background processes hold none.
    """
    holders = _split([b for b in backends if may_hold_slot(b)], grouping.dimensions, (), {}, tags)
    senders = _split([b for b in backends if b.walsender], grouping.dimensions[:1], (WALSENDER_MARK,), {}, tags)
    for sender in senders:
        sender.walsenders = True
    for top in (*holders, *senders):
        _tally(top, at, used)
    return [*holders, *senders]


#: First part of a walsender group's path, so that it never shares one with an ordinary group.
WALSENDER_MARK = "\0walsender"


def _split(
    backends: Sequence[Backend], dimensions: Sequence[Dimension], path: Path, key: dict[str, str], tags: Tags
) -> list[Group]:
    if not dimensions:
        return []
    dimension, rest = dimensions[0], dimensions[1:]
    buckets: dict[str, list[Backend]] = {}
    for backend in backends:
        buckets.setdefault(dimension.of(backend, tags), []).append(backend)
    groups = []
    for value, members in buckets.items():
        inner = {**key, dimension.name: value}
        groups.append(
            Group((*path, value), inner, members, children=_split(members, rest, (*path, value), inner, tags))
        )
    groups.sort(key=lambda found: (-len(found.backends), found.path))
    return groups


def paths_to(backend: Backend, grouping: Grouping, tags: Tags = NO_TAGS) -> frozenset[Path]:
    """The paths of the groups that hold a session, outermost first in length."""
    values = tuple(dimension.of(backend, tags) for dimension in grouping.dimensions)
    if backend.walsender:
        return frozenset({(WALSENDER_MARK, values[0])})
    return frozenset(values[: depth + 1] for depth in range(len(values)))


def _tally(found: Group, at: float, used: int) -> None:
    found.tally(at, used)
    for child in found.children:
        _tally(child, at, used)


def rate_key(found: Group) -> Hashable:
    """What a group is called in group_counts()."""
    return tuple(found.key.items())


def group_counts(backends: Sequence[Backend], tags: Tags = NO_TAGS) -> dict[Hashable, int]:
    """Sessions of every group at every level, so that each grouping has its rate from the first minute on."""
    counts: Counter[Hashable] = Counter()
    for backend in backends:
        if not may_hold_slot(backend):
            continue
        for grouping in GROUPINGS.values():
            key: tuple[tuple[str, str], ...] = ()
            for dimension in grouping.dimensions:
                key = (*key, (dimension.name, dimension.of(backend, tags)))
                counts[key] += 1
    return dict(counts)
