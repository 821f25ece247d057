"""A line for each session of the trees of waits, the sessions to end first at the top."""

from __future__ import annotations

from pgtop_conn.model.causes.lock_waits import PREPARED, WaitLink, blocker_name
from pgtop_conn.model.text import beginning, one_line
from pgtop_conn.view import format
from pgtop_conn.view.table.columns import STATE_SHORT, STATE_STYLES, Cell

#: Blockers named on one line.
BLOCKERS_NAMED = 3


def link_line(link: WaitLink, at: float) -> list[Cell]:
    """One line of the list: what ending it frees or who it waits for first, so that a narrow window cuts the rest."""
    indent = "  " * min(link.depth, 8)
    backend = link.backend
    cells = [Cell(f" {indent}{link.pid:>7}  ", "count")]
    if link.freed:
        cells.append(Cell(f"ending it frees {link.freed}  ", "ok"))
    if backend is None:
        return [*cells, Cell(blocker_name(PREPARED) if link.pid == PREPARED else "has left", "warning")]
    if backend.blocked_by:
        by = ", ".join(map(blocker_name, backend.blocked_by[:BLOCKERS_NAMED]))
        more = " …" if len(backend.blocked_by) > BLOCKERS_NAMED else ""
        cells.append(Cell(f"← blocked by {by}{more}  ", "blocked"))
    state = STATE_SHORT.get(backend.state or "", backend.state or "hidden")
    cells += [
        Cell(f"{state} {format.duration(backend.state_s(at))}  ", STATE_STYLES.get(backend.state or "", "dim")),
        Cell(f"{one_line(backend.role)}  {one_line(backend.app)}  "),
    ]
    if backend.blocked_by:
        cells.append(Cell(f"waits for {backend.wait}  ", "dim"))
    return [*cells, Cell(beginning(backend.query)[:200], "query")]
