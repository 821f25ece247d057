"""The history as a chart: slots in use over time, where signals were sent, and a time to go to."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from pgtop_conn.model.history.moments import Tape
from pgtop_conn.model.history.seek import nearest_before, next_mark, next_peak
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys.history import BINDINGS
from pgtop_conn.tui.widgets.gauges import KeyLine
from pgtop_conn.tui.widgets.line_view import CellBlock, RowList
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.tui.widgets.too_small import TooSmall
from pgtop_conn.view.charts.history_chart import AXIS, ChartView, history_chart
from pgtop_conn.view.charts.stacks import STACKS
from pgtop_conn.view.table.columns import Cell

#: What the zoom keys show, in seconds; behind the last one is everything.
SPANS_S = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 86_400.0)
#: A page of the cursor is one of so many parts of the width.
PAGES = 8


class HistoryScreen(Dialog[float | None]):
    """Dismissed with the server time to go to, or None. What comes in meanwhile is drawn with it."""

    BINDINGS: ClassVar[list[BindingType]] = [*BINDINGS]

    def __init__(self, tape: Tape, index: int, *, ascii_only: bool) -> None:
        super().__init__(RowList(id="dialog-body"))
        self._tape = tape
        self._ascii = ascii_only
        self._at = tape.times[index]
        #: On the newest poll the cursor goes on with the polls.
        self._follows = index == len(tape.times) - 1
        self._stack = next(iter(STACKS))
        self._span_s: float | None = None
        self._to_peak = False
        self._chart = CellBlock(id="history-chart")
        self._keys = KeyLine(id="history-keys")

    def compose(self) -> ComposeResult:
        with Vertical(id="history"):
            yield self._chart
            yield self._keys
        yield TooSmall()

    def _fit(self) -> None:
        """As large as the terminal."""

    def renew(self, snapshot: Snapshot) -> None:
        if self._follows:
            self._at = self._tape.times[-1]
        self.draw()

    def draw(self) -> None:
        shown = [one for one in self._bindings_in_order() if one.show]
        self._keys.show_bindings(shown)
        self._chart.show(self._rows)

    def _bindings_in_order(self) -> list[Binding]:
        return [one for one in self.BINDINGS if isinstance(one, Binding)]

    def _rows(self, width: int) -> list[Row]:
        since, until = self._window()
        chart = ChartView(
            by=self._stack,
            since=since,
            until=until,
            cursor=self._at,
            zone=None,
            ascii=self._ascii,
            to_peak=self._to_peak,
        )
        rows = history_chart(self._tape.totals, self._tape.marks, width, self._chart.size.height, chart)
        return [list(row) for row in rows] or [[Cell(" Nothing is kept yet.", "dim")]]

    def _window(self) -> tuple[float, float]:
        """The time that is shown: the cursor is in it, in the middle where there is more on both sides."""
        first, last = self._extent
        if self._span_s is None or self._span_s >= last - first:
            return first, last
        since = min(max(first, self._at - self._span_s / 2), last - self._span_s)
        return since, since + self._span_s

    @property
    def _extent(self) -> tuple[float, float]:
        """The earliest and the latest time: a server's clock may be behind that of the one before it."""
        times = self._tape.times
        return min(times), max(times)

    @property
    def _index(self) -> int:
        return nearest_before(self._tape.times, self._at)

    def _put(self, index: int) -> None:
        times = self._tape.times
        index = min(max(0, index), len(times) - 1)
        self._at, self._follows = times[index], index == len(times) - 1
        self.draw()

    def action_move(self, lines: int) -> None:
        """By columns, but always to another poll."""
        since, until = self._window()
        column_s = (until - since) / max(1, self._chart.size.width - AXIS)
        index = nearest_before(self._tape.times, self._at + lines * column_s)
        if index == self._index:
            index += 1 if lines > 0 else -1
        self._put(index)

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self._chart.size.width // PAGES))

    def action_step(self, step: int) -> None:
        self._put(self._index + step)

    def action_edge(self, side: int) -> None:
        self._put(0 if side < 0 else len(self._tape.times) - 1)

    def action_signal(self, step: int) -> None:
        self._put_if(next_mark(self._tape.marks, self._tape.times, self._index, step))

    def action_peak(self, step: int) -> None:
        self._put_if(next_peak(self._tape.totals, self._index, step))

    def _put_if(self, index: int | None) -> None:
        if index is not None:
            self._put(index)

    def action_stack(self) -> None:
        names = list(STACKS)
        self._stack = names[(names.index(self._stack) + 1) % len(names)]
        self.draw()

    def action_scale(self) -> None:
        self._to_peak = not self._to_peak
        self.draw()

    def action_zoom(self, step: int) -> None:
        first, last = self._extent
        whole = last - first
        spans: list[float | None] = [*(span for span in SPANS_S if span < whole), None]
        index = spans.index(self._span_s) if self._span_s in spans else len(spans) - 1
        self._span_s = spans[min(max(0, index + step), len(spans) - 1)]
        self.draw()

    def action_go(self) -> None:
        self.dismiss(self._at)

    def action_close(self) -> None:
        self.dismiss(None)
