"""The lines above the table, together: server, slots, headroom, states and the one thing worth saying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.model.history.trend import History
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Snapshot
from pgtop_conn.view.status import server_lines
from pgtop_conn.view.status.door_banner import banner_line
from pgtop_conn.view.status.server_lines import ScreenStatus
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.groups import GROUPINGS, Group, largest

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
    status: ScreenStatus
    leaks: Sequence[Leak] = ()


def largest_of(snapshot: Snapshot, budget: SlotBudget) -> Group | None:
    """The group that holds most slots."""
    grouping = _LARGEST_BY_TITLE if snapshot.server.door == HOST_DOOR else _LARGEST
    return largest(snapshot.holders, grouping, snapshot.taken_at, budget.used)


def rows(told: Told, width: int, *, ascii_only: bool) -> list[list[Cell]]:
    """LINES of them, and one more when we are in by a door."""
    snapshot, budget, history = told.snapshot, told.budget, told.history
    found = [
        server_lines.server_line(snapshot, budget, told.status, width),
        server_lines.slots_line(budget, history, width, ascii_only=ascii_only),
        server_lines.headroom_line(budget, width),
        server_lines.states_line(snapshot, budget, width, history.churn()),
        server_lines.notice_line(snapshot, *told.largest, told.status, history, width, told.leaks),
    ]
    return [*found, banner] if (banner := banner_line(snapshot, width)) else found
