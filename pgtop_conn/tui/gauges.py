"""Gauges, heading and footer: the lines around the table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.binding import Binding

from pgtop_conn.model.history import History
from pgtop_conn.model.leaks import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.lines import Row
from pgtop_conn.tui.lineview import CellBlock
from pgtop_conn.tui.remapping import display
from pgtop_conn.view import gauge
from pgtop_conn.view.columns import Cell
from pgtop_conn.view.doors import banner_line
from pgtop_conn.view.gauge import Status
from pgtop_conn.view.groups import Group
from pgtop_conn.view.heading import heading
from pgtop_conn.view.table import ViewState

#: Without the one that tells of an emergency door.
LINES = 5


class Gauges(CellBlock):
    """Server, slots, headroom, states and the one thing worth saying."""

    def show_snapshot(
        self,
        snapshot: Snapshot,
        budget: SlotBudget,
        history: History,
        largest: tuple[Group | None, float | None],
        status: Status,
        *,
        leaks: Sequence[Leak] = (),
        ascii_only: bool,
    ) -> None:
        """Always the newest poll, whatever the table shows."""

        def draw(width: int) -> list[Row]:
            rows: list[Row] = [
                gauge.server_line(snapshot, budget, status, width),
                gauge.slots_line(budget, history, width, ascii_only=ascii_only),
                gauge.headroom_line(budget, width),
                gauge.states_line(snapshot, budget, width, history.churn()),
                gauge.notice_line(snapshot, *largest, status, history, width, leaks),
            ]
            return [*rows, banner] if (banner := banner_line(snapshot, width)) else rows

        height = LINES + bool(snapshot.server.door)
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
        self.show(draw)

    def show_waiting(self, status: Status) -> None:
        """Before the first poll."""
        text = status.trouble or "waiting for the first answer of the server"
        self.show(lambda _width: [[Cell(" pgtop-conn", "title")], [Cell(f" {text}", "warning")]])


class Heading(CellBlock):
    """The line above the table."""

    def show_view(self, view: ViewState, *, ascii_only: bool) -> None:
        self.show(lambda width: [heading(view, width, ascii_only=ascii_only)])


class KeyLine(CellBlock):
    """The footer: as many of the shown keys as fit, the last two always."""

    def show_bindings(self, bindings: list[Binding], before: Row = ()) -> None:
        """`before` stands in front of them, whatever there is room for."""
        shown = [binding for binding in bindings if binding.show]
        taken = sum(cell_len(cell.text) for cell in before)
        self.show(lambda width: [[*before, *_keys(shown, width - taken)]])

    def show_progress(self, row: Row) -> None:
        """A plan is being sent: how far it is, in the place of the keys."""
        self.show(lambda _width: [row])


def _keys(bindings: list[Binding], width: int) -> Row:
    kept = list(bindings)
    while len(kept) > 2 and sum(map(_length, kept)) > width:
        del kept[-3]
    return [cell for binding in kept for cell in _key_cells(binding)]


def _key_cells(binding: Binding) -> tuple[Cell, Cell]:
    return Cell(f" {binding.key_display or display(binding.key, 1)}", "key"), Cell(f" {binding.description} ", "dim")


def _length(binding: Binding) -> int:
    return sum(len(cell.text) for cell in _key_cells(binding))
