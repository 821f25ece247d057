"""Browsing: moving, opening, grouping, sorting, filtering and copying, without an application."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Action, Target
from pgtop_conn.tui.dialogs.blockers import Blockers
from pgtop_conn.tui.dialogs.columns import ColumnChooser
from pgtop_conn.tui.dialogs.counting import Counting
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.tui.screen.browsing import GONE, Browsing
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS, ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_desk import FakeDesk, desk_of, pids_in
from tests.support.stores import LayoutLog

PRESETS = {"1": "app:web"}
FLAT = ViewState(expanded=frozenset({("web",), ("web", "idle"), ("job",), ("job", "idle")}))


def poll(*pids: int, at: float = NOW) -> Snapshot:
    rows = [make_backend(pid, app="job" if pid > 10 else "web") for pid in pids]
    return make_snapshot([make_own(), *rows], taken_at=at)


class Asked:
    """What was asked about one session."""

    def __init__(self) -> None:
        self.about: list[tuple[Action, int]] = []

    def __call__(self, action: Action, target: Target) -> None:
        self.about.append((action, target.key.pid))


def browsing_of(snapshot: Snapshot | None, view: ViewState = FLAT) -> tuple[Browsing, FakeDesk, LayoutLog]:
    state, desk = desk_of(snapshot, view=view)
    layout = LayoutLog()
    return Browsing(state, desk, layout, PRESETS, Asked()), desk, layout


def test_the_cursor_moves_over_lines_and_stays_inside() -> None:
    browsing, desk, _ = browsing_of(poll(1, 2, 11))
    last = len(desk.table.lines) - 1
    browsing.last()
    assert desk.table.current == desk.table.lines[last]
    browsing.move(5)
    assert desk.table.current == desk.table.lines[last]
    browsing.first()
    assert desk.table.current == desk.table.lines[0]
    browsing.page(1)
    assert desk.table.current != desk.table.lines[0]
    browsing.put(0)
    assert desk.table.current == desk.table.lines[0]


def test_a_group_opens_closes_and_is_stepped_into() -> None:
    browsing, desk, _ = browsing_of(poll(1, 2), ViewState())
    browsing.expand()
    assert desk.state.view.expanded == {("web",)}
    browsing.expand()
    assert desk.table.current is not None
    assert desk.table.current.depth == 1
    browsing.collapse()
    assert desk.table.current.depth == 0
    browsing.open()
    assert desk.state.view.expanded == frozenset()
    browsing.open()
    browsing.collapse()
    assert desk.state.view.expanded == frozenset()


@pytest.mark.parametrize("key", ["open", "expand"])
def test_enter_on_a_session_shows_its_detail(key: str) -> None:
    browsing, desk, _ = browsing_of(poll(1))
    browsing.go_to_session(poll(1).backends[1].key)
    getattr(browsing, key)()
    assert isinstance(desk.dialog, SessionDetail)


def test_a_line_that_is_gone_is_said_and_nothing_is_done() -> None:
    browsing, desk, _ = browsing_of(poll(1, 2, 11))
    assert desk.table.put_cursor_on(poll(1).backends[1].key)
    desk.polled(poll(2, 11, at=NOW + 2))
    for do in (browsing.open, browsing.expand, browsing.collapse):
        do()
        assert desk.told.pop() == (GONE, "warning")
    browsing.copy_query()
    assert desk.copied == []
    assert desk.dialogs == 0


def test_before_the_first_poll_no_key_does_anything() -> None:
    browsing, desk, _ = browsing_of(None)
    for do in (
        browsing.open,
        browsing.expand,
        browsing.collapse,
        browsing.blockers,
        browsing.counting,
        browsing.first,
        browsing.last,
    ):
        do()
    assert (desk.dialogs, desk.told, browsing.count(parse("x"))) == (0, [], "")


@pytest.mark.parametrize("step", [1, -1])
def test_groupings_come_round_and_are_kept(step: int) -> None:
    browsing, desk, layout = browsing_of(poll(1))
    names = [desk.state.view.grouping]
    for _ in GROUPINGS:
        browsing.next_grouping(step)
        names.append(desk.state.view.grouping)
    assert names[0] == names[-1]
    assert sorted(names[1:]) == sorted(GROUPINGS)
    assert layout.groupings == names[1:]
    assert desk.table.current == desk.table.lines[0]


def test_orders_come_round_turn_and_are_kept() -> None:
    browsing, desk, layout = browsing_of(poll(1))
    for _ in SORTS:
        browsing.next_sort()
    assert desk.state.view.sort == "count"
    browsing.reverse()
    assert layout.sorts[-1] == ("count", True)
    browsing.sort_by_title("count")
    assert layout.sorts[-1] == ("count", False)
    browsing.sort_by_title("idle")
    assert layout.sorts[-1] == ("idle", False)
    assert len(layout.sorts) == len(SORTS) + 3


def test_a_filter_counts_before_it_is_set_and_hides_afterwards() -> None:
    browsing, desk, _ = browsing_of(poll(1, 2, 11))
    assert browsing.count(parse("app:job")).startswith("1 of 4 sessions   Enter")
    assert pids_in(desk.table) == [1, 2, 11]
    browsing.set_filter(parse("app:job"))
    assert pids_in(desk.table) == [11]
    browsing.clear_filter()
    assert pids_in(desk.table) == [1, 2, 11]


def test_a_filter_that_hides_the_cursor_puts_it_on_the_first_line() -> None:
    browsing, desk, _ = browsing_of(poll(1, 11))
    assert desk.table.put_cursor_on(poll(1).backends[1].key)
    browsing.set_filter(parse("app:job"))
    assert desk.table.current == desk.table.lines[0]


def test_a_preset_is_set_and_left_by_the_same_key() -> None:
    browsing, desk, _ = browsing_of(poll(1, 11))
    browsing.preset("1")
    assert (desk.state.view.filter.text, desk.said) == ("app:web", "Filter app:web")
    browsing.preset("1")
    assert (desk.state.view.filter.text, desk.said) == ("", "No filter")
    browsing.preset("2")
    assert desk.told[-1][1] == "warning"
    assert "There is no filter on 2" in desk.said


def test_leaks_only_needs_a_leak_to_begin_with() -> None:
    browsing, desk, _ = browsing_of(poll(1))
    browsing.leaks()
    assert not desk.state.view.leaks_only
    assert "looks leaked" in desk.said
    desk.state.choose(parse(""), leaks_only=True)
    browsing.leaks()
    assert not desk.state.view.leaks_only


def test_columns_that_are_chosen_are_hidden_and_kept() -> None:
    browsing, desk, layout = browsing_of(poll(1))
    browsing.columns()
    assert isinstance(desk.dialog, ColumnChooser)
    desk.answer(frozenset({"query", "client"}))
    assert desk.state.view.hidden == {"query", "client"}
    assert layout.columns == [["client", "query"]]
    for answer in (None, frozenset({"query", "client"})):
        browsing.columns()
        desk.answer(answer)
    assert len(layout.columns) == 1


def test_going_to_a_session_opens_its_groups_and_leaves_what_hides_it() -> None:
    snapshot = poll(1, 2, 11)
    key = snapshot.backends[3].key
    browsing, desk, _ = browsing_of(snapshot, ViewState())
    browsing.set_filter(parse("app:web"))
    desk.state.pause()
    browsing.blockers()
    assert isinstance(desk.dialog, Blockers)
    desk.answer(key)
    assert desk.state.paused is None
    assert desk.state.view.choice == ""
    assert desk.table.cursor == key
    assert desk.table.current is not None
    browsing.blockers()
    desk.answer(None)
    assert desk.table.cursor == key


def test_going_nowhere_leaves_a_pause() -> None:
    """Esc in the list of blockers, or a session that has left meanwhile."""
    browsing, desk, _ = browsing_of(poll(1))
    desk.state.pause()
    browsing.go_to_session(None)
    browsing.go_to_session(BackendKey(77, NOW))
    assert desk.told == [("That session is no longer listed", "warning")]
    assert desk.state.paused is desk.state.newest


def test_going_to_a_process_that_no_group_lists_filters_for_it() -> None:
    snapshot = make_snapshot([make_own(), replace(make_backend(5), backend_type="checkpointer")])
    browsing, desk, _ = browsing_of(snapshot)
    browsing.go_to_session(snapshot.backends[1].key)
    assert desk.state.view.filter.text == "pid:5"


def test_going_to_a_group_that_left_says_so() -> None:
    browsing, desk, _ = browsing_of(poll(1))
    browsing.go_to_group(("web",))
    assert desk.told == []
    browsing.go_to_group(("nobody",))
    assert desk.told == [("That group is gone", "warning")]


def test_the_query_of_a_session_is_copied_and_that_of_a_group_is_none() -> None:
    browsing, desk, _ = browsing_of(poll(1))
    browsing.first()
    browsing.copy_query()
    assert desk.copied == []
    browsing.go_to_session(poll(1).backends[1].key)
    browsing.copy_query()
    assert desk.copied == ["SELECT * FROM invoices WHERE id = $1"]
    assert desk.said == "Query of 1 copied"


def test_how_numbers_are_counted_is_shown() -> None:
    browsing, desk, _ = browsing_of(poll(1))
    browsing.counting()
    assert isinstance(desk.dialog, Counting)


def test_nothing_further_at_the_right_is_said_once_it_is_so() -> None:
    browsing, desk, _ = browsing_of(poll(1), ViewState())
    browsing.aside(-1)
    assert desk.told == []
    browsing.aside(1)
    assert "Nothing more at the right" in desk.said
