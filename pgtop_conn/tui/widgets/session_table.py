"""SessionTable: groups and sessions under a sticky header. The cursor is the identity of a line, never its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.message import Message

from pgtop_conn.model.text import beginning
from pgtop_conn.tui.widgets.line_view import LineView
from pgtop_conn.tui.widgets.pieces import Pieces, Row, columns, fitted, flowing
from pgtop_conn.view.format import cell_count
from pgtop_conn.view.table.cells import INDENT, cells, most_steps, session_columns, titles
from pgtop_conn.view.table.columns import Cell, Placed
from pgtop_conn.view.table.groups import Group
from pgtop_conn.view.table.lines import Frame, Line, LineKey, LineKind, index_of

#: The order that a click on a column's title asks for.
SORT_BY = {
    "group": "name",
    "count": "count",
    "share": "count",
    "growth": "growth",
    "active": "active",
    "idle": "idle",
    "oldest_idle": "idle",
    "in_transaction": "xact",
}
#: In place of the number of a line.
HEADER = -1


class SessionTable(LineView):
    """Draws what show() gave it. `cursor` stays on its line wherever that moves, and on nothing once it is gone."""

    HEADER_LINES: ClassVar[int] = 1

    class Opened(Message):
        """A line was clicked twice."""

    class Titled(Message):
        """The title of a column was clicked that there is an order by."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._frame: Frame | None = None
        self.lines: list[Line] = []
        #: What is said where there are no lines.
        self.empty: Sequence[Row] = ()
        self.cursor: LineKey | None = None
        self._cursor_index: int | None = None
        #: Where the cursor's line was last: arrows move on from there when it is gone.
        self._cursor_was = 0
        #: How far sessions are moved aside.
        self.aside = 0
        #: Lines as they were made since the last show(), for the width: a moved cursor makes none anew.
        self._made: dict[int, Pieces] = {}
        self._made_width = 0

    @property
    def current(self) -> Line | None:
        """The line under the cursor; None when it is gone."""
        return None if self._cursor_index is None else self.lines[self._cursor_index]

    def show(self, lines: list[Line], frame: Frame) -> None:
        """New lines; the cursor goes where its line went, and stays in sight if it was."""
        followed = self._cursor_index is not None and self.is_visible(self._cursor_index)
        self.lines, self._frame = lines, frame
        self._made.clear()
        if self.cursor is None:
            self.cursor = next((line.key for line in lines if line.kind is not LineKind.HEADER), None)
        self._cursor_index = index_of(lines, self.cursor)
        if self._cursor_index is not None:
            self._cursor_was = self._cursor_index
        self.updated()
        if self._cursor_index is not None and followed:
            self.reveal(self._cursor_index)

    def put_cursor(self, index: int) -> None:
        """On this line, or the next one that can hold it."""
        for candidate in (*range(max(0, index), len(self.lines)), *range(min(index, len(self.lines)) - 1, -1, -1)):
            if self.lines[candidate].kind is not LineKind.HEADER:
                self.cursor = self.lines[candidate].key
                self._cursor_index = self._cursor_was = candidate
                self.reveal(candidate)
                break
        self.repaint_changed()

    def put_cursor_on(self, key: LineKey) -> bool:
        """On the line with this identity; on none when there is none, never on another."""
        index = index_of(self.lines, key)
        if index is not None:
            self.put_cursor(index)
        else:
            self.cursor, self._cursor_index = key, None
            self.repaint_changed()
        return index is not None

    def move(self, lines: int) -> None:
        """By so many lines; headers of sessions are stepped over."""
        if not self.lines:
            return
        # Where the line is gone the one below took its place, so a step down lands on that.
        gone = self._cursor_was - (1 if lines > 0 else 0)
        start = gone if self._cursor_index is None else self._cursor_index
        target = min(max(0, start + lines), len(self.lines) - 1)
        if self.lines[target].kind is LineKind.HEADER:
            target += 1 if lines > 0 else -1
        self.put_cursor(min(max(0, target), len(self.lines) - 1))

    def move_aside(self, steps: int) -> bool:
        """Session lines by so many columns, then the query; whether there was anything to move."""
        target = min(max(0, self.aside + steps), self._most_aside())
        moved, self.aside = target != self.aside, target
        self._made.clear()
        self.repaint_changed()
        return moved

    def _most_aside(self) -> int:
        """Until the end of the longest query."""
        queries = [line.backend.query for line in self.lines if line.backend is not None]
        deepest = max((line.depth for line in self.lines if line.backend is not None), default=0)
        if self._frame is None or not queries:
            return 0
        longest = max(cell_count(beginning(query)) for query in queries)
        return most_steps(session_columns(self._frame), self.line_width - INDENT * (deepest + 1), longest)

    def parent_of(self, line: Line) -> Line | None:
        """The group a line stands under."""
        above = self.lines[: self._cursor_was]
        return next((other for other in reversed(above) if other.group is not None and other.depth < line.depth), None)

    def line_count(self) -> int:
        return len(self.lines)

    def pieces(self, index: int, width: int) -> Pieces:
        frame = self._frame
        if frame is None:
            return fitted((), width)
        return self._once(
            index,
            width,
            lambda: columns(cells(self.lines[index], frame, width, self.aside), width, ascii_only=frame.ascii),
        )

    def header_pieces(self, width: int) -> Pieces:
        return self._once(HEADER, width, lambda: columns(self._titles(width), width))

    def _once(self, index: int, width: int, make: Callable[[], Pieces]) -> Pieces:
        # A terminal of one column has none beside the scroll bar.
        if width < 1:
            return fitted((), width)
        if width != self._made_width:
            self._made.clear()
            self._made_width = width
        found = self._made.get(index)
        if found is None:
            found = self._made[index] = make()
        return found

    def _titles(self, width: int) -> list[tuple[Placed[Group], Cell]]:
        if self._frame is None:
            return titles(width)
        return titles(width, labelled=self._frame.tags.labelled, hidden=self._frame.hidden)

    def on_click(self, event: events.Click) -> None:
        if event.y < self.HEADER_LINES:
            # A column of numbers stands to the right of its place: the gap before it is its own.
            found = (place.column.name for place, _ in self._titles(self.line_width) if event.x < place.x + place.width)
            sort = SORT_BY.get(next(found, ""))
            if sort is not None:
                self.post_message(self.Titled(sort))
        elif event.chain == 2 and event.y - self.HEADER_LINES + self.scroll_offset.y < self.line_count():
            self.post_message(self.Opened())

    def blank_pieces(self, index: int, width: int) -> Pieces:
        # One line is left blank below the titles.
        said = self.empty if not self.lines else ()
        return flowing(said[index - 1], width) if 0 < index <= len(said) else fitted((), width)

    def is_cursor(self, index: int) -> bool:
        return index == self._cursor_index

    def on_resize(self) -> None:
        self.updated()
        if self._cursor_index is not None:
            self.reveal(self._cursor_index)
