"""What an empty table says: why nobody is in it, and what to do next."""

from __future__ import annotations

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.lines import ViewState

Row = list[Cell]

#: The margin on the left.
_MARGIN = "  "


def rows(snapshot: Snapshot, view: ViewState) -> list[Row]:
    """The lines to show where the table has none."""
    text = view.filter.text.strip()
    if view.leaks_only:
        among = f" of those that match {text}" if text else ""
        why, more = f"No session looks leaked{among}", "what leaks shows after some polls"
        return [_said(why), _keys(("Esc", "shows everything", more))]
    if text:
        found = [_said(f"No session matches {text}"), _keys(("Esc", "clears the filter", ""), ("/", "changes it", ""))]
        hidden = sum(1 for backend in snapshot.backends if backend.hidden)
        if hidden:
            why = f"{hidden} are hidden from {snapshot.server.role}: what is not known matches nothing"
            found.append([Cell(f"{_MARGIN}{why}", "warning")])
        return found
    return [_said("Nobody is connected"), _keys(("r", "asks again now", "who connects shows here by itself"))]


def _said(text: str) -> Row:
    return [Cell(f"{_MARGIN}{text}", "query")]


def _keys(*keys: tuple[str, str, str]) -> Row:
    cells = [Cell(_MARGIN)]
    for key, words, more in keys:
        cells += [Cell(key, "key"), Cell(f" {words}   ", "dim"), Cell(more, "dim")]
    return cells
