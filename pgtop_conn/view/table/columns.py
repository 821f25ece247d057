"""Columns: what each cell of a group line or a session line says. Add a column: one entry in GROUP_COLUMNS or
SESSION_COLUMNS.

Widths are terminal cells. fit() lays columns out from the left; the one with width 0 takes what is left. Where the
width is short columns shrink to `least`, then those with the highest `leaves` number go first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from pgtop_conn.model.causes.lock_waits import blocker_name
from pgtop_conn.model.signalling.guards import Care, judge
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, HIDDEN_STATE, IDLE, IN_TRANSACTION, Backend
from pgtop_conn.model.text import beginning, one_line
from pgtop_conn.view import format
from pgtop_conn.view.table import fitting
from pgtop_conn.view.table.groups import Group
from pgtop_conn.view.table.lines import Frame


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and the name of its style; which colour that is only the screen knows."""

    text: str
    style: str = ""


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """`width` 0 is the flexible one; `leaves` 0 never leaves, otherwise the highest number leaves first."""

    name: str
    title: str
    width: int
    cell: Callable[[Row, Frame], Cell]
    right: bool = False
    leaves: int = 0
    #: Shrinks to this before it leaves, and grows to `most` where there is room; 0 does neither.
    least: int = 0
    most: int = 0
    #: Cells of the flexible one before others grow.
    comfort: int = 0
    #: Names: too long ones keep beginning and end.
    middle: bool = False
    #: The title where it has shrunk.
    short: str = ""
    #: Draws for the cells there are, where that is more than cutting.
    sized: Callable[[Row, Frame, int], Cell] | None = None
    #: Only where sessions can have a label: on a managed service, or with labels in the configuration.
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Placed(Generic[Row]):
    """A column at its place on the line."""

    column: Column[Row]
    x: int
    width: int


STATE_STYLES = {ACTIVE: "active", IDLE: "idle", IN_TRANSACTION: "xact", ABORTED: "aborted"}
STATE_SHORT = {IN_TRANSACTION: "idle in tx", ABORTED: "aborted tx", "fastpath function call": "fastpath"}

#: Idle for longer than this reads as old, in a transaction already much earlier.
OLD_IDLE_S = 1200.0
OLD_XACT_S = 60.0

#: A limit stands out, and is shown in the headroom line, from this share on.
LIMIT_SHOWN_FROM = 0.8


def _number(value: int, found: Group, style: str = "") -> Cell:
    """A count; where states of the group are hidden from us it is at least this, and no count is unknown, not none."""
    if HIDDEN_STATE in found.states:
        return Cell(f"≥{value}" if value else "?", style if value else "faint")
    return Cell(str(value) if value else "·", style if value else "faint")


#: Behind the bar of a share: a blank, and up to three digits with their sign.
_PERCENT_CELLS = 6
#: A share that has less than this is only a number.
_BAR_FROM = 10


def _share(found: Group, frame: Frame, width: int = 14) -> Cell:
    if found.walsenders:
        return Cell("protected" if width >= _BAR_FROM else "", "protected")
    percent = f"{100 * found.share:3.0f} %"
    if width < _BAR_FROM:
        return Cell(percent, "bar")
    return Cell(f"{format.bar(found.share, width - _PERCENT_CELLS, ascii=frame.ascii)} {percent}", "bar")


def _growth(found: Group, frame: Frame) -> Cell:
    rate = frame.per_minute(found)
    if rate is None:
        return Cell("")
    return Cell(f"{rate:+.1f}" if abs(rate) >= 0.05 else "0.0", "growing" if rate >= 0.5 else "faint")


def _oldest(found: Group, _frame: Frame) -> Cell:
    if found.oldest_idle_s is None:
        return Cell("?" if HIDDEN_STATE in found.states else "", "faint")
    return Cell(format.duration(found.oldest_idle_s), "old" if found.oldest_idle_s >= OLD_IDLE_S else "")


def _limit(found: Group, frame: Frame) -> Cell:
    """The tightest CONNECTION LIMIT any session of the group falls under."""
    if not frame.budget.limits or found.walsenders:
        return Cell("")
    mine = [
        limit
        for limit in frame.budget.limits
        if limit.oid in (found.role_oids if limit.kind == "role" else found.database_oids)
    ]
    if not mine:
        return Cell("")
    tightest = min(mine, key=lambda limit: limit.free)
    return Cell(
        f"{tightest.used}/{tightest.limit}",
        "critical" if not tightest.free else "warning" if tightest.share >= LIMIT_SHOWN_FROM else "",
    )


def _group_name(found: Group, frame: Frame) -> Cell:
    marked = sum(backend.key in frame.marks for backend in found.backends) if frame.marks else 0
    note = f"  ●{marked}" if marked else ""
    kind = " (walsender)" if found.walsenders else ""
    return Cell(f"{one_line(found.name)}{kind}{note}", "marked" if marked else "group")


def _group_source(found: Group, frame: Frame) -> Cell:
    """The label that all sessions of the group share."""
    if "source" in found.key:
        return Cell("")
    labels = {frame.tags.source(backend) for backend in found.backends}
    return Cell(one_line(labels.pop()) if len(labels) == 1 else "several", "dim")


GROUP_COLUMNS: tuple[Column[Group], ...] = (
    Column("group", "GROUP", 0, _group_name, least=16, comfort=48, most=64, middle=True),
    Column("source", "SOURCE", 11, _group_source, leaves=8, least=8, most=20, labels=True, middle=True),
    Column("count", "CONN", 6, lambda g, _: Cell(str(g.count), "count"), right=True, least=5),
    Column("share", "SHARE", 14, _share, leaves=5, least=5, most=46, sized=_share),
    Column("growth", "Δ/MIN", 7, _growth, right=True, leaves=6, least=6),
    Column("active", "ACTIVE", 7, lambda g, _: _number(g.active, g, "active"), right=True, leaves=4, least=6),
    Column("idle", "IDLE", 6, lambda g, _: _number(g.idle, g), right=True, leaves=3, least=5),
    Column(
        "in_transaction",
        "IN TX",
        6,
        lambda g, _: _number(g.in_transaction, g, "xact"),
        right=True,
        leaves=2,
        least=5,
    ),
    Column("oldest_idle", "OLDEST IDLE", 12, _oldest, right=True, leaves=1, least=6, short="OLDEST"),
    Column("limit", "LIMIT", 8, _limit, right=True, leaves=7, least=7, most=10),
)


def _pid(backend: Backend, frame: Frame) -> Cell:
    """The pid, `●` before it when marked, and behind it how it is guarded: `!` ask first, `⊘` refused."""
    care = judge(backend, frame.snapshot, frame.policy).care
    refuse = "x" if frame.ascii else "⊘"
    guard = {Care.ALLOW: " ", Care.REFUSE: refuse}.get(care, "!")
    mark = "*" if frame.ascii else "●"
    marked = backend.key in frame.marks
    style = "marked" if marked else {Care.ALLOW: "", Care.REFUSE: "protected"}.get(care, "warning")
    return Cell(f"{mark if marked else ''}{backend.pid}{guard}", style)


#: States of a session that looks leaked; any other is only coloured.
STATE_LEAKED = {IDLE: "idle leak", IN_TRANSACTION: "in tx leak", ABORTED: "abort leak"}


def _state(backend: Backend, frame: Frame) -> Cell:
    if backend.key in frame.tags.leak and not backend.blocked_by:
        return Cell(STATE_LEAKED.get(backend.state or "", backend.state or "leak"), "leak")
    if backend.blocked_by:
        return Cell("blocked", "blocked")
    if backend.hidden:
        return Cell("hidden", "faint")
    state = backend.state or backend.backend_type or ""
    return Cell(STATE_SHORT.get(state, state), STATE_STYLES.get(state, ""))


def _for(backend: Backend, frame: Frame) -> Cell:
    idle_s = backend.idle_s(frame.at)
    old = idle_s is not None and idle_s >= OLD_IDLE_S
    # The state of a session that its pool keeps alive without a statement is always young.
    shown_s = idle_s if backend.kept_alive else backend.state_s(frame.at)
    return Cell(format.duration(shown_s), "old" if old else "")


def _unused(backend: Backend, frame: Frame) -> Cell:
    return Cell(format.duration(backend.unused_s(frame.at)), "dim")


def _xact(backend: Backend, frame: Frame) -> Cell:
    seconds = backend.xact_s(frame.at)
    return Cell(format.duration(seconds), "xact" if seconds is not None and seconds >= OLD_XACT_S else "")


def _wait(backend: Backend, _frame: Frame) -> Cell:
    if backend.blocked_by:
        return Cell("by " + ",".join(map(blocker_name, backend.blocked_by[:3])), "blocked")
    return Cell(backend.wait, "faint" if backend.wait_event_type == "Client" else "")


SESSION_COLUMNS: tuple[Column[Backend], ...] = (
    Column("pid", "PID", 9, _pid, right=True),
    Column("role", "ROLE", 11, lambda b, _: Cell(one_line(b.role)), leaves=4, least=7, most=24, middle=True),
    Column(
        "source",
        "SOURCE",
        11,
        lambda b, frame: Cell(one_line(frame.tags.source(b))),
        leaves=7,
        least=8,
        most=20,
        labels=True,
        middle=True,
    ),
    Column("app", "APP", 15, lambda b, _: Cell(b.app), leaves=9, least=10, most=32, middle=True),
    Column(
        "database", "DATABASE", 11, lambda b, _: Cell(one_line(b.database)), leaves=8, least=8, most=24, middle=True
    ),
    Column("client", "CLIENT", 15, lambda b, _: Cell(b.client), leaves=5, least=11, most=28, middle=True),
    Column("state", "STATE", 10, _state, leaves=1),
    Column("for", "FOR", 7, _for, right=True, leaves=2, least=6),
    Column("unused", "UNUSED", 7, _unused, right=True, leaves=10, least=6),
    Column("xact", "XACT", 7, _xact, right=True, leaves=3, least=6),
    Column("wait", "WAIT", 18, _wait, leaves=6, least=17, most=30),
    Column("query", "QUERY", 0, lambda b, _: Cell(beginning(b.query), "query"), least=12, comfort=80),
)


@lru_cache(maxsize=64)
def present(
    columns: tuple[Column[Row], ...], labelled: bool, hidden: frozenset[str] = frozenset()
) -> tuple[Column[Row], ...]:
    """Those that have something to say, with or without labels, and are not switched off."""
    return tuple(column for column in columns if (labelled or not column.labels) and column.name not in hidden)


@lru_cache(maxsize=64)
def fit(columns: tuple[Column[Row], ...], width: int) -> tuple[Placed[Row], ...]:
    """Place columns on `width` cells, one blank between them; those that do not fit shrink, then leave."""
    return placed_in(columns, fitting.widths(columns, width))


def placed_in(columns: tuple[Column[Row], ...], widths: dict[int, int]) -> tuple[Placed[Row], ...]:
    """Columns of these widths, by index, from the left, one blank between them."""
    placed, x = [], 0
    for index in sorted(widths):
        placed.append(Placed(columns[index], x, widths[index]))
        x += widths[index] + 1
    return tuple(placed)


AnyPlaced = Placed[Group] | Placed[Backend]
