"""How the numbers are counted: every recipe with its figure, live."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys.dialogs import COUNTING
from pgtop_conn.tui.widgets.line_view import RowList
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.dialogs.counting import cautions, counts_of
from pgtop_conn.view.table.columns import Cell

#: Cells of the figure and the blanks behind it; what wraps is indented by as much.
FIGURE_WIDTH = 9


class Counting(Dialog[None]):
    """A list that scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [*COUNTING]

    def __init__(self, snapshot: Snapshot, *, ascii_only: bool) -> None:
        super().__init__(RowList(id="dialog-body", wrap=FIGURE_WIDTH))
        self._snapshot = snapshot
        self._ascii = ascii_only

    def renew(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.draw()

    def draw(self) -> None:
        self.set_title("How the numbers are counted")
        self.show_rows(counting_rows(self._snapshot, ascii_only=self._ascii))
        self.set_hint(Cell("Esc", "key"), Cell(" close"))

    def action_close(self) -> None:
        self.dismiss()


def counting_rows(snapshot: Snapshot, *, ascii_only: bool) -> list[Row]:
    """Two rows a recipe: its figure and name, and why it differs; then what no count can show."""
    budget = SlotBudget.of(snapshot)
    unknown = "?"
    rows: list[Row] = []
    for count in counts_of(snapshot, budget):
        figure = unknown if count.figure is None else str(count.figure)
        if not rows and not budget.exact:
            figure = f"{'<=' if ascii_only else '≤'}{figure}"
        rows.append([Cell(f"{figure:>{FIGURE_WIDTH - 2}}  ", "count"), Cell(count.recipe, "title")])
        rows.append([Cell(" " * FIGURE_WIDTH), Cell(count.why, "dim")])
    for caution in cautions(snapshot):
        rows += [[], [Cell(" " * FIGURE_WIDTH), Cell(caution, "warning")]]
    return rows
