"""BlockList: blocks of wrapped rows that scroll, of which some can be chosen as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.tui.widgets.line_view import LineView
from pgtop_conn.tui.widgets.pieces import Pieces, Row, fitted, flowing, wrapped

#: Cells on the left, for the sign of the block that is chosen.
GUTTER = 2
CHOSEN = "▸ "


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows that belong together; a blank line follows them. `key` is what a block that can be chosen is known by."""

    rows: Sequence[Row]
    key: tuple[str, ...] | None = None
    #: What wraps goes on so many cells further right.
    wrap: int = 2


class BlockList(LineView):
    """The chosen block has a sign, and while `active` the cursor's colour."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._blocks: list[Block] = []
        #: Each line and the block it is of.
        self._lines: list[tuple[Row, int]] = []
        self._wrapped_at = 0
        self.chosen: tuple[str, ...] | None = None
        self.active = False

    def show(self, blocks: Sequence[Block]) -> None:
        """The choice stays on its block, or goes to the first one."""
        self._blocks = list(blocks)
        keys = self._keys()
        if self.chosen not in keys:
            self.chosen = keys[0] if keys else None
        self._layout_rows()
        self.updated()

    @property
    def scrolled(self) -> bool:
        """Whether the first line is out of sight."""
        return round(self.scroll_y) > 0

    def activate(self, active: bool) -> None:
        """Whether keys move the choice."""
        self.active = active
        if active:
            self._reveal_chosen()
        self.repaint_changed()

    def to_top(self) -> None:
        self.scroll_to(y=0, animate=False, force=True, immediate=True)

    def move(self, step: int) -> None:
        """To the next block that can be chosen; one that goes beyond the window is read to its end first."""
        keys, top = self._keys(), round(self.scroll_y)
        if self.chosen is None:
            self.scroll_to(y=max(0, top + step), animate=False, force=True, immediate=True)
            return
        start, end = self._span(self.chosen)
        at = keys.index(self.chosen)
        ahead = end > top + self.page if step > 0 else start < top
        if ahead or not 0 <= at + step < len(keys):
            self.scroll_to(y=max(0, top + step), animate=False, force=True, immediate=True)
            return
        self.chosen = keys[at + step]
        self._reveal_chosen()
        self.repaint_changed()

    def page_by(self, pages: int) -> None:
        """Scroll, whatever is chosen."""
        self.scroll_to(y=max(0, self.scroll_y + pages * (self.page - 1)), animate=False, force=True, immediate=True)

    def choose_line(self, index: int) -> None:
        """The block at this line, where that can be chosen."""
        key = self._blocks[self._lines[index][1]].key
        if key is not None:
            self.chosen = key
            self.repaint_changed()

    def _keys(self) -> list[tuple[str, ...]]:
        return [block.key for block in self._blocks if block.key is not None]

    def _span(self, key: tuple[str, ...]) -> tuple[int, int]:
        """The lines of a block: the first, and the one behind the last."""
        mine = [number for number, (row, block) in enumerate(self._lines) if row and self._blocks[block].key == key]
        return (mine[0], mine[-1] + 1) if mine else (0, 0)

    def _reveal_chosen(self) -> None:
        if self.chosen is None:
            return
        start, end = self._span(self.chosen)
        top = round(self.scroll_y)
        wanted = min(max(top, end - self.page), start)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True, immediate=True)

    def _layout_rows(self) -> None:
        self._wrapped_at = width = self.line_width
        room = max(10, width - GUTTER)
        self._lines = []
        for number, block in enumerate(self._blocks):
            for row in block.rows:
                lines = wrapped(row, room, block.wrap) if width > 0 else [row]
                self._lines += [(line, number) for line in lines]
            self._lines.append(((), number))

    def on_resize(self) -> None:
        if self.line_width != self._wrapped_at:
            self._layout_rows()
        self.updated()

    def line_count(self) -> int:
        return len(self._lines)

    def pieces(self, index: int, width: int) -> Pieces:
        row, number = self._lines[index]
        first = bool(row) and (index == 0 or self._lines[index - 1][1] != number)
        sign = CHOSEN if first and self._is_chosen(number) else " " * GUTTER
        return fitted([(sign, "title"), *flowing(row, max(0, width - GUTTER))], width)

    def is_cursor(self, index: int) -> bool:
        row, number = self._lines[index]
        return self.active and bool(row) and self._is_chosen(number)

    def _is_chosen(self, number: int) -> bool:
        return self._blocks[number].key is not None and self._blocks[number].key == self.chosen
