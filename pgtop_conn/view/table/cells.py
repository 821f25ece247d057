"""Rows: the cells of a line, fitted to a width and moved aside. What a column says and how wide it is: columns.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Generic

from pgtop_conn.model.snapshot import Backend
from pgtop_conn.view import format
from pgtop_conn.view.table.columns import (
    GROUP_COLUMNS,
    SESSION_COLUMNS,
    AnyPlaced,
    Cell,
    Column,
    Placed,
    Row,
    fit,
    placed_in,
    present,
)
from pgtop_conn.view.table.groups import Group
from pgtop_conn.view.table.lines import Frame, Line


@dataclass(frozen=True, slots=True)
class Window(Generic[Row]):
    """What a line shows of its columns when it is moved aside."""

    places: tuple[Placed[Row], ...]
    #: Columns that are out of sight, those at the left not counted, and cells of the query at the left.
    after: int = 0
    shift: int = 0


#: Cells by which a query moves when only it is left to move.
SHIFT = 20


@lru_cache(maxsize=64)
def window(columns: tuple[Column[Row], ...], width: int, steps: int) -> Window[Row]:
    """Columns moved aside by `steps`: the first stays, then one column a step leaves, at last the query moves.

    With no steps columns leave by their priority; moved aside they stand in their order, so that each comes by.
    """
    usual = fit(columns, width)
    crowded = len(usual) < len(columns) or any(place.width < place.column.width for place in usual)
    moved = steps - crowded
    if steps <= 0 or len(columns) < 2:
        return Window(usual, after=len(columns) - len(usual))
    start = 1 + min(moved, len(columns) - 2)
    widths = {0: min(columns[0].width or width, width)}
    room = width - widths[0] - 1
    for index in range(start, len(columns)):
        column = columns[index]
        wanted = min(column.width, room) if column.width else room
        if wanted < 1 or (index > start and wanted < (column.least or column.width)):
            break
        widths[index] = wanted
        room -= wanted + 1
    shift = (moved - start + 1) * SHIFT if not columns[-1].width else 0
    return Window(placed_in(columns, widths), len(columns) - 1 - max(widths), shift)


def most_steps(columns: tuple[Column[Row], ...], width: int, longest: int) -> int:
    """How often a line can be moved aside until the end of a query of `longest` cells is in sight.

    As often as there are columns where there is no room for the last one.
    """
    steps = len(columns) - 1
    while True:
        found = window(columns, width, steps)
        if not found.places or (found.after and steps > len(columns)):
            return len(columns) - 1
        last = found.places[-1]
        if found.after or (not last.column.width and longest - found.shift > last.width):
            steps += 1
        else:
            return steps


INDENT = 2

#: Open, closed.
ARROWS = {False: ("▾", "▸"), True: ("v", ">")}


def cells(line: Line, frame: Frame, width: int, aside: int = 0) -> list[tuple[AnyPlaced, Cell]]:
    """The cells of a line on `width` terminal cells, each with its place; texts are not yet cut to it, names are.

    A group's name carries its depth and arrow, so the columns of all groups stand under one header; sessions and
    their own header are moved right by their depth, and aside by as many steps.
    """
    if line.group is not None:
        places = fit(present(GROUP_COLUMNS, frame.tags.labelled, frame.hidden), width)
        counts = [(place, drawn(place, line.group, frame)) for place in places[1:]]
        return [*_named(places[0], line, line.group, frame), *counts]
    indent = min(INDENT * (line.depth + 1), width // 4)
    found = window(session_columns(frame), width - indent, aside)
    moved = [Placed(place.column, place.x + indent, place.width) for place in found.places]
    if line.backend is None:
        return _session_titles(moved, found, moved_aside=aside > 0)
    return [(place, _shifted(place, drawn(place, line.backend, frame), found.shift)) for place in moved]


def session_columns(frame: Frame) -> tuple[Column[Backend], ...]:
    """Those of sessions that are not switched off."""
    return present(SESSION_COLUMNS, frame.tags.labelled, frame.hidden)


def drawn(place: Placed[Row], row: Row, frame: Frame) -> Cell:
    """The cell for the cells there are: a name is abbreviated in its middle."""
    column = place.column
    if column.sized is not None:
        return column.sized(row, frame, place.width)
    cell = column.cell(row, frame)
    if not column.middle:
        return cell
    return Cell(format.abbreviated(cell.text, place.width, ascii=frame.ascii), cell.style)


def _shifted(place: Placed[Backend], cell: Cell, shift: int) -> Cell:
    if not shift or place.column.width:
        return cell
    rest = cell.text[shift + 1 :]
    return Cell(f"{format.MORE}{rest}" if rest else "", cell.style)


def title_of(place: Placed[Row]) -> str:
    column = place.column
    return column.short if column.short and len(column.title) > place.width else column.title


def _session_titles(
    places: list[Placed[Backend]], found: Window[Backend], *, moved_aside: bool
) -> list[tuple[AnyPlaced, Cell]]:
    """Titles; `<` and `>` say, as the keys do, that there are columns out of sight, and how many."""
    texts = [title_of(place) for place in places]
    if moved_aside:
        texts[0] = f"< {texts[0]}"
    if found.after:
        room = places[-1].width - len(texts[-1])
        signs = (f"> {found.after} more", f">{found.after}")
        sign = next((sign for sign in signs if room > len(sign)), signs[-1])
        texts[-1] += sign.rjust(max(room, len(sign) + 1))
    return [(place, Cell(text, "header")) for place, text in zip(places, texts, strict=True)]


def _named(place: Placed[Group], line: Line, found: Group, frame: Frame) -> list[tuple[AnyPlaced, Cell]]:
    """The name behind its arrow, abbreviated in the middle, and the flag of a leak behind it."""
    name = place.column.cell(found, frame)
    arrow = ARROWS[frame.ascii][0 if line.expanded else 1]
    lead = f" {' ' * min(INDENT * line.depth, place.width // 4)}{arrow} "
    flag = leak_flag(found, frame)
    if flag.text and len(lead) + format.cell_count(name.text) + 2 + len(flag.text) > place.width:
        # Without its number, then with a short name where there is no room.
        flag = Cell("leak", flag.style)
    room = place.width - len(lead) - (len(flag.text) + 1 if flag.text else 0)
    text = lead + format.abbreviated(name.text, max(1, room), ascii=frame.ascii)
    if not flag.text or room < 1:
        return [(place, Cell(text, name.style))]
    x = min(place.width - len(flag.text), format.cell_count(text) + 2)
    return [
        (Placed(place.column, place.x, x - 1), Cell(text, name.style)),
        (Placed(LEAK, place.x + x, len(flag.text)), flag),
    ]


LEAK: Column[Group] = Column("leak", "", 9, lambda found, frame: leak_flag(found, frame))


def leak_flag(found: Group, frame: Frame) -> Cell:
    """How many of a group's sessions look leaked, and how many do not; nothing where none does."""
    leaked = sum(1 for backend in found.backends if backend.key in frame.tags.leak) if frame.tags.leak else 0
    others = len(found.backends) - leaked
    return Cell(f"leak {leaked}{f' + {others}' if others else ''}" if leaked else "", "leak")


def titles(
    width: int, *, labelled: bool = False, hidden: frozenset[str] = frozenset()
) -> list[tuple[Placed[Group], Cell]]:
    """The sticky header of the table."""
    first, *others = fit(present(GROUP_COLUMNS, labelled, hidden), width)
    return [(first, Cell("   GROUP", "header")), *((place, Cell(title_of(place), "header")) for place in others)]
