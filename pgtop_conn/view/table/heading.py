"""The line above the table: how it is grouped, filtered and sorted, and what is marked."""

from __future__ import annotations

from pgtop_conn.view import format
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS, ViewState

#: A filter is not shortened to less while words can go instead.
FILTER_AT_LEAST = 16


def heading(view: ViewState, width: int, *, ascii_only: bool = False) -> list[Cell]:
    """`─ by app ▸ state ─── filter: none ─── sort: count ↓ ───`, as wide as asked.

    Where that is too narrow the words go, then that there is no filter; the filter itself is shortened last.
    """
    rule, into, down, up = ("-", ">", "v", "^") if ascii_only else ("─", "▸", "↓", "↑")
    sort = SORTS[view.sort]
    arrow = down if sort.descending is not view.reverse else up
    title = GROUPINGS[view.grouping].title.replace("▸", into)
    text = view.filter.text.strip()
    others = [
        *([(" leaks only ", "leak")] if view.leaks_only else []),
        *([(f" {len(view.marks)} marked ", "marked")] if view.marks else []),
    ]
    for by, named, sorted_by in (("by ", "filter: ", "sort: "), ("", "/", "")):
        first, last = (f" {by}{title} ", "header"), (f" {sorted_by}{sort.title} {arrow} ", "header")
        taken = sum(format.cell_count(part) for part, _ in (first, last, *others)) + len(named) + 2
        # Two of the rule between the parts, one before and three behind them.
        room = width - taken - 2 * (len(others) + 2) - 4
        if room >= min(format.cell_count(text), FILTER_AT_LEAST):
            break
    shown = format.shortened(text, max(4, room))
    none = "filter: none" if named == "filter: " else "no filter"
    filtered = (f" {named}{shown} ", "warning") if text else (f" {none} ", "header")
    parts = [first, *([filtered] if text or room >= len(none) - len(named) else []), *others, last]
    gaps = len(parts) - 1
    left = max(gaps * 2, width - sum(format.cell_count(text) for text, _ in parts) - 1 - 3)
    cells = [Cell(rule, "faint")]
    for index, (text, style) in enumerate(parts):
        cells.append(Cell(text, style))
        run = 3 if index == gaps else left // gaps + (left % gaps if index == 0 else 0)
        cells.append(Cell(rule * run, "faint"))
    return cells
