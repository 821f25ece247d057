"""LineView and CellBlock: lines of styled pieces by the Line API; a line whose content stays is not repainted.

Add a style: its name in CELL_STYLES, its look in style.tcss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from pgtop_conn.tui.widgets.pieces import OneLine, Pieces, Row, fitted, flowing, kept_in_place, width_of, wrapped
from pgtop_conn.view.format import plain
from pgtop_conn.view.table.columns import Cell

#: The style names that view uses, and `struck` and `key` for dialogs and the footer.
CELL_STYLES = (
    "active",
    "aborted",
    "alert",
    "bar",
    "blocked",
    "comment",
    "count",
    "critical",
    "dim",
    "faint",
    "group",
    "growing",
    "header",
    "idle",
    "key",
    "keyword",
    "leak",
    "literal",
    "marked",
    "ok",
    "old",
    "protected",
    "query",
    "reserve",
    "struck",
    "title",
    "warning",
    "xact",
)
#: Styles that say something less loudly; on the line under the cursor they are drawn as text is.
QUIET_STYLES = frozenset({"comment", "dim", "faint", "header", "idle", "query", "reserve", "struck"})
#: It has a ground of its own.
ALERT = "alert"
CURSOR = "cell--cursor"
#: For the COMPONENT_CLASSES of every screen. Textual keeps a node of 8 kB for each: once a screen, not once a widget.
COMPONENTS = {f"cell--{name}" for name in CELL_STYLES} | {CURSOR}

#: Set on the application: only ASCII is drawn, as far as the characters are ours.
ASCII_CLASS = "-ascii"
#: Strips that are kept of what scrolls, more than a screen has lines; and of a few lines, where each poll makes others.
#: One takes 3 kB.
STRIPS_KEPT, BLOCK_STRIPS_KEPT = 256, 16
#: What one line of the screen shows: its pieces, and whether the cursor is on it.
Content = tuple[Pieces, bool]


class Painter:
    """Pieces to strips for one widget; strips are kept by content, so the same line is never built twice."""

    def __init__(self, widget: Widget, kept: int) -> None:
        self._widget = widget
        self._strips: LRUCache[Content, Strip] = LRUCache(kept)
        self._styles: dict[tuple[str, bool], Style] = {}

    def __len__(self) -> int:
        """How many strips are kept."""
        return len(self._strips)

    def forget(self) -> None:
        """The styles have changed."""
        self._strips.clear()
        self._styles.clear()

    def strip(self, content: Content) -> Strip:
        found = self._strips.get(content)
        if found is None:
            pieces, at_cursor = content
            if self._widget.app.has_class(ASCII_CLASS):
                pieces = tuple((plain(text), name) for text, name in pieces)
            segments = [Segment(kept_in_place(text), self._style(name, at_cursor)) for text, name in pieces]
            found = Strip(segments, sum(width_of(text) for text, _ in pieces))
            self._strips[content] = found
        return found

    def _style(self, name: str, at_cursor: bool) -> Style:
        found = self._styles.get((name, at_cursor))
        if found is None:
            found = self._styles[name, at_cursor] = self._look(name, at_cursor)
        return found

    def _look(self, name: str, at_cursor: bool) -> Style:
        style = self._own(f"cell--{name}") if name else self._widget.rich_style
        if not at_cursor or name == ALERT:
            return style
        cursor = self._own(CURSOR)
        if cursor.reverse:
            # Turned round, colours of text would become patches of ground.
            return Style(reverse=True, bold=style.bold)
        # The cursor paints the ground only: on it, the colours of states still tell what they tell.
        return style + Style(bgcolor=cursor.bgcolor, color=cursor.color if name in QUIET_STYLES else None)

    def _own(self, component: str) -> Style:
        """One of the screen's looks, on the ground of this widget."""
        return self._widget.rich_style + self._widget.screen.get_component_rich_style(component, partial=True)


class LineView(ScrollView, can_focus=False, inherit_bindings=False):
    """Scrolling lines; a subclass says how many there are and what is on each. Give the new lines, call updated()."""

    #: Lines at the top that do not scroll.
    HEADER_LINES: ClassVar[int] = 0

    class Chosen(Message):
        """A line was clicked; `index` counts from the first line below the header."""

        def __init__(self, view: LineView, index: int) -> None:
            super().__init__()
            self.view = view
            self.index = index

        @property
        def control(self) -> LineView:
            return self.view

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.painter = Painter(self, STRIPS_KEPT)
        self._drawn: dict[int, Content] = {}

    def line_count(self) -> int:
        raise NotImplementedError

    def pieces(self, index: int, width: int) -> Pieces:
        """The line at `index`, exactly `width` cells."""
        raise NotImplementedError

    def header_pieces(self, width: int) -> Pieces:
        return fitted((), width)

    def blank_pieces(self, index: int, width: int) -> Pieces:
        """What is drawn behind the last line."""
        return fitted((), width)

    def is_cursor(self, index: int) -> bool:
        return False

    @property
    def line_width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def page(self) -> int:
        """Lines that are visible at a time."""
        return max(1, self.scrollable_content_region.height - self.HEADER_LINES)

    def updated(self) -> None:
        """The lines have changed: repaint those on the screen whose content did."""
        # Never less than the window: a list that fits changes its length without a layout of the screen.
        height = max(self.line_count() + self.HEADER_LINES, self.scrollable_content_region.height)
        if height != self.virtual_size.height:
            self.virtual_size = Size(0, height)
        self.repaint_changed()

    def repaint_changed(self) -> None:
        """Mark the visible lines dirty that would be drawn differently now."""
        width, region = self.size.width, self.scrollable_content_region
        changed = [
            Region(0, y, width, 1) for y in range(region.height) if self._drawn.get(y) != self._content(y, region.width)
        ]
        if changed:
            self.refresh(*changed)

    def reveal(self, index: int) -> None:
        """Scroll as little as needed to have this line on the screen."""
        top = round(self.scroll_y)
        if index < top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= top + self.page:
            self.scroll_to(y=index - self.page + 1, animate=False, force=True)

    def is_visible(self, index: int) -> bool:
        return 0 <= index - round(self.scroll_y) < self.page

    def render_line(self, y: int) -> Strip:
        content = self._content(y, self.line_width)
        self._drawn[y] = content
        return self.painter.strip(content)

    def _content(self, y: int, width: int) -> Content:
        # The width is asked for once by who wants all lines: Textual looks up the scrollbars each time.
        if y < self.HEADER_LINES:
            return self.header_pieces(width), False
        index = y - self.HEADER_LINES + self.scroll_offset.y
        if index >= self.line_count():
            return self.blank_pieces(index, width), False
        return self.pieces(index, width), self.is_cursor(index)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.painter.forget()

    def on_click(self, event: events.Click) -> None:
        index = event.y - self.HEADER_LINES + self.scroll_offset.y
        if event.y >= self.HEADER_LINES and index < self.line_count():
            self.post_message(self.Chosen(self, index))


class RowList(LineView):
    """Rows of cells that scroll, with a cursor where one is asked for: the body of every dialog."""

    def __init__(self, *, id: str | None = None, wrap: int | None = None, cursor: bool = False) -> None:
        """`wrap` breaks long rows and moves what follows right by so many cells; None cuts them."""
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._lines: list[Row] = []
        self._wrap = wrap
        self._wrapped_at = 0
        #: How rows were broken for a width; the next poll brings most of them again.
        self._broken: dict[tuple[int, tuple[Cell, ...]], list[Row]] = {}
        self._has_cursor = cursor
        #: The line it is on; None without one, or when the line it was on has left.
        self.cursor: int | None = 0 if cursor else None
        self._cursor_was = 0

    def show(self, rows: Sequence[Row]) -> None:
        self._rows = list(rows)
        kept = {tuple(row) for row in self._rows}
        self._broken = {key: lines for key, lines in self._broken.items() if key[1] in kept}
        self._layout_rows()
        if self.cursor is not None:
            self.cursor = min(self.cursor, max(0, len(self._lines) - 1))
        self.updated()

    def height_at(self, width: int) -> int:
        """Lines these rows take on `width` cells."""
        if self._wrap is None:
            return len(self._rows)
        return sum(len(self._broken_at(row, width, self._wrap)) for row in self._rows)

    def _broken_at(self, row: Row, width: int, indent: int) -> list[Row]:
        if isinstance(row, OneLine):
            return [row]
        key = width, tuple(row)
        found = self._broken.get(key)
        if found is None:
            found = self._broken[key] = [*wrapped(row, width, indent)]
        return found

    def _layout_rows(self) -> None:
        self._wrapped_at = self.line_width
        if self._wrap is None or self._wrapped_at <= 0:
            self._lines = self._rows
        else:
            self._lines = [line for row in self._rows for line in self._broken_at(row, self._wrapped_at, self._wrap)]

    def on_resize(self) -> None:
        if self.line_width != self._wrapped_at:
            self._layout_rows()
        self.updated()

    def line_count(self) -> int:
        return len(self._lines)

    def row(self, index: int) -> Row:
        """The line at `index`."""
        return self._lines[index]

    def pieces(self, index: int, width: int) -> Pieces:
        return flowing(self._lines[index], width)

    def is_cursor(self, index: int) -> bool:
        return index == self.cursor

    def move(self, lines: int) -> None:
        """Move the cursor, or scroll where there is none."""
        if not self._has_cursor:
            self.scroll_to(y=max(0, self.scroll_y + lines), animate=False, force=True)
            return
        # Where the line has left the one below took its place, so a step down lands on that.
        start = self._cursor_was - (lines > 0) if self.cursor is None else self.cursor
        self.cursor = self._cursor_was = min(max(0, start + lines), max(0, len(self._lines) - 1))
        self.reveal(self.cursor)
        self.repaint_changed()


class CellBlock(Widget):
    """A few lines that do not scroll, drawn for the width there is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw: Callable[[int], Sequence[Row]] = lambda _width: ()
        self._lines: list[Pieces] = []
        self._width = 0
        self.painter = Painter(self, BLOCK_STRIPS_KEPT)

    def show(self, draw: Callable[[int], Sequence[Row]]) -> None:
        """`draw` gives the rows for a width; it is called again when the width changes."""
        self._draw = draw
        self._redraw()

    def _layout_rows(self) -> None:
        self._width = width = self.size.width
        self._lines = [flowing(row, width) for row in self._draw(width)] if width else []

    def _redraw(self) -> None:
        old, width = self._lines, self.size.width
        self._layout_rows()
        lines = self._lines
        changed = [
            Region(0, y, width, 1) for y in range(max(len(old), len(lines))) if old[y : y + 1] != lines[y : y + 1]
        ]
        if changed:
            self.refresh(*changed)

    def on_resize(self) -> None:
        self._redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.painter.forget()

    def render_line(self, y: int) -> Strip:
        # A block that was hidden may be drawn before it is told its new size.
        if self._width != self.size.width:
            self._layout_rows()
        pieces = self._lines[y] if y < len(self._lines) else fitted((), self.size.width)
        return self.painter.strip((pieces, False))
