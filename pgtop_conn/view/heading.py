"""The line above the table: how it is grouped, filtered and sorted, and what is marked."""

from __future__ import annotations

from pgtop_conn.view.columns import Cell
from pgtop_conn.view.groups import GROUPINGS
from pgtop_conn.view.table import SORTS, ViewState


def heading(view: ViewState, width: int, *, ascii_only: bool = False) -> list[Cell]:
    """`─ by app ▸ state ─── filter: none ─── sort: count ↓ ───`, as wide as asked.

    Lengths are counted in characters; a filter with wide ones makes the rule a little longer, and it is cut.
    """
    rule, into, down, up = ("-", ">", "v", "^") if ascii_only else ("─", "▸", "↓", "↑")
    sort = SORTS[view.sort]
    arrow = down if sort.descending is not view.reverse else up
    title = GROUPINGS[view.grouping].title.replace("▸", into)
    marks = f"{len(view.marks)} marked" if view.marks else ""
    leaks = "leaks only" if view.leaks_only else ""
    tail = [f" sort: {sort.title} {arrow} "]
    room = width - len(title) - len(tail[0]) - len(marks) - len(leaks) - (28 if leaks else 22)
    text = view.filter.text.strip()
    shown = text if len(text) <= room else f"{text[: max(4, room - 1)]}…"
    parts = [
        (f" by {title} ", "header"),
        (f" filter: {shown or 'none'} ", "warning" if text else "header"),
        *([(f" {leaks} ", "leak")] if leaks else []),
        *([(f" {marks} ", "marked")] if marks else []),
        (tail[0], "header"),
    ]
    gaps = len(parts) - 1
    left = max(gaps * 2, width - sum(len(text) for text, _ in parts) - 1 - 3)
    cells = [Cell(rule, "faint")]
    for index, (text, style) in enumerate(parts):
        cells.append(Cell(text, style))
        run = 3 if index == gaps else left // gaps + (left % gaps if index == 0 else 0)
        cells.append(Cell(rule * run, "faint"))
    return cells
