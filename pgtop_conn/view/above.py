"""The lines above the table, together: server, slots, headroom, states and the one thing worth saying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.model.history import History
from pgtop_conn.model.leaks import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Snapshot
from pgtop_conn.view import gauge
from pgtop_conn.view.columns import Cell
from pgtop_conn.view.doors import banner_line
from pgtop_conn.view.gauge import Status
from pgtop_conn.view.groups import GROUPINGS, Group
from pgtop_conn.view.groups import group as group_sessions

#: Without the one that tells of an emergency door.
LINES = 5

_LARGEST = GROUPINGS["app"]
#: A process title names no application.
_LARGEST_BY_TITLE = GROUPINGS["role"]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What these lines tell of: always the newest poll, whatever the table shows."""

    snapshot: Snapshot
    budget: SlotBudget
    history: History
    #: The largest group, and its sessions per minute where that is known.
    largest: tuple[Group | None, float | None]
    status: Status
    leaks: Sequence[Leak] = ()


def largest_of(snapshot: Snapshot, budget: SlotBudget) -> Group | None:
    """The group that holds most slots."""
    dimension = _LARGEST_BY_TITLE if snapshot.server.door == HOST_DOOR else _LARGEST
    groups = group_sessions(snapshot.backends, dimension, snapshot.taken_at, budget.used)
    return groups[0] if groups and not groups[0].walsenders else None


def rows(told: Told, width: int, *, ascii_only: bool) -> list[list[Cell]]:
    """LINES of them, and one more when we are in by a door."""
    snapshot, budget, history = told.snapshot, told.budget, told.history
    found = [
        gauge.server_line(snapshot, budget, told.status, width),
        gauge.slots_line(budget, history, width, ascii_only=ascii_only),
        gauge.headroom_line(budget, width),
        gauge.states_line(snapshot, budget, width, history.churn()),
        gauge.notice_line(snapshot, *told.largest, told.status, history, width, told.leaks),
    ]
    return [*found, banner] if (banner := banner_line(snapshot, width)) else found
