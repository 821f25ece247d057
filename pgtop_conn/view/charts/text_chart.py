"""A number over time as a chart in plain text, and the curve of when the sessions that are here began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from pgtop_conn.model.instants import moment
from pgtop_conn.model.slots import may_hold_slot
from pgtop_conn.model.snapshot import Backend

Points = Sequence[tuple[float, int]]

WIDTH = 60
HEIGHT = 8
_EIGHTHS = " ▁▂▃▄▅▆▇█"
#: How far back the curve of beginnings may go.
SPANS_S = (120.0, 600.0, 3600.0, 6 * 3600.0, 86_400.0)
#: The shortest of those that shows such a share of what began within the longest.
SHOWN_SHARE = 0.9


def chart(points: Points, top: int, marks: Sequence[tuple[int, str]] = ()) -> list[str]:
    """Lines of a chart from 0 to `top`; a column shows the highest value of its time, or the last one before.

    `marks` name heights, e.g. where ordinary logins are refused.
    """
    if not points or top <= 0:
        return []
    columns = _columns(points)
    labels = {_line_of(value, top): f"{value} {text}" for value, text in reversed(marks)}
    lines = []
    for line in range(HEIGHT, 0, -1):
        cells = "".join(_cell(value, top, line) for value in columns)
        axis = str(top) if line == HEIGHT else ""
        label = f" ← {labels[line]}" if line in labels else ""
        lines.append(f"{axis:>6} ┤{cells}{label}".rstrip())
    first, last = _clock(points[0][0]), _clock(points[-1][0])
    gap = " " * max(1, len(columns) - len(first) - len(last))
    return [*lines, f"{0:>6} ┼{'─' * len(columns)}", f"{'':>8}{first}{gap}{last} UTC"]


def _line_of(value: int, top: int) -> int:
    return min(HEIGHT, max(1, -(-value * HEIGHT // top)))


def _cell(value: int, top: int, line: int) -> str:
    eighths = round(8 * HEIGHT * min(value, top) / top)
    # Something is never drawn as nothing.
    eighths = max(eighths, 1) if value > 0 else 0
    return _EIGHTHS[min(8, max(0, eighths - 8 * (line - 1)))]


def _columns(points: Points) -> list[int]:
    """One value a column; no more columns than points would fill, and at least a legible axis."""
    first, last = points[0][0], points[-1][0]
    width = WIDTH if len(points) > 1 else 1
    span = (last - first) or 1.0
    columns: list[int | None] = [None] * width
    for at, value in points:
        index = min(width - 1, max(0, int((at - first) / span * width)))
        columns[index] = max(value, columns[index] or 0)
    filled, before = [], points[0][1]
    for column in columns:
        before = before if column is None else column
        filled.append(before)
    return filled


def _clock(at: float) -> str:
    return moment(at, UTC).strftime("%H:%M:%S")


def beginnings(backends: Sequence[Backend], at: float) -> list[tuple[float, int]]:
    """How many of the sessions that hold a slot now had begun by when: a lower bound of how many there were.

    Empty where hardly any beginning is known.
    """
    begun = sorted(b.key.backend_start for b in backends if may_hold_slot(b) and b.key.backend_start is not None)
    if len(begun) < 2:
        return []
    recent = [start for start in begun if start > at - SPANS_S[-1]]
    enough = SHOWN_SHARE * len(recent)
    span = next(span for span in SPANS_S if sum(start > at - span for start in recent) >= enough)
    before = sum(start <= at - span for start in begun)
    # Nothing is drawn of the time before the first of them.
    points = [(at - span if before else begun[0], before)]
    points += [(start, before + number) for number, start in enumerate(begun[before:], 1)]
    return [*points, (max(at, points[-1][0]), len(begun))]
