"""What the column chooser lists: the columns of groups and of sessions, the one that leaves last first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgtop_conn.view.table.columns import GROUP_COLUMNS, SESSION_COLUMNS, Column, Row

#: Without these a line says not what it is about.
FIXED = frozenset({"group", "pid"})

STAYING = "   in a narrow terminal the first stay longest"

ABOUT = {
    "group": "what the sessions have in common; always there",
    "source": "the label: whose sessions they are",
    "count": "connections",
    "share": "part of the slots in use",
    "growth": "connections per minute, more or less",
    "active": "running a query",
    "idle": "waiting for their application",
    "in_transaction": "idle in a transaction",
    "oldest_idle": "longest time without a query",
    "limit": "used of the tightest CONNECTION LIMIT",
    "pid": "process, its mark and its guard; always there",
    "role": "who logged in",
    "app": "application_name",
    "database": "connected to",
    "client": "address of the client",
    "state": "state, blocked or leaked",
    "for": "time in this state",
    "unused": "time since the last statement of an idle session",
    "xact": "time in this transaction",
    "wait": "wait event, or who blocks",
    "query": "the running or last query",
}


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """A line of the chooser; without a name it is a heading or blank."""

    name: str
    title: str
    about: str = ""
    #: Can't be switched off.
    fixed: bool = False


def choices(labelled: bool) -> list[ColumnChoice]:
    """Every column that can be shown, under its heading; `source` belongs to both and is listed once."""
    groups = list(_listed(GROUP_COLUMNS, labelled))
    sessions = [choice for choice in _listed(SESSION_COLUMNS, labelled) if choice.name != "source"]
    return [
        ColumnChoice("", "Groups", STAYING),
        *groups,
        ColumnChoice("", ""),
        ColumnChoice("", "Sessions", STAYING),
        *sessions,
    ]


def _listed(columns: tuple[Column[Row], ...], labelled: bool) -> Iterable[ColumnChoice]:
    for column in sorted(columns, key=lambda column: column.leaves):
        if labelled or not column.labels:
            yield ColumnChoice(column.name, column.title, ABOUT[column.name], column.name in FIXED)


def known(names: Iterable[str]) -> frozenset[str]:
    """Of names that were saved those that can be switched off today."""
    return frozenset(names) & (ABOUT.keys() - FIXED)
