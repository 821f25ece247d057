"""The filter line: validated while it is typed, applied by Enter. Half a filter never filters anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters.language import Filter, parse
from pgtop_conn.tui.keys.dialogs import FILTER_BAR
from pgtop_conn.tui.widgets.line_view import CellBlock
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view.table.columns import Cell

PROMPT = " / "


class FilterBar(Vertical):
    """Hidden until open(); speaks by Applied and Left."""

    BINDINGS: ClassVar[list[BindingType]] = [*FILTER_BAR]

    class Applied(Message):
        """Enter on a filter that parses."""

        def __init__(self, filter: Filter) -> None:
            super().__init__()
            self.filter = filter

    class Left(Message):
        """Esc: the filter stays what it was."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._count: Callable[[Filter], str] = lambda _filter: ""
        #: Whether what was typed last is still to be answered.
        self._to_say = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield CellBlock(id="filter-prompt")
            yield Input(id="filter-input", compact=True, select_on_focus=False)
        yield CellBlock(id="filter-message")

    def on_mount(self) -> None:
        self.display = False
        self.query_one("#filter-prompt", CellBlock).show(lambda _width: [[Cell(PROMPT, "key")]])

    @property
    def input(self) -> Input:
        return self.query_one("#filter-input", Input)

    def open(self, text: str, count: Callable[[Filter], str]) -> None:
        """Show and focus; `count` says in words what a filter would leave."""
        self._count = count
        self.display = True
        self.input.value = text
        self.input.cursor_position = len(text)
        # At once: Widget.focus() waits its turn, and keys typed meanwhile would act on the table.
        self.screen.set_focus(self.input)
        self.say(text)

    def close(self) -> None:
        self.display = False
        self.screen.set_focus(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        # Once for all the keys of a paste: each answer looks at every session.
        if not self._to_say:
            self._to_say = True
            self.call_after_refresh(self._say_newest)

    def _say_newest(self) -> None:
        self._to_say = False
        self.say(self.input.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            found = parse(event.value.strip())
        except FilterError:
            self.say(event.value)
            # The message below the line already points at the word; the previous filter stays.
            return
        self.post_message(self.Applied(found))

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def say(self, text: str) -> None:
        """Say what this text would leave, or what is wrong with it."""
        try:
            cells: Row = [Cell(f"{' ' * len(PROMPT)}{self._count(parse(text))}", "dim")]
            self.query_one("#filter-message", CellBlock).show(lambda _width: [cells])
        except FilterError as error:
            wrong = error
            self.query_one("#filter-message", CellBlock).show(lambda width: [pointing(wrong, width)])


def pointing(error: FilterError, width: int) -> Row:
    """Carets under the word, and what was expected behind them; before them, or alone, where there is no room."""
    before = len(PROMPT) + cell_len(error.text[: error.start])
    word = error.text[error.start : error.end]
    carets, said = Cell("^" * max(1, cell_len(word)), "critical"), str(error)
    room = width - before - len(carets.text) - 1
    cut_anyway = cell_len(said) + len(PROMPT) > width
    if cell_len(said) <= room or (cut_anyway and room >= width // 2):
        return [Cell(" " * before), carets, Cell(f" {said}", "warning")]
    if cell_len(said) + len(PROMPT) < before and before + len(carets.text) <= width:
        gap = " " * (before - len(PROMPT) - cell_len(said))
        return [Cell(" " * len(PROMPT)), Cell(said, "warning"), Cell(gap), carets]
    return [
        Cell(" " * len(PROMPT)),
        Cell(f"{word}: " if word and word not in said else "", "critical"),
        Cell(said, "warning"),
    ]
