"""What all dialogs share: a frame, a title, rows that scroll with the keys, and news from the polls behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.widgets.line_view import COMPONENTS, CellBlock, RowList
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.tui.widgets.too_small import TooSmall
from pgtop_conn.view.table.columns import Cell

Result = TypeVar("Result")


class AnswerInput(Input):
    """A line for a number or a name; while `digits_only`, every other key is left to the dialog's bindings."""

    digits_only = False

    def check_consume_key(self, key: str, character: str | None) -> bool:
        if self.digits_only:
            return character is not None and character.isdigit()
        return super().check_consume_key(key, character)


class Dialog(ModalScreen[Result]):
    """A framed box: title, body, whatever below() adds, and a hint. Its height is what the body needs, if it fits."""

    AUTO_FOCUS = ""
    COMPONENT_CLASSES: ClassVar[set[str]] = COMPONENTS
    #: Lines of the box that are not the body: border, title, hint.
    FRAME_LINES = 6

    def __init__(self, body: RowList) -> None:
        super().__init__()
        self._missed: Snapshot | None = None
        self._composed = False
        self.body = body
        self.headline = CellBlock(id="dialog-title")
        self.hint = CellBlock(id="dialog-hint")
        self.frame_lines = self.FRAME_LINES

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield self.headline
            yield self.body
            yield from self.below()
            yield from self.above_hint()
            yield self.hint
        yield TooSmall()

    def below(self) -> Iterator[Widget]:
        """Widgets between the body and the hint."""
        yield from ()

    def above_hint(self) -> Iterator[Widget]:
        """What stands right above the hint, below all else."""
        yield from ()

    def on_mount(self) -> None:
        self.draw()
        self._fit()
        # After whatever a subclass does on its mount.
        self.call_later(self._renew_missed)

    def on_resize(self, _event: events.Resize) -> None:
        self._fit()

    def draw(self) -> None:
        """Show title, body and hint anew."""
        raise NotImplementedError

    def polled(self, snapshot: Snapshot) -> None:
        """A poll came in; one that comes before the dialog is composed is kept until it is."""
        self._missed = snapshot
        if self._composed:
            self._renew_missed()

    def _renew_missed(self) -> None:
        self._composed = True
        snapshot, self._missed = self._missed, None
        if snapshot is not None:
            self.renew(snapshot)

    def renew(self, snapshot: Snapshot) -> None:
        """Show what a poll brought; called only while the dialog is on the screen."""

    def set_title(self, text: str, style: str = "title") -> None:
        self.headline.show(lambda _width: [[Cell(text, style)]])

    def set_hint(self, *cells: Cell) -> None:
        self.hint.display = bool(cells)
        self.hint.show(lambda _width: [cells])

    def show_rows(self, rows: Sequence[Row]) -> None:
        self.body.show(rows)
        self._fit()

    def _fit(self) -> None:
        """As high as the rows need and the terminal has; a layout only when that changes."""
        width = min(self.box_width, self.size.width - 4) - 6
        height = min(self.body.height_at(max(10, width)), self.size.height - 2 - self.lines_around)
        wanted = max(1, height)
        current = self.body.styles.height
        if current is None or current.value != wanted:
            self.body.styles.height = wanted

    @property
    def lines_around(self) -> int:
        """Lines of the box that are not the body, as it is now."""
        return self.frame_lines

    @property
    def box_width(self) -> int:
        width = self.query_one("#dialog").styles.width
        return int(width.value) if width is not None and width.is_cells else self.size.width

    def action_move(self, lines: int) -> None:
        self.body.move(lines)

    def action_page(self, pages: int) -> None:
        self.body.move(pages * self.body.page)
