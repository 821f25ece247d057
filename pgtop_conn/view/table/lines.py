"""The table as lines: groups, and under an open group its sub-groups or sessions. A line is formatted when it is drawn.

build() is cheap and runs on every poll and key; columns.py turns the few visible lines into cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from pgtop_conn.model.filters.language import NO_TAGS, Filter, Tags, parse
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget, may_hold_slot
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot, age
from pgtop_conn.model.source import Target
from pgtop_conn.view.table.groups import GROUPINGS, Group, Path, group


class LineKind(Enum):
    """What a line is; HEADER lines title the sessions below them and can't hold the cursor."""

    GROUP = "group"
    HEADER = "header"
    SESSION = "session"


#: Identity of a line: a group's path or a session's key; the cursor is bound to it.
LineKey = Path | BackendKey


class Line(NamedTuple):
    """One line of the table; `depth` is its indentation (0 for a top-level group)."""

    kind: LineKind
    key: LineKey
    depth: int
    group: Group | None = None
    backend: Backend | None = None
    expanded: bool = False


@dataclass(frozen=True, slots=True)
class ViewState:
    """What the user chose to look at; a key replaces it, nothing else changes it."""

    grouping: str = "app"
    filter: Filter = field(default_factory=lambda: parse(""))
    sort: str = "count"
    reverse: bool = False
    expanded: frozenset[Path] = frozenset()
    marks: Mapping[BackendKey, Target] = field(default_factory=dict)
    #: Only what looks leaked, of what the filter leaves.
    leaks_only: bool = False
    #: Names of the columns that are switched off.
    hidden: frozenset[str] = frozenset()

    @property
    def choice(self) -> str:
        """What narrows the table, in words; '' when everything is shown."""
        parts = [f"filter {self.filter.text}"] if self.filter.text else []
        return ", ".join([*parts, "leaks only"] if self.leaks_only else parts)

    def shows(self, backend: Backend, at: float, tags: Tags) -> bool:
        """Whether the filter and the choice of leaks leave this session."""
        return (not self.leaks_only or backend.key in tags.leak) and self.filter.matches(backend, at, tags)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a line needs besides itself to be drawn."""

    snapshot: Snapshot
    budget: SlotBudget
    policy: Policy
    marks: Mapping[BackendKey, Target]
    ascii: bool = False
    #: Sessions per minute of a top-level group; None while unknown.
    per_minute: Callable[[Group], float | None] = lambda _group: None
    #: What the rows do not say of themselves; of this snapshot.
    tags: Tags = NO_TAGS
    #: Names of the columns that are switched off.
    hidden: frozenset[str] = frozenset()

    @property
    def at(self) -> float:
        return self.snapshot.taken_at


@dataclass(frozen=True, slots=True)
class Sort:
    """How groups and sessions are ordered; both functions give ascending keys, `descending` turns them round."""

    title: str
    group: Callable[[Group, Frame], float | str]
    session: Callable[[Backend, float], float | str]
    descending: bool = True


def _or(value: float | None) -> float:
    return -1.0 if value is None else value


#: In the order of the `s` key. Add a sort: one entry.
SORTS: dict[str, Sort] = {
    "count": Sort("count", lambda g, _: g.count, lambda b, at: _or(age(at, b.state_change))),
    "growth": Sort("Δ/min", lambda g, f: _or(f.per_minute(g)), lambda b, at: -_or(b.session_s(at))),
    "idle": Sort("oldest idle", lambda g, _: _or(g.oldest_idle_s), lambda b, at: _or(b.idle_s(at))),
    "xact": Sort("in transaction", lambda g, _: g.in_transaction, lambda b, at: _or(b.xact_s(at))),
    "active": Sort("active", lambda g, _: g.active, lambda b, at: _or(b.query_s(at)) if b.state == "active" else -1.0),
    "age": Sort(
        "session age",
        lambda g, f: _or(age(f.at, g.oldest_start)),
        lambda b, at: _or(b.session_s(at)),
    ),
    "name": Sort("name", lambda g, _: g.name, lambda b, _: b.pid, descending=False),
}


def shown(snapshot: Snapshot, view_filter: Filter, tags: Tags = NO_TAGS) -> list[Backend]:
    """The sessions a filter leaves. Background processes hold no slot and appear only when `type` or `pid` is named."""
    rows = snapshot.backends if shows_all(view_filter) else snapshot.listed
    at, matches = snapshot.taken_at, view_filter.matches
    return [backend for backend in rows if matches(backend, at, tags)] if view_filter.narrows else list(rows)


def shows_all(view_filter: Filter) -> bool:
    """Whether the filter asks for background processes, too."""
    return view_filter.mentions("type") or view_filter.mentions("pid")


def visible(snapshot: Snapshot, view: ViewState, tags: Tags) -> list[Backend]:
    """The sessions the table has lines for, in open groups or closed ones."""
    found = shown(snapshot, view.filter, tags)
    return [backend for backend in found if backend.key in tags.leak] if view.leaks_only else found


def is_listed(backend: Backend) -> bool:
    """Whether the table shows it without being asked for its type or pid."""
    return may_hold_slot(backend) or backend.walsender


def build(frame: Frame, view: ViewState) -> list[Line]:
    """The lines of the table for this frame; sessions of closed groups are not among them."""
    backends = visible(frame.snapshot, view, frame.tags)
    groups = group(backends, GROUPINGS[view.grouping], frame.at, frame.budget.used, frame.tags)
    background = [backend for backend in backends if not is_listed(backend)] if shows_all(view.filter) else []
    lines: list[Line] = []
    ordered = sorted(groups, key=lambda g: SORTS[view.sort].group(g, frame), reverse=_reverse(view))
    # Walsenders hold no slot: whatever the order, they stand below those that do.
    for top in sorted(ordered, key=lambda g: g.walsenders):
        _add_group(lines, top, 0, frame, view)
    if background:
        _add_sessions(lines, background, ("\0background",), 0, frame, view)
    return lines


def _reverse(view: ViewState) -> bool:
    return SORTS[view.sort].descending is not view.reverse


def _add_group(lines: list[Line], found: Group, depth: int, frame: Frame, view: ViewState) -> None:
    expanded = found.path in view.expanded
    lines.append(Line(LineKind.GROUP, found.path, depth, group=found, expanded=expanded))
    if not expanded:
        return
    if len(found.children) > 1:
        children = sorted(found.children, key=lambda g: SORTS[view.sort].group(g, frame), reverse=_reverse(view))
        for child in children:
            _add_group(lines, child, depth + 1, frame, view)
    else:
        _add_sessions(lines, found.backends, found.path, depth + 1, frame, view)


def _add_sessions(
    lines: list[Line], backends: Sequence[Backend], path: Path, depth: int, frame: Frame, view: ViewState
) -> None:
    lines.append(Line(LineKind.HEADER, (*path, "\0header"), depth))
    sort = SORTS[view.sort]
    # Equal keys keep the order of pids, so that lines do not swap places between polls.
    ordered, at, key_of = sorted(backends, key=attrgetter("key.pid")), frame.at, sort.session
    ordered.sort(key=lambda b: key_of(b, at), reverse=_reverse(view))
    lines += [Line(LineKind.SESSION, backend.key, depth, None, backend) for backend in ordered]


def index_of(lines: list[Line], key: LineKey | None) -> int | None:
    """Where the line with this identity is now, or None: the cursor never slips to another line by itself."""
    keys = [line.key for line in lines]
    index = keys.index(key) if key in keys else None
    return None if index is None or lines[index].kind is LineKind.HEADER else index


def targets_of(line: Line, view: ViewState) -> list[Target]:
    """What a signal on this line is about, bound now: one session, or every session the group shows.

    A group holds only the sessions that the filter left, so what is signalled is what is seen.
    """
    if line.backend is not None:
        return [Target.of(line.backend, "the cursor")]
    if line.group is None:
        return []
    chosen_by = "group " + " ".join(f"{key}={value}" for key, value in line.group.key.items())
    if view.choice:
        chosen_by += f", {view.choice}"
    return [Target.of(backend, chosen_by) for backend in line.group.backends]
