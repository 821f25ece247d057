"""The history, and use by hour of the day, as SVG for a page: shapes with classes, coloured by the page's style.

Every text from outside goes through html.escape; nothing refers to anything outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from html import escape
from itertools import groupby

from pgtop_conn.model.history.moments import Mark, Totals
from pgtop_conn.model.history.timeline import TimeColumn, column_of, columns, gaps, restarts
from pgtop_conn.model.history.usage import Usage
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.view.charts.stacks import STACKS
from pgtop_conn.view.charts.time_axis import clock, ticks

WIDTH, HEIGHT = 960, 334
#: Of the plot: left, top, right, bottom.
LEFT, TOP, RIGHT, BOTTOM = 48, 44, 860, 284
#: Pixels of one column.
STEP = 2
#: Labels of the axis are so far from each other, in pixels, and lines of text so high.
APART, LINE = 80, 14
#: Signals that are drawn; more would be one black bar.
MOST_MARKS = 400

Segment = list[tuple[int, Totals]]


def history_svg(totals: Sequence[Totals], marks: Sequence[Mark], by: str) -> str:
    """The chart of the whole history, with its legend; `totals` in the order of time, and at least one."""
    found = columns(totals, (RIGHT - LEFT) // STEP)
    shown = [column.totals for column in found if column.totals is not None]
    top = max(1, *(one.max for one in shown), *(one.used for one in shown))
    bands, stack = STACKS[by](shown)
    paths = [
        f'<path class="{by} band{number}" d="{_area(found, top, number, stack)}"/>' for number in range(len(bands))
    ]
    parts = [
        f"<title>Slots in use over time by {'application' if by == 'app' else by}</title>",
        *_grid(top),
        *_unseen(found, totals),
        *(path for path in paths if ' d=""' not in path),
        *_lines(found, top),
        *_peak(found, shown, top),
        *_signs(found, totals, marks),
        *_times(totals),
        *_legend(
            [band.title if any(stack(one)[n] for one in shown) else "" for n, band in enumerate(bands)], by, marks
        ),
    ]
    return _svg(parts, HEIGHT)


def column_s(totals: Sequence[Totals]) -> float:
    """The time that one step of the chart stands for."""
    return max(1.0, totals[-1].at - totals[0].at) * STEP / (RIGHT - LEFT)


def _svg(parts: Sequence[str], height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    return "\n".join([head, *parts, "</svg>"])


def _x(index: int) -> int:
    return LEFT + STEP * index


def _y(value: float, top: int) -> str:
    return f"{BOTTOM - (BOTTOM - TOP) * min(value, top) / top:.1f}".removesuffix(".0")


def _segments(found: Sequence[TimeColumn]) -> list[Segment]:
    """Columns in a row that are known."""
    known = [(index, column.totals) for index, column in enumerate(found)]
    runs = groupby(known, key=lambda one: one[1] is not None)
    return [[(index, one) for index, one in run if one is not None] for is_known, run in runs if is_known]


def _area(found: Sequence[TimeColumn], top: int, number: int, stack: Callable[[Totals], list[int]]) -> str:
    """The steps of one band's upper edge, and back along its lower one; nothing where it is empty throughout."""
    pieces = []
    for segment in _segments(found):
        edges = [(index, *_edges(stack(one), number, one.used)) for index, one in segment]
        if any(high > low for _, low, high in edges):
            ahead = "".join(f"V{_y(high, top)}H{_x(index + 1)}" for index, _, high in edges)
            back = "".join(f"V{_y(low, top)}H{_x(index)}" for index, low, _ in reversed(edges))
            pieces.append(f"M{_x(segment[0][0])} {_y(edges[0][1], top)}{ahead}{back}Z")
    return "".join(pieces)


def _edges(counts: Sequence[int], number: int, used: int) -> tuple[int, int]:
    """From where to where a band goes; no stack is higher than what is used."""
    low = min(used, sum(counts[:number]))
    return low, min(used, low + counts[number])


def _grid(top: int) -> list[str]:
    parts = []
    for quarter in range(5):
        value = top * quarter // 4
        y = _y(value, top)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{RIGHT}"/>')
        parts.append(f'<text class="label end" x="{LEFT - 6}" y="{float(y) + 4:.1f}">{value}</text>')
    return parts


def _lines(found: Sequence[TimeColumn], top: int) -> list[str]:
    """max_connections and what ordinary logins may use, as they were at each time, named at the right."""
    parts = []
    for name in ("ceiling", "ordinary"):
        path = ""
        for segment in _segments(found):
            steps = "".join(f"V{_y(_height(one, name), top)}H{_x(index + 1)}" for index, one in segment)
            path += f"M{_x(segment[0][0])} {_y(_height(segment[0][1], name), top)}{steps}"
        parts.append(f'<path class="{name}" d="{path}"/>')
    newest = _segments(found)[-1][-1][1]
    first = float(_y(newest.max, top)) + 4
    second = max(float(_y(newest.ordinary_capacity, top)) + 4, first + LINE)
    parts.append(f'<text class="label" x="{RIGHT + 6}" y="{first:.1f}">max {newest.max}</text>')
    words = f"ordinary {newest.ordinary_capacity}"
    parts.append(f'<text class="label ordinary-label" x="{RIGHT + 6}" y="{second:.1f}">{words}</text>')
    return parts


def _height(one: Totals, name: str) -> int:
    return one.max if name == "ceiling" else one.ordinary_capacity


def _unseen(found: Sequence[TimeColumn], totals: Sequence[Totals]) -> list[str]:
    """A patch where nobody looked."""
    until = totals[-1].at
    parts = []
    for before, after in gaps(totals):
        left, right = column_of(found, before, until), column_of(found, after, until)
        if left is not None and right is not None and right - left > 1:
            width = _x(right) - _x(left + 1)
            place = f'x="{_x(left + 1)}" y="{TOP}" width="{width}" height="{BOTTOM - TOP}"'
            parts.append(f'<rect class="unseen" {place}/>')
            if width > 50:
                middle = _x(left + 1) + width // 2
                parts.append(f'<text class="label middle" x="{middle}" y="{(TOP + BOTTOM) // 2}">not seen</text>')
    return parts


def _peak(found: Sequence[TimeColumn], shown: Sequence[Totals], top: int) -> list[str]:
    peak = max(shown, key=lambda one: one.used)
    x = _x(column_of(found, peak.at, peak.at) or 0) + STEP // 2
    y = _y(peak.used, top)
    side = "end" if x > (LEFT + RIGHT) // 2 else "start"
    words = f"peak {'' if peak.exact else '≤'}{peak.used} at {clock(peak.at, UTC)}"
    return [
        f'<circle class="peak" cx="{x}" cy="{y}" r="3.5"/>',
        f'<path class="leader" d="M{x} {y}V{TOP - 22}"/>',
        f'<text class="label strong {side}" x="{x + (-5 if side == "end" else 5)}" y="{TOP - 24}">{words}</text>',
    ]


def _signs(found: Sequence[TimeColumn], totals: Sequence[Totals], marks: Sequence[Mark]) -> list[str]:
    """Restarts as lines, signals as ticks below the axis; what each was is its tooltip."""
    until = totals[-1].at
    parts = []
    for _before, after in restarts(totals):
        if (index := column_of(found, after, until)) is not None:
            parts.append(f'<path class="restart" d="M{_x(index)} {TOP}V{BOTTOM}"/>')
            parts.append(f'<text class="label middle" x="{_x(index)}" y="{TOP - 6}">restart</text>')
    for mark in marks[-MOST_MARKS:]:
        if (index := column_of(found, mark.at, until)) is not None:
            x = _x(index)
            told = f"{clock(mark.at, UTC)} {mark.action} {mark.pid} {mark.role} {mark.app}: {mark.outcome}"
            kind = "cancel" if mark.action == "cancel" else "terminate"
            parts.append(_mark(kind, x, BOTTOM + 1, f"<title>{_text(told)}</title>"))
    return parts


def _mark(kind: str, x: int, y: int, inside: str = "") -> str:
    return f'<polygon class="mark {kind}" points="{x},{y} {x - 4},{y + 8} {x + 4},{y + 8}">{inside}</polygon>'


def _times(totals: Sequence[Totals]) -> list[str]:
    parts = [f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>']
    for offset, label in ticks(totals[0].at, totals[-1].at, RIGHT - LEFT, UTC, APART):
        x = LEFT + offset
        parts.append(f'<path class="axis" d="M{x} {BOTTOM}V{BOTTOM + 4}"/>')
        parts.append(f'<text class="label middle" x="{x}" y="{BOTTOM + 22}">{label}</text>')
    return parts


def _legend(titles: Sequence[str], by: str, marks: Sequence[Mark]) -> list[str]:
    """A patch and its name, from left to right, where the band is anywhere; then the signals."""
    parts, x, y = [], LEFT, HEIGHT - 8
    for number, title in enumerate(titles):
        if title:
            parts.append(f'<rect class="{by} band{number}" x="{x}" y="{y - 10}" width="12" height="12" rx="2"/>')
            parts.append(f'<text class="label" x="{x + 17}" y="{y}">{_text(title)}</text>')
            x += 17 + 7 * len(title) + 20
    for kind in ("terminate", "cancel"):
        if any((mark.action == "cancel") == (kind == "cancel") for mark in marks):
            parts.append(_mark(kind, x + 4, y - 8))
            parts.append(f'<text class="label" x="{x + 14}" y="{y}">{kind}</text>')
            x += 90
    return parts


def hours_svg(found: Usage) -> str:
    """Use by hour of the day: a bar for the average, a line for the most; where nobody looked a question mark."""
    bottom, pitch = 150, (RIGHT - LEFT) / 24
    top = max(1, found.max, found.peak)

    def y(value: float) -> float:
        return bottom - (bottom - 16) * value / top

    parts = ["<title>Slots in use by hour of the day</title>"]
    for value in (0, top // 2, top):
        parts.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{RIGHT}"/>')
        parts.append(f'<text class="label end" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{value}</text>')
    for hour in range(24):
        x, width = LEFT + hour * pitch + 3, pitch - 6
        one = found.hours.get(hour)
        middle = f"{x + width / 2:.1f}"
        if one is None:
            parts.append(f'<text class="label middle" x="{middle}" y="{bottom - 4}">?</text>')
        else:
            told = f"{hour:02}:00 {one.mean:.1f} on average, {one.most} at most"
            place = f'x="{x:.1f}" y="{y(one.mean):.1f}" width="{width:.1f}" height="{bottom - y(one.mean):.1f}"'
            parts.append(f'<rect class="hour" {place}><title>{told}</title></rect>')
            parts.append(f'<path class="most" d="M{x:.1f} {y(one.most):.1f}h{width:.1f}"/>')
        parts.append(f'<text class="label middle" x="{middle}" y="{bottom + 16}">{hour:02}</text>')
    parts.append(f'<path class="ordinary" d="M{LEFT} {y(found.ordinary_capacity):.1f}H{RIGHT}"/>')
    words = f"ordinary {found.ordinary_capacity}"
    parts.append(
        f'<text class="label ordinary-label" x="{RIGHT + 6}" y="{y(found.ordinary_capacity) + 4:.1f}">{words}</text>'
    )
    return _svg(parts, bottom + 26)


def _text(text: str) -> str:
    return escape(clean(one_line(text)))
