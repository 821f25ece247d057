"""Columns at every width: they shrink, then leave, and nothing overlaps, is too wide or is cut without a sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.widgets.pieces import columns as drawn_columns
from pgtop_conn.tui.widgets.pieces import flowing
from pgtop_conn.view.format import abbreviated, cell_count, first_cells, last_cells, shortened
from pgtop_conn.view.status import server_lines
from pgtop_conn.view.table import fitting
from pgtop_conn.view.table.cells import cells, most_steps, title_of, titles, window
from pgtop_conn.view.table.column_choices import ABOUT, FIXED, choices, known
from pgtop_conn.view.table.columns import GROUP_COLUMNS, SESSION_COLUMNS, AnyPlaced, Cell, fit, present
from pgtop_conn.view.table.heading import heading
from pgtop_conn.view.table.lines import Frame, ViewState, build
from tests.support.data.factories import NOW, make_backend, make_own, make_role, make_server, make_snapshot
from tests.support.data.strategies import names, snapshots

WIDTHS = range(40, 301)
LONG = "billing-worker-eu-central-1-production"
TABLES = (GROUP_COLUMNS, SESSION_COLUMNS)
switched_off = st.frozensets(st.sampled_from(sorted(ABOUT)).filter(lambda name: name not in FIXED))


def busy() -> Snapshot:
    rows = [
        make_backend(pid, app=LONG, role=f"{LONG}-role", client="2001:db8:85a3::8a2e:370:7334", query="SELECT " * 40)
        for pid in range(100, 160)
    ]
    rows += [make_backend(200 + pid, app="web", state="idle in transaction", xact_start=NOW - 500) for pid in range(9)]
    role = make_role(connection_limit=70, name=f"{LONG}-role")
    return make_snapshot([make_own(), *rows], server=make_server(max_connections=80, host=f"{LONG}.rds"), roles=[role])


@pytest.mark.parametrize("labelled", [False, True])
def test_columns_never_overlap_and_never_exceed_the_width(labelled: bool) -> None:
    for columns in (present(table, labelled) for table in TABLES):
        for width in (*range(1, 40), *WIDTHS):
            end = -1
            for place in fit(columns, width):
                assert place.x == end + 1
                assert place.width >= 1
                end = place.x + place.width
                assert end <= width


def test_columns_shrink_before_any_leaves_and_the_least_important_leaves_first() -> None:
    for columns in TABLES:
        for width in WIDTHS:
            places = fit(columns, width)
            kept = {place.column for place in places}
            left = [column for column in columns if column not in kept]
            if left:
                first_to_return = min(column.leaves for column in left)
                assert all(column.leaves < first_to_return for column in kept)
                # It would be too wide even with every other at its least.
                again = [*kept, next(column for column in left if column.leaves == first_to_return)]
                assert sum(fitting.least_of(column, width) + 1 for column in again) - 1 > width
            for place in places:
                assert place.width >= place.column.least


def test_what_is_there_stays_when_the_terminal_grows() -> None:
    for columns in TABLES:
        before = 0
        for width in WIDTHS:
            now = len(fit(columns, width))
            assert now >= before
            before = now
        assert before == len(columns)


def test_titles_fit_their_columns() -> None:
    for columns in TABLES:
        for width in range(60, 301):
            for place in fit(columns, width):
                assert len(title_of(place)) <= place.width, (width, place)


@pytest.mark.parametrize("aside", [0, 1, 4, 9, 12])
def test_every_line_has_its_width_at_every_width(aside: int) -> None:
    snapshot = busy()
    frame = Frame(snapshot, SlotBudget.of(snapshot), Policy(), {})
    view = ViewState(expanded=frozenset({(LONG,), ("web",)}))
    lines = build(frame, view)
    lines = [*lines[:4], *lines[60:66]]
    for width in WIDTHS:
        for line in lines:
            check_line(cells(line, frame, width, aside), width)
        check_line(titles(width), width)


@given(snapshots(), st.integers(40, 300), st.integers(0, 14), switched_off)
def test_any_line_of_any_snapshot_has_its_width(
    snapshot: Snapshot, width: int, aside: int, hidden: frozenset[str]
) -> None:
    frame = Frame(snapshot, SlotBudget.of(snapshot), Policy(), {}, hidden=hidden)
    tops = frozenset(line.group.path for line in build(frame, ViewState()) if line.group)
    for line in build(frame, ViewState(expanded=tops)):
        found = cells(line, frame, width, aside)
        check_line(found, width)
        assert not {place.column.name for place, _ in found} & hidden


def check_line(found: Sequence[tuple[AnyPlaced, Cell]], width: int) -> None:
    """No place overlaps the next, every piece has its cells, and a text that is cut says so."""
    end = 0
    for place, cell in found:
        assert place.x >= end, found
        end = place.x + place.width
        assert end <= width
        if cell_len(cell.text) > place.width:
            drawn = drawn_columns([(place, cell)], width)
            assert any(text.rstrip().endswith("…") for text, _ in drawn)
    assert sum(cell_len(text) for text, _ in drawn_columns(found, width)) == width


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_moving_aside_every_column_comes_by_and_then_the_end_of_the_query(width: int) -> None:
    steps = most_steps(SESSION_COLUMNS, width, 500)
    windows = [window(SESSION_COLUMNS, width, step) for step in range(steps + 1)]
    assert {place.column for found in windows for place in found.places} == set(SESSION_COLUMNS)
    assert all(found.places[0].column.name == "pid" for found in windows)
    last = windows[-1]
    assert last.shift + last.places[-1].width >= 500
    # No step shows the same as the one before it.
    assert len({(found.places, found.shift) for found in windows}) == len(windows)


def test_a_title_says_how_many_columns_are_out_of_sight() -> None:
    snapshot = busy()
    frame = Frame(snapshot, SlotBudget.of(snapshot), Policy(), {})
    header = build(frame, ViewState(expanded=frozenset({("web",)})))[2]
    assert header.backend is None
    assert header.group is None

    def text(width: int, aside: int = 0) -> str:
        return " ".join(cell.text for _, cell in cells(header, frame, width, aside))

    assert text(60).endswith(" >5")
    assert text(80).endswith(" > 4 more")
    assert "<" not in text(60)
    assert "< PID" in text(60, 1)
    assert ">" not in text(300)
    assert ">" in text(60, 1)


@given(names, st.integers(0, 40))
def test_an_abbreviated_name_keeps_its_beginning_and_its_end(name: str, width: int) -> None:
    short = abbreviated(name, width)
    assert cell_count(short) <= width
    if cell_count(name) <= width:
        assert short == name
    elif width:
        start, _, end = short.partition("…")
        assert "…" in short
        assert name.startswith(start) or "…" in name
        assert name.endswith(end) or "…" in name
    assert cell_count(shortened(name, width)) <= width
    assert abbreviated(name, width, ascii=True) == short or ">" in abbreviated(name, width, ascii=True)


def test_cells_of_wide_and_combining_characters() -> None:
    assert cell_count("日本") == 4
    assert cell_count("e\u0301") == 1
    assert abbreviated("日本語アプリ", 6) == "日…リ"
    assert first_cells("日本", 3) == "日"
    assert last_cells("日本", 3) == "本"
    assert last_cells("ae\u0301", 1) == "e\u0301"


@pytest.mark.parametrize("width", [40, 50, 60, 80, 120, 200, 300])
def test_the_lines_above_the_table_keep_what_matters(width: int) -> None:
    snapshot = busy()
    budget = SlotBudget.of(snapshot)
    status = server_lines.ScreenStatus(interval_s=2.0)
    server = server_lines.server_line(snapshot, budget, status, width)
    slots = server_lines.slots_line(budget, History(), width)
    headroom = server_lines.headroom_line(budget, width)
    states = server_lines.states_line(snapshot, budget, width)
    rows = (server, slots, headroom, states)
    texts = ["".join(cell.text for cell in row) for row in rows]
    assert "rds:5432" in texts[0]
    assert "70/80" in texts[1]
    assert budget.level.upper() in texts[1]
    assert "superuser 3" in texts[2]
    assert "active" in texts[3]
    for row in rows:
        assert not any("…" in text for text, _ in flowing(row, width) if LONG[:4] not in text), row
    if width >= 60:
        assert "/70" in texts[2], texts[2]
        assert "blocked 0" in texts[3]


@given(names, st.integers(40, 300), st.booleans())
def test_the_heading_is_as_wide_as_asked(text: str, width: int, leaks: bool) -> None:
    view = ViewState(filter=replace(parse(""), text=text), leaks_only=leaks)
    line = "".join(piece for piece, _ in flowing(heading(view, width), width))
    assert cell_len(line) == width
    assert "count ↓" in line if width >= 60 else "app" in line


def test_the_chooser_lists_every_column_once_and_the_important_first() -> None:
    listed = [choice.name for choice in choices(True) if choice.name]
    assert sorted(listed) == sorted({column.name for table in TABLES for column in table})
    assert "source" not in [choice.name for choice in choices(False)]
    assert listed[0] == "group"
    assert listed.index("pid") < listed.index("query") < listed.index("app")
    assert known(("query", "pid", "vanished")) == {"query"}
    assert set(ABOUT) == set(listed)


@given(st.integers(-10, 200), st.integers(0, 400), st.sets(st.sampled_from([one.name for one in SESSION_COLUMNS[1:]])))
def test_at_any_width_a_line_is_moved_aside_a_finite_number_of_times(
    width: int, longest: int, hidden: set[str]
) -> None:
    left = tuple(one for one in SESSION_COLUMNS if one.name not in hidden)
    assert 0 <= most_steps(left, width, longest) <= len(left) + 1 + longest
