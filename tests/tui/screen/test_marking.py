"""Marking: marks are bound when they are set, and what is chosen is the marks or what is under the cursor."""

from __future__ import annotations

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import ACTIVE, HOST_DOOR, Snapshot
from pgtop_conn.tui.screen.marking import Marking
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_server, make_snapshot, make_walsender
from tests.support.fake_desk import FakeDesk, desk_of

OPEN = ViewState(expanded=frozenset({("web",), ("web", "idle")}))


def poll(*pids: int, at: float = NOW) -> Snapshot:
    return make_snapshot([make_own(), *(make_backend(pid) for pid in pids)], taken_at=at)


def marking_of(snapshot: Snapshot | None) -> tuple[Marking, FakeDesk]:
    state, desk = desk_of(snapshot, view=OPEN, policy=Policy())
    return Marking(state, desk, lambda: desk.table.current), desk


def put(desk: FakeDesk, pid: int) -> None:
    assert desk.state.shown is not None
    assert desk.table.put_cursor_on(next(one.key for one in desk.state.shown.backends if one.pid == pid))


def marked(desk: FakeDesk) -> list[int]:
    return [key.pid for key in desk.state.view.marks]


def test_a_session_is_marked_and_unmarked_by_the_same_key() -> None:
    marking, desk = marking_of(poll(1, 2))
    put(desk, 1)
    marking.mark()
    assert marked(desk) == [1]
    marking.mark()
    assert marked(desk) == []


def test_a_group_is_marked_where_not_all_of_it_is() -> None:
    marking, desk = marking_of(poll(1, 2, 3))
    put(desk, 2)
    marking.mark()
    assert desk.table.put_cursor_on(("web",))
    marking.mark()
    assert sorted(marked(desk)) == [1, 2, 3]
    marking.mark()
    assert marked(desk) == []


def test_a_mark_is_bound_to_the_session_as_it_was() -> None:
    marking, desk = marking_of(poll(1))
    put(desk, 1)
    marking.mark()
    later = make_snapshot([make_own(), make_backend(1, state=ACTIVE, query_start=NOW + 1)], taken_at=NOW + 2)
    desk.polled(later)
    (target,) = marking.chosen()
    assert (target.state, target.chosen_by) == ("idle", "marks")


def test_marks_win_over_the_cursor_and_the_cursor_over_nothing() -> None:
    marking, desk = marking_of(poll(1, 2))
    put(desk, 2)
    assert [one.key.pid for one in marking.chosen()] == [2]
    marking.mark()
    put(desk, 1)
    assert [one.key.pid for one in marking.chosen()] == [2]
    marking.unmark_all()
    assert [one.key.pid for one in marking.chosen()] == [1]


def test_marks_that_are_all_gone_choose_nobody_and_never_the_cursor() -> None:
    marking, desk = marking_of(poll(1, 2))
    put(desk, 2)
    marking.mark()
    desk.polled(poll(1, at=NOW + 2))
    put(desk, 1)
    assert marking.chosen() == []
    assert desk.told == [("1 marked session no longer listed: nothing is marked any more", "warning")]
    assert marked(desk) == []


def test_all_that_a_filter_shows_is_marked_and_without_one_nothing() -> None:
    marking, desk = marking_of(poll(1, 2))
    marking.mark_filtered()
    assert desk.told.pop() == (
        "No filter is set: <filter> sets one, <mark_filtered> marks all that it shows",
        "warning",
    )
    desk.state.choose(parse("pid:2"))
    marking.mark_filtered()
    (target,) = desk.state.view.marks.values()
    assert (target.key.pid, target.chosen_by) == (2, "filter pid:2")
    assert desk.said == "1 session marked; <cancel> or <terminate> acts on the marks, <unmark> clears them"


def test_marks_leave_and_come_back_as_they_were() -> None:
    marking, desk = marking_of(poll(1, 2))
    for pid in (1, 2):
        put(desk, pid)
        marking.mark()
    kept = dict(desk.state.view.marks)
    marking.unmark(key for key in kept if key.pid == 1)
    assert marked(desk) == [2]
    marking.mark_again(kept.values())
    assert desk.state.view.marks == kept
    drawn = len(desk.drawn)
    marking.mark_again([])
    assert len(desk.drawn) == drawn


def test_before_the_first_poll_nobody_is_marked_or_chosen() -> None:
    marking, desk = marking_of(None)
    marking.mark()
    marking.mark_filtered()
    marking.copy_signal()
    assert (marking.chosen(), marked(desk), desk.copied) == ([], [], [])


def test_the_statements_of_those_whom_the_guards_let_through_are_copied() -> None:
    marking, desk = marking_of(poll(1, 2))
    assert desk.table.put_cursor_on(("web",))
    marking.copy_signal()
    (text,) = desk.copied
    assert text.count("pg_terminate_backend") == 2
    assert desk.said == "2 statements copied"


def test_nothing_is_copied_of_those_whom_they_refuse() -> None:
    marking, desk = marking_of(make_snapshot([make_own(), make_walsender(7)]))
    desk.table.put_cursor(0)
    while desk.table.current is not None and "wal" not in str(desk.table.current.key):
        desk.table.move(1)
    marking.copy_signal()
    assert desk.copied == []
    assert desk.said.startswith("Nothing copied: ")


def test_by_the_host_door_there_is_no_statement() -> None:
    snapshot = make_snapshot([make_own(), make_backend(1)], server=make_server(door=HOST_DOOR))
    marking, desk = marking_of(snapshot)
    marking.copy_signal()
    assert desk.copied == []
    assert "no SQL that ends a session: <terminate>" in desk.said
