"""The column chooser: which columns the table has. Enter applies and saves, Esc leaves everything as it was."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys.dialogs import COLUMNS
from pgtop_conn.tui.widgets.line_view import LineView, RowList
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.table.column_choices import ColumnChoice, choices
from pgtop_conn.view.table.columns import Cell


class ColumnChooser(Dialog[frozenset[str] | None]):
    """Dismissed with the names of the columns that are switched off, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [*COLUMNS]

    def __init__(self, hidden: frozenset[str], *, labelled: bool, ascii_only: bool) -> None:
        super().__init__(RowList(id="dialog-body", cursor=True))
        self.hidden = hidden
        self._ascii = ascii_only
        self.listed = choices(labelled)

    def on_mount(self) -> None:
        super().on_mount()
        self._settle(1)

    def draw(self) -> None:
        self.set_title("Columns")
        self.show_rows([self._row(choice) for choice in self.listed])
        keys = (("Space", " switch  "), ("a", " all on  "), ("Enter", " apply  "), ("Esc", " leave"))
        self.set_hint(*(cell for key, text in keys for cell in (Cell(key, "key"), Cell(text))))

    def _row(self, choice: ColumnChoice) -> Row:
        if not choice.name:
            return [Cell(choice.title, "title"), Cell(choice.about, "dim")]
        if choice.fixed:
            sign, style = "    ", "dim"
        else:
            shown = choice.name not in self.hidden
            sign, style = ("[x] ", "") if shown else ("[ ] ", "dim")
        return [Cell(f" {sign}{choice.title:<13}", style), Cell(choice.about, "dim")]

    def _settle(self, direction: int) -> None:
        """The cursor steps over headings and blank lines."""
        cursor = self.body.cursor or 0
        if not self.listed[cursor].name:
            last = len(self.listed) - 1
            ahead = range(cursor, last + 1) if direction > 0 else range(cursor, -1, -1)
            found = next((index for index in ahead if self.listed[index].name), None)
            self.body.move((1 if found is None else found) - cursor)
            if self.body.cursor == 1:
                # The heading above the first column is seen too.
                self.body.reveal(0)

    def action_move(self, lines: int) -> None:
        super().action_move(lines)
        self._settle(lines)

    def action_page(self, pages: int) -> None:
        super().action_page(pages)
        self._settle(pages)

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        """A click is the cursor and Space."""
        self.body.move(event.index - (self.body.cursor or 0))
        self.action_switch()

    def action_switch(self) -> None:
        choice = self.listed[self.body.cursor or 0]
        if choice.name and not choice.fixed:
            self.hidden ^= {choice.name}
            self.draw()

    def action_all(self) -> None:
        self.hidden = frozenset()
        self.draw()

    def action_apply(self) -> None:
        self.dismiss(self.hidden)

    def action_close(self) -> None:
        self.dismiss(None)
