"""Sessions grouped. Add a grouping: one entry in GROUPINGS; keys, --group, help and JSON read it from there.

Groups are made at every poll, so members are read column by column, and what nobody asks for is not counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from operator import attrgetter

from pgtop_conn.model.filters.language import NO_TAGS, Tags
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IDLE_STATES, IN_TRANSACTION, Backend, age
from pgtop_conn.model.text import LINE_CHARACTERS, one_line

#: Queries that are alike so far are one group.
GROUPED_QUERY_LENGTH = 200

Reader = Callable[[Backend], str]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing sessions are told apart by; `name` is the key in JSON and a key of the filter language.

    `reader` gives what reads the value of a session, with these tags.
    """

    name: str
    reader: Callable[[Tags], Reader]


def _attribute(name: str) -> Callable[[Tags], Reader]:
    reader: Reader = attrgetter(name)
    return lambda _tags: reader


# As many texts as thousands of sessions have: 2,000 of a realistic mix have 541. Each is kept whole, and shortened.
@lru_cache(maxsize=2048)
def _shortened(query: str) -> str:
    return one_line(query)[:GROUPED_QUERY_LENGTH]


def _query(backend: Backend) -> str:
    # What is kept is bounded, too: a query may have 1 MiB.
    return _shortened(backend.query[:LINE_CHARACTERS])


APP = Dimension("app", _attribute("app"))
ROLE = Dimension("role", _attribute("role"))
STATE = Dimension("state", _attribute("counted_as"))
CLIENT = Dimension("client", _attribute("client"))
DATABASE = Dimension("db", _attribute("database"))
SOURCE = Dimension("source", lambda tags: tags.source)
QUERY = Dimension("query", lambda _tags: _query)


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


@dataclass(eq=False)
class Group:
    """Sessions with the same values; durations in seconds, `share` of all used slots (0 to 1).

    `active`, `idle` and `in_transaction` (idle in a transaction, aborted or not) never overlap.

    `walsenders` groups hold no slot of max_connections and stand apart, below the others.
    """

    path: Path
    key: dict[str, str]
    backends: Sequence[Backend]
    #: When the snapshot was taken, and the total the share is of.
    at: float
    used: int
    #: What the members are told apart by further.
    inner: tuple[Dimension, ...] = ()
    tags: Tags = NO_TAGS
    walsenders: bool = False

    @property
    def name(self) -> str:
        """The innermost value, or what stands for none."""
        dimension, value = next(reversed(self.key.items()))
        return value or UNNAMED.get(dimension, "(none)")

    @property
    def count(self) -> int:
        return len(self.backends)

    @property
    def share(self) -> float:
        return self.count / self.used if self.used and not self.walsenders else 0.0

    @cached_property
    def children(self) -> list[Group]:
        """Most sessions first."""
        return _split(self.backends, self.inner, self) if self.inner else []

    @cached_property
    def states(self) -> Counter[str]:
        return Counter(map(attrgetter("counted_as"), self.backends))

    @property
    def active(self) -> int:
        return self.states.get(ACTIVE, 0)

    @property
    def idle(self) -> int:
        return self.states.get(IDLE, 0)

    @cached_property
    def in_transaction(self) -> int:
        found = Counter(map(attrgetter("state"), self.backends))
        return found[IN_TRANSACTION] + found[ABORTED]

    @cached_property
    def never_queried(self) -> int:
        return sum(backend.never_queried for backend in self.backends)

    @cached_property
    def oldest_idle_s(self) -> float | None:
        """Seconds that the longest of them is idle; None where none is, or where that can't be known."""
        changes = [backend.state_change for backend in self.backends if backend.state in IDLE_STATES]
        return age(self.at, min((since for since in changes if since is not None), default=None))

    @cached_property
    def oldest_start(self) -> float | None:
        """When the oldest session began; None where that is hidden of all of them."""
        starts = [backend.key.backend_start for backend in self.backends]
        return min((start for start in starts if start is not None), default=None)

    @cached_property
    def blocked(self) -> int:
        return sum(map(bool, map(attrgetter("blocked_by"), self.backends)))

    @cached_property
    def role_oids(self) -> frozenset[int]:
        return frozenset(map(attrgetter("role_oid"), self.backends))

    @cached_property
    def database_oids(self) -> frozenset[int]:
        return frozenset(map(attrgetter("database_oid"), self.backends))


def group(backends: Sequence[Backend], grouping: Grouping, at: float, used: int, tags: Tags = NO_TAGS) -> list[Group]:
    """Top-level groups with their children, most sessions first, walsenders apart at the end.

    Only rows that hold a slot, and walsenders, are grouped; background processes hold none.
    """
    everybody = Group((), {}, (), at, used, tags=tags)
    senders = Group((WALSENDER_MARK,), {}, (), at, used, tags=tags, walsenders=True)
    return [
        *_split(_those(backends, "holds_slot"), grouping.dimensions, everybody),
        *_split(_those(backends, "walsender"), grouping.dimensions[:1], senders),
    ]


def largest(holders: Sequence[Backend], grouping: Grouping, at: float, used: int, tags: Tags = NO_TAGS) -> Group | None:
    """The first of group() where rows hold a slot, all of them; the others are counted and not made."""
    dimension, *inner = grouping.dimensions
    values = list(map(dimension.reader(tags), holders))
    if not values:
        return None
    value, _ = min(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    members = list(compress(holders, map(value.__eq__, values)))
    return Group((value,), {dimension.name: value}, members, at, used, tuple(inner), tags)


def _those(backends: Sequence[Backend], flag: str) -> list[Backend]:
    return list(compress(backends, map(attrgetter(flag), backends)))


#: First part of a walsender group's path, so that it never shares one with an ordinary group.
WALSENDER_MARK = "\0walsender"


def _split(backends: Sequence[Backend], dimensions: Sequence[Dimension], above: Group) -> list[Group]:
    """The groups below another one by the first of the dimensions; the others tell their members apart."""
    dimension, inner = dimensions[0], tuple(dimensions[1:])
    members: defaultdict[str, list[Backend]] = defaultdict(list)
    for value, backend in zip(map(dimension.reader(above.tags), backends), backends, strict=True):
        members[value].append(backend)
    groups = [
        Group(
            (*above.path, value),
            {**above.key, dimension.name: value},
            found,
            above.at,
            above.used,
            inner,
            above.tags,
            above.walsenders,
        )
        for value, found in members.items()
    ]
    groups.sort(key=lambda found: (-len(found.backends), found.path))
    return groups


def paths_to(backend: Backend, grouping: Grouping, tags: Tags = NO_TAGS) -> frozenset[Path]:
    """The paths of the groups that hold a session, outermost first in length."""
    values = tuple(dimension.reader(tags)(backend) for dimension in grouping.dimensions)
    if backend.walsender:
        return frozenset({(WALSENDER_MARK, values[0])})
    return frozenset(values[: depth + 1] for depth in range(len(values)))


def rate_key(found: Group) -> Hashable:
    """What a group is called in group_counts()."""
    return tuple(found.key.items())


def group_counts(backends: Iterable[Backend], tags: Tags = NO_TAGS) -> dict[Hashable, int]:
    """Sessions of every group at every level, so that each grouping has its rate from the first minute on."""
    holders = [backend for backend in backends if backend.holds_slot]
    counts: Counter[Hashable] = Counter()
    for grouping in GROUPINGS.values():
        names = [dimension.name for dimension in grouping.dimensions]
        columns = [map(dimension.reader(tags), holders) for dimension in grouping.dimensions]
        for values, count in Counter(zip(*columns, strict=True)).items():
            key: tuple[tuple[str, str], ...] = ()
            for pair in zip(names, values, strict=True):
                key = (*key, pair)
                counts[key] += count
    return dict(counts)
