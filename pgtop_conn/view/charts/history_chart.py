"""The history as a chart for a terminal: use over time by state or by application, on rows of exactly the width.

A column shows the poll of the highest use in its time. Characters differ as colours do, so that it reads without them.
What is stacked is in stacks.py.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import accumulate, groupby, pairwise

from pgtop_conn.model.history.moments import Mark, Totals
from pgtop_conn.model.history.timeline import TimeColumn, column_of, columns, in_order, restarts
from pgtop_conn.model.instants import moment
from pgtop_conn.view import format
from pgtop_conn.view.charts.stacks import STACKS
from pgtop_conn.view.charts.time_axis import clock, extent, ticks
from pgtop_conn.view.table.columns import Cell

Row = list[Cell]
#: A character and the name of its style.
Ink = tuple[str, str]

#: Beside the plot: figures of the height, and the axis.
AXIS = 7
#: Rows of the others leave while the plot has fewer than this.
PLOT_LEAST = 4


@dataclass(frozen=True, slots=True)
class ChartView:
    """What the user chose. Times are seconds of the server's clock; None shows everything there is."""

    #: A key of STACKS.
    by: str = "state"
    since: float | None = None
    until: float | None = None
    #: The time of the moment that is looked at.
    cursor: float | None = None
    #: UTC, or None for local time.
    zone: tzinfo | None = UTC
    ascii: bool = False
    #: The height is the peak's instead of max_connections', for a server that is hardly used.
    to_peak: bool = False


@dataclass(frozen=True, slots=True)
class _Glyphs:
    fills: str
    eighths: str
    ceiling: str
    ordinary: str
    corner: str
    floor: str
    tick: str
    cursor: str
    cursor_top: str
    peak: str


_DRAWN = _Glyphs("█▓▒░╬┼·", " ▁▂▃▄▅▆▇█", "─", "╌", "┼", "─", "┤", "│", "▼", "▾")
_ASCII = _Glyphs("#=+.x%:", "", "-", "~", "+", "-", "|", "|", "V", "v")

#: Under the axis: signals, restarts; where nobody looked the axis itself is a question mark.
TERMINATED, CANCELLED, RESTARTED, UNKNOWN = "x", "c", "R", "?"


def history_chart(
    totals: Sequence[Totals], marks: Sequence[Mark], width: int, height: int, view: ChartView
) -> list[Row]:
    """`height` rows, each exactly `width` cells; blank ones where there is no history yet."""
    polls = in_order(totals)
    found = columns(polls, max(1, width - AXIS), view.since, view.until)
    if not found or width < 1 or height < 1:
        return [[Cell(" " * max(0, width))] for _ in range(max(0, height))]
    drawing = _Drawing(polls, found, marks, width, view)
    parts = drawing.parts()
    above, below, plot = _arranged(parts, height)
    rows = [*above, *drawing.plot(plot), *below]
    more = format.ASCII_MORE if view.ascii else format.MORE
    return [_exactly(row, width, more) for row in rows]


#: From the least important: these leave first where the height is small.
_LEAVING = ("marks", "legend", "ceiling", "by group", "title", "cursor", "times", "axis")
_ABOVE, _BELOW = ("title", "ceiling"), ("axis", "marks", "times", "legend", "cursor", "by group")


def _arranged(parts: dict[str, Row], height: int) -> tuple[list[Row], list[Row], int]:
    """Rows above and below the plot, and the plot's height."""
    kept = dict(parts)
    for name in _LEAVING:
        if height - len(kept) >= PLOT_LEAST:
            break
        kept.pop(name, None)
    above = [kept[name] for name in _ABOVE if name in kept]
    below = [kept[name] for name in _BELOW if name in kept]
    return above, below, height - len(above) - len(below)


class _Drawing:
    """One chart while it is made: what its rows share."""

    def __init__(
        self, polls: Sequence[Totals], found: Sequence[TimeColumn], marks: Sequence[Mark], width: int, view: ChartView
    ) -> None:
        self.polls, self.columns, self.width, self.view = polls, found, width, view
        self.glyphs = _ASCII if view.ascii else _DRAWN
        self.until = polls[-1].at if view.until is None else view.until
        shown = self.shown = [column.totals for column in found if column.totals is not None]
        self.peak = max(shown, key=lambda one: one.used, default=None)
        most = max((one.used for one in shown), default=1)
        room = 0 if view.to_peak else max((one.max for one in shown), default=1)
        self.top = max(1, most, room)
        self.bands, self.stack = STACKS[view.by](shown)
        self.cursor = None if view.cursor is None else column_of(found, view.cursor, self.until)
        self.signs = self._signs(marks)

    def _signs(self, marks: Sequence[Mark]) -> dict[int, str]:
        found: dict[int, str] = {}
        for _before, after in restarts(self.polls):
            if (index := column_of(self.columns, after, self.until)) is not None:
                found[index] = RESTARTED
        for mark in marks:
            index = column_of(self.columns, mark.at, self.until)
            if index is not None and found.get(index) not in (TERMINATED, RESTARTED):
                found[index] = CANCELLED if mark.action == "cancel" else TERMINATED
        return found

    def parts(self) -> dict[str, Row]:
        """Every row beside the plot, by its name."""
        found = {
            "title": self._title(),
            "ceiling": self._ceiling(),
            "axis": self._axis(),
            "marks": self._marks(),
            "times": self._times(),
            "legend": self._legend(),
        }
        if self.cursor is not None:
            found["cursor"], found["by group"] = self._at_cursor()
        if not self.signs:
            del found["marks"]
        return found

    def _title(self) -> Row:
        step = self.columns[1].since - self.columns[0].since if len(self.columns) > 1 else 0.0
        first, last = self.columns[0].since, max(self.until, self.columns[0].since)
        zone = "UTC" if self.view.zone is UTC else "local"
        peak = "" if self.peak is None else f"  peak {self._used(self.peak)} at {clock(self.peak.at, self.view.zone)}"
        return [
            Cell(f" By {self.view.by}", "title"),
            Cell(peak, "count"),
            Cell(f"  {extent(first, last, self.view.zone)} {zone}", "dim"),
            Cell(f"  most of each {format.duration(step) or '0s'}", "dim"),
        ]

    def _used(self, one: Totals) -> str:
        sign = "" if one.exact else ("<=" if self.view.ascii else "≤")
        return f"{sign}{one.used}"

    def _ceiling(self) -> Row:
        """The line of max_connections, above the plot, or where that is."""
        newest = self._newest()
        if newest is None:
            return [Cell(" " * AXIS)]
        char = self.glyphs.ceiling if self.top <= newest.max else " "
        line: list[Ink] = [(char, "reserve")] * len(self.columns)
        label = " max" if self.top == newest.max else f" max {newest.max}"
        if len(line) > 4 * len(label) and self.top <= newest.max:
            line[-len(label) :] = [(letter, "dim") for letter in label]
        if self.peak is not None and self.peak.used >= self.top:
            line[self._peak_column()] = (self.glyphs.peak, "count")
        if self.cursor is not None:
            line[self.cursor] = (self.glyphs.cursor_top, "title")
        return [Cell(f"{self.top:>{AXIS - 2}} ", "dim"), Cell(self.glyphs.tick, "dim"), *_runs(line)]

    def _newest(self) -> Totals | None:
        return next((column.totals for column in reversed(self.columns) if column.totals), None)

    def _peak_column(self) -> int:
        assert self.peak is not None
        return column_of(self.columns, self.peak.at, self.until) or 0

    def plot(self, height: int) -> list[Row]:
        """The columns on `height` rows, the highest first, with the axis beside them."""
        drawn = [self._column(index, height) for index in range(len(self.columns))]
        labels = self._labels(height)
        rows = []
        for line in range(height, 0, -1):
            ink = [column[line - 1] for column in drawn]
            rows.append([Cell(f"{labels.get(line, ''):>{AXIS - 2}} "), Cell(self.glyphs.tick, "dim"), *_runs(ink)])
        return rows

    def _labels(self, height: int) -> dict[int, str]:
        """Figures beside rows: what their upper edge stands for, and the ordinary line's own."""
        lines = {round(height * quarter / 4) for quarter in (1, 2, 3)} - {0, height}
        labels = {line: str(self.top * line // height) for line in lines} if height >= 2 * PLOT_LEAST else {}
        newest = self._newest()
        if newest is not None and 0 < newest.ordinary_capacity < self.top:
            line = _line_of(newest.ordinary_capacity, self.top, height)
            for near in (line - 1, line, line + 1):
                labels.pop(near, None)
            labels[line] = str(newest.ordinary_capacity)
        return labels

    def _column(self, index: int, height: int) -> list[Ink]:
        """The cells of one column, the lowest first."""
        found = self.columns[index].totals
        cells: list[Ink] = [(" ", "")] * height
        filled = 0
        if found is not None:
            if 0 < found.ordinary_capacity <= self.top:
                cells[_line_of(found.ordinary_capacity, self.top, height) - 1] = (self.glyphs.ordinary, "critical")
            if found.max < self.top:
                cells[_line_of(found.max, self.top, height) - 1] = (self.glyphs.ceiling, "reserve")
            filled = self._fill(cells, found)
        if index == self.cursor:
            above = [(self.glyphs.cursor, "title")] * (height - filled)
            return [(char, "cursor") for char, _style in cells[:filled]] + above
        if self.peak is not None and filled < height and index == self._peak_column():
            cells[filled] = (self.glyphs.peak, "count")
        return cells

    def _fill(self, cells: list[Ink], found: Totals) -> int:
        """The stack from below, each cell of the band that has most of it; says how many cells that took."""
        height = len(cells)
        counts = self.stack(found)
        # Something is never drawn as nothing, and nothing above the top.
        eighths = min(8 * height, max(1, round(8 * height * found.used / self.top))) if found.used > 0 else 0
        whole, rest = divmod(eighths, 8)
        filled = min(height, whole + (1 if rest else 0))
        edges = list(accumulate(counts, initial=0))
        step = self.top / height
        for line in range(filled):
            low, high = line * step, min(line * step + step, max(found.used, line * step))
            shares = [min(end, high) - max(begin, low) for begin, end in pairwise(edges)]
            band = shares.index(max(shares))
            char = self.glyphs.fills[band]
            if line == whole and rest and self.glyphs.eighths:
                char = self.glyphs.eighths[rest]
            cells[line] = (char, self.bands[band].style)
        return filled

    def _axis(self) -> Row:
        ink: list[Ink] = [(UNKNOWN, "warning") if column.gap else (self.glyphs.floor, "dim") for column in self.columns]
        marked = ticks(self.columns[0].since, self.until, len(self.columns), self.view.zone)
        for index, _label in marked:
            if not self.columns[index].gap:
                ink[index] = (self.glyphs.corner, "dim")
        return [Cell(f"{0:>{AXIS - 2}} ", "dim"), Cell(self.glyphs.corner, "dim"), *_runs(ink)]

    def _marks(self) -> Row:
        ink: list[Ink] = [(self.signs.get(index, " "), "critical") for index in range(len(self.columns))]
        return [Cell(f"{'signals':>{AXIS}}", "dim"), *_runs(ink)]

    def _times(self) -> Row:
        line = " " * len(self.columns)
        for index, label in ticks(self.columns[0].since, self.until, len(self.columns), self.view.zone):
            line = f"{line[:index]}{label}{line[index + len(label) :]}"
        return [Cell(" " * AXIS), Cell(line[: len(self.columns)], "dim")]

    def _legend(self) -> Row:
        row = [Cell(" ")]
        counts = [self.stack(one) for one in self.shown]
        for number, band in enumerate(self.bands):
            if any(one[number] for one in counts):
                row += [Cell(f"{self.glyphs.fills[number]} ", band.style), Cell(f"{band.title}  ")]
        row.append(Cell(f"{self.glyphs.ordinary} ordinary  ", "critical"))
        if any(column.gap for column in self.columns):
            row.append(Cell(f"{UNKNOWN} unseen  ", "warning"))
        said = {RESTARTED: "restart", TERMINATED: "terminated", CANCELLED: "cancelled"}
        return [*row, *(Cell(f"{sign} {said[sign]}  ", "critical") for sign in said if sign in self.signs.values())]

    def _at_cursor(self) -> tuple[Row, Row]:
        """What the moment under the cursor says, in two rows."""
        at = self.view.cursor or 0.0
        near = bisect_left(self.polls, at, key=lambda one: one.at)
        one = min(self.polls[max(0, near - 1) : near + 1], key=lambda found: abs(found.at - at))
        when = moment(one.at, self.view.zone).strftime("%Y-%m-%d %H:%M:%S")
        first = [
            Cell(f" {self.glyphs.cursor_top} {when}", "title"),
            Cell(f"   {self._used(one)}/{one.max}  {format.percent(one.used, one.max)}", "count"),
            Cell(f"   ordinary {one.ordinary_free} free", "" if one.ordinary_free else "critical"),
            Cell(f"   idle up to {format.duration(one.oldest_idle_s)}" if one.oldest_idle_s else "", "dim"),
        ]
        counts = self.stack(one)
        second = [Cell("   ")]
        for band, count in zip(self.bands, counts, strict=True):
            second.append(Cell(f"{band.title} {count}   ", band.style if count else "faint"))
        return first, second


def _line_of(value: int, top: int, height: int) -> int:
    """The row, counted from 1 below, that holds a line at `value`."""
    return min(height, max(1, -(-value * height // top)))


def _runs(ink: Sequence[Ink]) -> Row:
    """Characters that share a style as one cell."""
    return [Cell("".join(char for char, _ in run), style) for style, run in groupby(ink, key=lambda one: one[1])]


def _exactly(row: Row, width: int, more: str) -> Row:
    """Cut or padded to `width` cells, cut with a sign."""
    kept, room = [], width
    for index, cell in enumerate(row):
        length = format.cell_count(cell.text)
        if length > room or (length == room and any(other.text.strip() for other in row[index + 1 :])):
            text = f"{format.first_cells(cell.text.rstrip(), room - 1)}{more}" if room > 0 else ""
            kept.append(Cell(text, cell.style))
            room -= format.cell_count(text)
            break
        kept.append(cell)
        room -= length
    return [*(cell for cell in kept if cell.text), *([Cell(" " * room)] if room > 0 else [])]
