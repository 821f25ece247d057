"""The help: every key with what it does to the server, made from the bindings themselves."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from pgtop_conn.tui.confirm import KEYS
from pgtop_conn.tui.diagnosing import KEYS as DIAGNOSIS_KEYS
from pgtop_conn.tui.dialogs import SCROLLING, Dialog, closing
from pgtop_conn.tui.keys import available
from pgtop_conn.tui.lines import Row
from pgtop_conn.tui.lineview import RowList
from pgtop_conn.view.columns import Cell

#: Cells of the keys on the left.
KEY_WIDTH = 12

SIGNS = "In the table: ● marked   ! asked about first   ⊘ refused by a guard, the detail of the session says why"


class Help(Dialog[None]):
    """A list that scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [*SCROLLING, closing("escape", "enter", "q", "question_mark")]

    def __init__(self, *, read_only: bool, ascii_only: bool) -> None:
        super().__init__(RowList(id="dialog-body", wrap=KEY_WIDTH))
        self._read_only = read_only
        self._ascii = ascii_only

    def draw(self) -> None:
        self.set_title("Keys")
        self.show_rows([*help_rows(self._read_only), [], [Cell(self._signs(), "dim")]])
        self.set_hint(Cell("Esc", "key"), Cell(" close"))

    def _signs(self) -> str:
        return SIGNS.replace("●", "*").replace("⊘", "x") if self._ascii else SIGNS

    def action_close(self) -> None:
        self.dismiss()


def help_rows(read_only: bool) -> list[Row]:
    """The keys under their headings."""
    rows: list[Row] = []
    heading = ""
    for binding in available(read_only):
        group = binding.group.description if binding.group else ""
        if group != heading:
            rows += [[], [Cell(group, "header")]] if rows else [[Cell(group, "header")]]
            heading = group
        rows.append(_row(binding))
    if not read_only:
        rows += [[], [Cell("In the question before a signal", "header")], *map(_row, KEYS)]
    rows += [[], [Cell("In the diagnosis (nothing is sent to the server)", "header")], *map(_row, DIAGNOSIS_KEYS)]
    if read_only:
        rows += [[], [Cell("Started with --read-only: no session can be cancelled or terminated.", "warning")]]
    return rows


def _row(binding: Binding) -> Row:
    return [Cell(f"{binding.key_display or binding.key:<{KEY_WIDTH}}", "key"), Cell(binding.tooltip)]
