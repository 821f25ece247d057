"""A time to go to in a recording: typed, refused with what was expected, or the moment it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.history.seek import EXPECTED, moment_named
from pgtop_conn.tui.dialogs.base import AnswerInput, Dialog
from pgtop_conn.tui.keys.dialogs import GO_TO_TIME
from pgtop_conn.tui.widgets.line_view import CellBlock, RowList
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.status.server_lines import clock
from pgtop_conn.view.table.columns import Cell

WRAP = 2


class GoToTime(Dialog[int | None]):
    """Dismissed with the index of the moment, or None."""

    FRAME_LINES = 8
    BINDINGS: ClassVar[list[BindingType]] = [*GO_TO_TIME]

    def __init__(self, times: Sequence[float], index: int) -> None:
        super().__init__(RowList(id="dialog-body", wrap=WRAP))
        self._times = times
        self._index = index
        self._wrong = ""

    def below(self) -> Iterator[Widget]:
        with Horizontal(id="jump-time"):
            yield CellBlock(id="jump-label")
            yield AnswerInput(id="answer", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one("#jump-label", CellBlock).show(lambda _width: [[Cell("Time", "count")]])
        super().on_mount()
        self.set_focus(self.query_one("#answer", AnswerInput))

    def draw(self) -> None:
        self.set_title("Go to a time of the recording")
        first, here, last = (clock(self._times[index]) for index in (0, self._index, -1))
        rows: list[Row] = [
            [Cell(f"It goes from {first} to {last}, local time; this is {here}.")],
            [Cell(self._wrong or EXPECTED[0].upper() + EXPECTED[1:], "warning" if self._wrong else "dim")],
        ]
        self.show_rows(rows)
        self.set_hint(Cell("Enter", "key"), Cell(" goes there   ", "dim"), Cell("Esc", "key"), Cell(" stays", "dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            index = moment_named(event.value, self._times, self._times[self._index])
        except BadInput as error:
            self._wrong = str(error)
            self.draw()
        else:
            self.dismiss(index)

    def action_leave(self) -> None:
        self.dismiss(None)
