"""Cells to pieces of exact width: cut, padded, flowing or wrapped, counted in terminal cells, never in characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

from pgtop_conn.view.format import ASCII_MORE, MORE
from pgtop_conn.view.table.columns import AnyPlaced, Cell

#: A text as wide as it is drawn, and the name of its style.
Piece = tuple[str, str]
Pieces = tuple[Piece, ...]
Row = Sequence[Cell]


def width_of(text: str) -> int:
    """Cells of a terminal. What is ASCII is not looked up, and so not remembered: each poll has other texts."""
    return len(text) if text.isascii() and text.isprintable() else cell_len(text)


class OneLine(list[Cell]):
    """A row that is cut where others are wrapped."""


def _head(text: str, width: int) -> str:
    """All of a text that can be on `width` cells, and more, so that its being longer shows."""
    most = 8 * max(0, width) + 64
    return text if len(text) <= most else text[:most]


def cut(text: str, width: int, *, right: bool = False, ascii_only: bool = False) -> str:
    """Text on exactly `width` cells: padded, or ended by an ellipsis where it is longer."""
    text = _head(text, width)
    length = width_of(text)
    if length > width:
        more = ASCII_MORE if ascii_only else MORE
        return set_cell_size(text, width - 1) + more if width > 1 else set_cell_size(text, width)
    blanks = " " * (width - length)
    return blanks + text if right else text + blanks


def columns(cells: Iterable[tuple[AnyPlaced, Cell]], width: int, *, ascii_only: bool = False) -> Pieces:
    """Cells at their places, blanks between and behind, together exactly `width` cells."""
    pieces: list[Piece] = []
    x = 0
    for place, cell in cells:
        if place.x > x:
            pieces.append((" " * (place.x - x), ""))
        pieces.append((cut(cell.text, place.width, right=place.column.right, ascii_only=ascii_only), cell.style))
        x = place.x + place.width
    return fitted(pieces, width)


def flowing(cells: Row, width: int) -> Pieces:
    """Cells one after the other, together exactly `width` cells, ended by an ellipsis where they are longer."""
    pieces = [(_head(cell.text, width), cell.style) for cell in cells if cell.text]
    if sum(width_of(text) for text, _ in pieces) > width > 0:
        whole = "".join(text for text, _ in pieces)
        if width_of(whole.rstrip()) > width:
            return _ended(fitted(pieces, width - 1), width)
    return fitted(pieces, width)


def _ended(pieces: Pieces, width: int) -> Pieces:
    """Pieces with the sign behind them that there is more."""
    style = pieces[-1][1] if pieces else ""
    return fitted((*pieces, (MORE, style)), width)


def fitted(pieces: Iterable[Piece], width: int) -> Pieces:
    """Pieces cut or padded to exactly `width` cells; what does not fit is left out."""
    kept: list[Piece] = []
    room = width
    for text, style in pieces:
        if room <= 0:
            break
        text = _head(text, room)
        length = width_of(text)
        if length > room:
            text, length = set_cell_size(text, room), room
        if text:
            kept.append((text, style))
        room -= length
    if room > 0:
        kept.append((" " * room, ""))
    return tuple(kept)


#: Hebrew, Arabic and the other scripts that are written from right to left.
_FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
#: U+200E takes no cell; behind it the line goes on from left to right.
_LEFT_TO_RIGHT_MARK = "\u200e"


def kept_in_place(text: str) -> str:
    """A piece that a terminal with bidirectional text may turn round in itself, but not together with the next one."""
    if text.isascii() or not _FROM_THE_RIGHT.search(text):
        return text
    return f"{text}{_LEFT_TO_RIGHT_MARK}"


_WORDS = re.compile(r"\s+|\S+")


def wrapped(row: Row, width: int, indent: int) -> list[list[Cell]]:
    """A row on as many lines as it needs, broken between words; lines after the first are moved right by `indent`."""
    lines: list[list[Cell]] = [[]]
    room = width
    if isinstance(row, OneLine):
        return [row]
    for cell in row:
        for word in _words(cell.text, max(1, width - indent)):
            length = width_of(word)
            if length > room:
                lines.append([Cell(" " * indent)])
                room = width - indent
                if word.isspace():
                    continue
            lines[-1].append(Cell(word, cell.style))
            room -= length
    return lines


def _words(text: str, width: int) -> Iterable[str]:
    for match in _WORDS.finditer(text):
        word = match.group()
        if width_of(word) <= width:
            yield word
        else:
            yield from chop_cells(word, width)
