"""Gauges, heading and footer: the lines around the table."""

from __future__ import annotations

from rich.cells import cell_len
from textual.binding import Binding

from pgtop_conn.tui.keys.names import display
from pgtop_conn.tui.widgets.line_view import CellBlock
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.status import key_line, top_lines
from pgtop_conn.view.status.server_lines import ScreenStatus
from pgtop_conn.view.status.top_lines import LINES, Told
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.heading import heading
from pgtop_conn.view.table.lines import ViewState


class Gauges(CellBlock):
    """Server, slots, headroom, states and the one thing worth saying."""

    def show_told(self, told: Told, *, ascii_only: bool) -> None:
        """Draw it for whatever width there is."""
        height = LINES + bool(told.snapshot.server.door)
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
        self.show(lambda width: top_lines.rows(told, width, ascii_only=ascii_only))

    def show_waiting(self, status: ScreenStatus) -> None:
        """Before the first poll."""
        text = status.trouble or "waiting for the first answer of the server"
        self.show(lambda _width: [[Cell(" pgtop-conn", "title")], [Cell(f" {text}", "warning")]])


class Heading(CellBlock):
    """The line above the table."""

    def show_view(self, view: ViewState, *, ascii_only: bool) -> None:
        self.show(lambda width: [heading(view, width, ascii_only=ascii_only)])


class KeyLine(CellBlock):
    """The footer: as many of the shown keys as fit, the last two always."""

    _shown: tuple[object, ...] | None = None

    def show_bindings(self, bindings: list[Binding], before: Row = ()) -> None:
        """`before` stands in front of them, whatever there is room for."""
        shown = tuple((shown_key(binding), binding.description) for binding in bindings if binding.show)
        # Every move of the cursor asks for the keys, and few change them.
        if (shown, before) != self._shown:
            taken = sum(cell_len(cell.text) for cell in before)
            self.show(lambda width: [[*before, *key_line.row(shown, width - taken)]])
            self._shown = (shown, before)

    def show_progress(self, row: Row) -> None:
        """A plan is being sent: how far it is, in the place of the keys."""
        self._shown = None
        self.show(lambda _width: [row])


def shown_key(binding: Binding) -> str:
    """The key as the key line has it."""
    return binding.key_display or display(binding.key, 1)
