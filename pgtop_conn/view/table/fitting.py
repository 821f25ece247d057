"""How wide each column of a line is: columns shrink, then leave, then grow where there is room. Cells, never texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Shape(Protocol):
    """What a column asks for; `width` 0 is the flexible one, of which a line has one at most."""

    @property
    def width(self) -> int: ...

    @property
    def least(self) -> int:
        """Shrinks no further; 0 does not shrink."""

    @property
    def most(self) -> int:
        """Grows to this; 0 does not grow, or without end where it is the flexible one."""

    @property
    def comfort(self) -> int:
        """Cells the flexible one has before others grow."""

    @property
    def leaves(self) -> int:
        """The highest leaves first; 0 never does."""


#: A third of a line, what every line needs left out, is the flexible column's before any other may stay.
FLEXIBLE_PART = 3
NEEDED = 20


def least_of(shape: Shape, width: int) -> int:
    """The fewest cells a column stays with on a line of `width`."""
    if shape.width:
        return shape.least or shape.width
    return max(shape.least, min(shape.comfort, (width - NEEDED) // FLEXIBLE_PART))


def kept(shapes: Sequence[Shape], width: int) -> list[int]:
    """The indices of those that stay, one blank between them."""
    indices = list(range(len(shapes)))
    while indices:
        needed = sum(least_of(shapes[index], width) + 1 for index in indices) - 1
        leaving = max(indices, key=lambda index: (shapes[index].leaves, index))
        if needed <= width or not shapes[leaving].leaves:
            break
        indices.remove(leaving)
    return indices


def widths(shapes: Sequence[Shape], width: int) -> dict[int, int]:
    """Cells of each column that stays, by its index; with the blanks between them never more than `width`."""
    staying = kept(shapes, width)
    found = {index: least_of(shapes[index], width) for index in staying}
    room = width - sum(cells + 1 for cells in found.values()) + 1
    if room < 0:
        return _squeezed(found, room)
    important_first = sorted(staying, key=lambda index: shapes[index].leaves)
    fixed = [index for index in important_first if shapes[index].width]
    flexible = [index for index in staying if not shapes[index].width]
    goals = [
        *((index, shapes[index].comfort // 2) for index in flexible),
        *((index, shapes[index].width) for index in fixed),
        *((index, shapes[index].comfort) for index in flexible),
        *((index, shapes[index].most) for index in fixed),
        *((index, shapes[index].most or width) for index in flexible),
    ]
    for index, goal in goals:
        more = min(room, max(0, goal - found[index]))
        found[index] += more
        room -= more
    return found


def _squeezed(found: dict[int, int], room: int) -> dict[int, int]:
    """Less than the least of those that never leave: the widest give way, and the last leave when all are narrow."""
    found = dict(found)
    while room < 0 and found:
        widest = max(found, key=lambda index: found[index])
        if found[widest] > 1:
            found[widest] -= 1
            room += 1
        else:
            room += found.popitem()[1] + 1
    return found
