"""The chart of a history: every row has its width at any size, and what it shows reads without colours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.model.history.moments import Mark, Totals
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IN_TRANSACTION
from pgtop_conn.view.charts.history_chart import PLOT_LEAST, ChartView, history_chart
from pgtop_conn.view.charts.stacks import STACKS
from pgtop_conn.view.charts.time_axis import ticks
from pgtop_conn.view.format import cell_count
from pgtop_conn.view.table.columns import Cell
from tests.support.data.factories import NOW
from tests.support.data.histories import STARTED, histories, make_mark, make_totals, marks, series


def lines(rows: Sequence[Sequence[Cell]]) -> list[str]:
    return ["".join(cell.text for cell in row) for row in rows]


def drawn(
    totals: Sequence[Totals], marks: Sequence[Mark] = (), width: int = 80, height: int = 24, **view: object
) -> str:
    return "\n".join(lines(history_chart(totals, marks, width, height, ChartView(**view))))  # type: ignore[arg-type]


@st.composite
def views(draw: st.DrawFn, history: list[Totals]) -> ChartView:
    times = st.one_of(st.none(), st.floats(history[0].at - 50, history[-1].at + 50))
    return ChartView(
        by=draw(st.sampled_from(sorted(STACKS))),
        since=draw(times),
        until=draw(times),
        cursor=draw(times),
        zone=draw(st.sampled_from((None, UTC, timezone(timedelta(hours=5, minutes=45))))),
        ascii=draw(st.booleans()),
        to_peak=draw(st.booleans()),
    )


@settings(max_examples=100)
@given(histories(max_size=15), st.integers(0, 300), st.integers(0, 60), st.data())
def test_every_row_has_its_width_at_every_size(
    history: list[Totals], width: int, height: int, data: st.DataObject
) -> None:
    signals = data.draw(marks(history[0].at, history[-1].at))
    rows = history_chart(history, signals, width, height, data.draw(views(history)))
    assert [cell_count(line) for line in lines(rows)] == [width] * height


@pytest.mark.parametrize("by", sorted(STACKS))
def test_without_a_poll_it_is_blank(by: str) -> None:
    assert lines(history_chart([], [], 10, 2, ChartView(by=by))) == [" " * 10] * 2


def incident() -> list[Totals]:
    """Half an hour: quiet, nobody looking for ten minutes, a restart, then a leak up to the last slot."""
    quiet = [
        make_totals(
            NOW + 10 * number,
            40,
            states={ACTIVE: 10, IN_TRANSACTION: 5, IDLE: 20, ABORTED: 5},
            apps={"web": 30, "reporting": 10},
        )
        for number in range(60)
    ]
    leak = [
        make_totals(
            NOW + 1200 + 10 * number,
            min(100, 40 + number),
            states={ACTIVE: 10, IDLE: 30 + number},
            apps={"web": 30, "billing": number},
            started_at=STARTED + 90,
        )
        for number in range(61)
    ]
    return [*quiet, *leak]


def test_what_it_shows() -> None:
    signals = [make_mark(NOW + 1700), make_mark(NOW + 100, action="cancel")]
    text = drawn(incident(), signals, cursor=NOW + 1500)
    rows = text.split("\n")
    assert len(rows) == 24
    assert "peak 100 at 12:30:00" in rows[0]
    assert "2026-03-01 12:00-12:30 UTC" in rows[0]
    assert "most of each 24s" in rows[0]
    assert rows[1].startswith("  100 ┤───")
    assert rows[2].startswith("   97 ┤╌╌╌")
    axis = next(row for row in rows if row.startswith("    0 ┼"))
    assert "???" in axis
    signs = next(row for row in rows if row.startswith("signals"))
    assert [signs.index(sign) for sign in "cRx"] == [7 + 4, 7 + 48, 7 + 68]
    assert "12:10" in text
    assert "▼ 2026-03-01 12:25:00   70/100  70 %   ordinary 27 free" in rows[-2]
    assert "active 10   idle in tx 0   aborted tx 0   idle 60" in rows[-1]
    legend = rows[-3]
    assert all(word in legend for word in ("█ active", "░ idle", "╌ ordinary", "? unseen", "R restart"))


def test_it_reads_without_colours() -> None:
    text = drawn(incident())
    assert all(char in text for char in "█▓░▒╌")
    plot = [row[7:] for row in text.split("\n") if row[6] == "┤"]
    # Where nobody looked nothing is drawn, not even the lines.
    assert {row[30] for row in plot[1:]} == {" "}


def test_a_thin_band_at_the_top_does_not_colour_what_is_below_it() -> None:
    """20 rows of 5 slots each: 47 are used, and of the top row's part an aborted one is not the most."""
    totals = series([47] * 3, 60, states={ACTIVE: 10, IDLE: 36, ABORTED: 1})
    rows = history_chart(totals, [], 80, 26, ChartView())
    column = [next((cell.style for cell in reversed(row) if cell.text.strip()), "") for row in rows]
    plot = [style for row, style in zip(lines(rows), column, strict=True) if row[6:7] == "┤"][1:]
    assert plot[-2:] == ["active", "active"]
    assert set(plot[-9:-2]) == {"idle"}
    assert "aborted" not in plot


def test_ascii_alone_where_only_that_can_be_drawn() -> None:
    for by in STACKS:
        text = drawn(incident(), [make_mark(NOW + 1700)], 60, 20, by=by, ascii=True, cursor=NOW + 20)
        assert text.isascii()


def test_by_application_the_largest_are_named_and_the_rest_is_one() -> None:
    apps = {f"app{number}": 10 - number for number in range(8)} | {"": 11}
    text = drawn(series([60] * 30, apps=apps), by="app", cursor=NOW)
    assert "█ (no name)  ▓ app0  ▒ app1  ░ app2  ╬ app3  ┼ other" in text
    assert "(no name) 11   app0 10   app1 9   app2 8   app3 7   other 15" in text


def test_parts_leave_before_the_plot_gets_too_low() -> None:
    for height in range(1, 30):
        text = drawn(incident(), height=height, cursor=NOW)
        plot = [row for row in text.split("\n") if row[6:7] == "┤" and " max" not in row]
        assert len(plot) >= min(height, PLOT_LEAST)
        assert ("12:10" in text) == (height >= PLOT_LEAST + 2)
    assert "By state" in drawn(incident(), height=14)


def test_a_hardly_used_server_can_be_drawn_to_its_peak() -> None:
    totals = series([5, 20, 10], 60, max=3000)
    low, high = drawn(totals), drawn(totals, to_peak=True)
    assert "3000 ┤" in low
    assert "   20 ┤" in high
    assert "max" not in high.split("\n")[2]
    # Something is never drawn as nothing.
    assert "▁▁▁" in low


def test_other_times_than_those_of_the_history() -> None:
    text = drawn(incident(), since=NOW + 1200, until=NOW + 1500)
    assert "peak 70" in text
    assert "???" not in text
    assert "R" in next(row for row in text.split("\n") if row.startswith("signals"))
    assert "peak" not in drawn(incident(), since=NOW - 500, until=NOW - 400)


def test_ticks_are_round_times_of_the_zone() -> None:
    assert ticks(NOW, NOW + 7200, 80, UTC) == [
        (0, "12:00"),
        (20, "12:30"),
        (40, "13:00"),
        (60, "13:30"),
    ]
    nepal = timezone(timedelta(hours=5, minutes=45))
    assert [label for _, label in ticks(NOW, NOW + 7200, 80, nepal)] == ["18:00", "18:30", "19:00", "19:30"]
    assert ticks(NOW, NOW + 3 * 86_400, 80, UTC) == [
        (0, "12:00"),
        (13, "Mar 02"),
        (26, "12:00"),
        (40, "Mar 03"),
        (53, "12:00"),
        (66, "Mar 04"),
    ]
    assert ticks(NOW, NOW + 40, 80, UTC)[1] == (20, "12:00:10")
    assert ticks(NOW, NOW + 1e9, 5, UTC) == []


@given(st.floats(0, 4e9), st.floats(0, 1e9), st.integers(1, 300))
def test_labels_of_ticks_never_touch(since: float, span: float, width: int) -> None:
    end = -1
    for index, label in ticks(since, since + span, width, UTC):
        assert index > end
        end = index + len(label)
        assert end <= width
