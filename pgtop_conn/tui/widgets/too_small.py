"""TooSmall: what covers a screen whose terminal has no room for it. The screen below goes on, its focus stays.

A screen yields one as its last widget; style.tcss shows it by the classes of BREAKPOINTS.
"""

from __future__ import annotations

from textual.geometry import Size

from pgtop_conn.tui.widgets.line_view import CellBlock
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.table.columns import Cell

#: The smallest terminal in which the table is worth having, and no question is out of sight.
COLUMNS, LINES = 40, 10

#: From so many cells on a screen has this class.
WIDTHS = [(0, "-too-narrow"), (COLUMNS, "-wide-enough")]
HEIGHTS = [(0, "-too-low"), (LINES, "-high-enough")]


def too_small(size: Size) -> bool:
    """Whether the screen is covered; whatever it asks can't be read then."""
    return size.width < COLUMNS or size.height < LINES


class TooSmall(CellBlock):
    """Says how large the terminal is and how large it would have to be."""

    def on_mount(self) -> None:
        self.show(self._rows)

    def on_resize(self) -> None:
        self.show(self._rows)

    def _rows(self, _width: int) -> list[Row]:
        size = self.screen.size
        lines: list[Row] = [
            [Cell("Too small", "warning")],
            [Cell(f"{size.width}×{size.height}; needs {COLUMNS}×{LINES}")],
            [Cell("Ctrl-C", "key"), Cell(" leaves", "dim")],
        ]
        return lines
