"""Moving, opening, grouping, sorting, filtering and marking: keys that ask the server nothing."""

from __future__ import annotations

import pytest

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.snapshot import ACTIVE, IN_TRANSACTION, BackendKey
from pgtop_conn.tui.dialogs.blockers import Blockers
from pgtop_conn.tui.dialogs.help import Help
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.tui.keys import monitor as keys
from pgtop_conn.tui.keys.names import display
from pgtop_conn.tui.screen.browsing import GONE
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS, ViewState
from tests.support.data.crowds import OPEN, sessions
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot, make_walsender
from tests.support.fake_source import cursor_pid, monitor, on_main, screen_text, toasts


async def test_every_binding_has_an_id_a_tooltip_and_an_action() -> None:
    async with monitor(sessions(1)) as (app, _, _pilot):
        ids = [binding.id for binding in keys.BINDINGS]
        assert all(ids)
        assert len(set(ids)) == len(ids)
        for binding in keys.BINDINGS:
            assert binding.tooltip
            where, _, name = binding.action.partition("(")[0].rpartition(".")
            assert hasattr(app if where == "app" else app.main, f"action_{name}"), binding


async def test_arrows_letters_pages_and_ends_move_the_cursor() -> None:
    async with monitor(sessions(*range(1, 61)), view=OPEN) as (app, _, pilot):
        assert app.main.table.current is not None
        await pilot.press("down")
        assert cursor_pid(app) == 1
        await pilot.press("j", "j", "k")
        assert cursor_pid(app) == 2
        await pilot.press("up", "up")
        line = app.main.table.current
        assert line is not None
        assert line.key == ("web",)
        await pilot.press("pagedown")
        after_page = cursor_pid(app)
        assert after_page is not None
        assert after_page > 20
        await pilot.press("pageup")
        assert app.main.table.current is not None
        await pilot.press("G")
        last = app.main.table.current
        await pilot.press("g")
        first = app.main.table.current
        await pilot.press("end")
        assert app.main.table.current == last
        await pilot.press("home")
        assert app.main.table.current == first
        assert first is not None
        assert first.key == ("web",)


async def test_groups_open_and_close_and_left_goes_to_the_parent() -> None:
    both = make_snapshot([make_backend(1), make_backend(2), make_backend(3, state=ACTIVE)])
    async with monitor(both) as (app, _, pilot):
        await pilot.press("right")
        assert [line.depth for line in app.main.table.lines] == [0, 1, 1]
        await pilot.press("right", "enter")
        assert any(line.backend for line in app.main.table.lines)
        await pilot.press("right")
        assert cursor_pid(app) is not None
        await pilot.press("left")
        line = app.main.table.current
        assert line is not None
        assert line.key == ("web", "idle")
        await pilot.press("left", "left", "left")
        assert [line.key for line in app.main.table.lines] == [("web",)]


async def test_the_cursor_follows_its_session_when_rows_move() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down")
        assert cursor_pid(app) == 2
        await source.tick(pilot, sessions(7, 8, 3, 2, 1, at=NOW + 1))
        assert cursor_pid(app) == 2
        await pilot.press("S")
        assert cursor_pid(app) == 2
        for _ in SORTS:
            await pilot.press("s")
            assert cursor_pid(app) == 2


async def test_sorting_keeps_the_cursor_in_sight() -> None:
    async with monitor(sessions(*range(1, 101)), view=OPEN) as (app, _, pilot):
        await pilot.press("down")
        assert cursor_pid(app) == 1
        await pilot.press("S")
        await pilot.pause()
        assert cursor_pid(app) == 1
        assert any("  1 " in line and "web" not in line[:8] for line in screen_text(app))
        assert app.main.table.scroll_y > 0


async def test_a_cursor_whose_session_left_is_on_nothing_until_it_is_moved() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down")
        await source.tick(pilot, sessions(1, 3, at=NOW + 1))
        assert app.main.table.current is None
        for key in ("x", "c", "space", "y"):
            await pilot.press(key)
        assert GONE in toasts(app)
        assert not app.main.state.view.marks
        assert on_main(app)
        await pilot.press("down")
        assert cursor_pid(app) == 3


async def test_up_from_a_session_that_left_goes_to_the_one_above() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down")
        await source.tick(pilot, sessions(1, 3, at=NOW + 1))
        await pilot.press("up")
        assert cursor_pid(app) == 1


async def test_a_recycled_pid_is_another_session() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down")
        await source.tick(pilot, sessions(1, 2, 3, at=NOW + 1, backend_start=NOW))
        assert app.main.table.current is None


async def test_tab_goes_through_the_groupings_and_back() -> None:
    async with monitor(sessions(1, 2)) as (app, _, pilot):
        names = list(GROUPINGS)
        for name in (*names[1:], names[0]):
            await pilot.press("tab")
            assert app.main.state.view.grouping == name
        await pilot.press("shift+tab")
        assert app.main.state.view.grouping == names[-1]


async def test_half_a_filter_filters_nothing_and_points_at_the_word() -> None:
    async with monitor(sessions(1, 2, 3)) as (app, _, pilot):
        await pilot.press("slash", *"pid:1")
        assert "1 of" in "\n".join(screen_text(app))
        await pilot.press("enter")
        assert app.main.state.view.filter.text == "pid:1"
        await pilot.press("slash", "space", *"nokey:", "2")
        text = screen_text(app)
        typed = next(line for line in text if "nokey" in line)
        pointing = next(line for line in text if "^^^" in line)
        assert pointing.index("^") == typed.index("nokey")
        await pilot.press("enter")
        assert app.main.filter_bar.display
        assert app.main.state.view.filter.text == "pid:1"
        await pilot.press("tab", "escape")
        assert not app.main.filter_bar.display
        assert app.main.state.view.filter.text == "pid:1"
        assert app.main.state.view.grouping == "app"
        await pilot.press("escape")
        assert app.main.state.view.filter.text == ""


async def test_keys_are_letters_while_a_filter_is_typed() -> None:
    async with monitor(sessions(1, 2, 3)) as (app, _, pilot):
        await pilot.press("slash", *"xcqsp")
        assert app.main.filter_bar.input.value == "xcqsp"
        assert on_main(app)


async def test_marks_are_bound_when_they_are_set_and_survive_everything_but_u() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "space", "down", "space")
        first = BackendKey(1, NOW - 3600.0)
        assert app.main.state.view.marks[first].state_change == NOW - 199.0
        await source.tick(pilot, sessions(1, 3, at=NOW + 5, state=IN_TRANSACTION))
        assert len(app.main.state.view.marks) == 2
        assert app.main.state.view.marks[first].state == "idle"
        await pilot.press("s", "tab", "slash", *"pid:3", "enter")
        assert len(app.main.state.view.marks) == 2
        assert "2 marked" in "\n".join(screen_text(app))
        await pilot.press("u")
        assert not app.main.state.view.marks


async def test_space_on_a_group_marks_and_unmarks_all_that_it_shows() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, _, pilot):
        await pilot.press("down", "space", "home", "space")
        assert {key.pid for key in app.main.state.view.marks} == {1, 2, 3}
        assert "●3" in "\n".join(screen_text(app))
        await pilot.press("space")
        assert not app.main.state.view.marks


async def test_detail_stays_live_and_says_when_the_session_is_gone() -> None:
    async with monitor(sessions(1, 2, query="SELECT 1\nFROM [/t]"), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "enter")
        assert isinstance(app.screen, SessionDetail)
        text = "\n".join(screen_text(app))
        assert "SELECT 1" in text
        assert "FROM [/t]" in text
        await source.tick(pilot, sessions(1, 2, at=NOW + 1, state=ACTIVE))
        assert "active" in "\n".join(screen_text(app))
        await source.tick(pilot, sessions(2, at=NOW + 2))
        text = "\n".join(screen_text(app))
        assert "Gone" in text
        assert "process       1" in text
        await pilot.press("escape")
        assert on_main(app)


async def test_blockers_lists_roots_first_and_enter_goes_there() -> None:
    rows = [
        make_backend(1, app="web", state=ACTIVE, blocked_by=(3, 2), wait_event_type="Lock", wait_event="tuple"),
        make_backend(2, app="web", state=ACTIVE, blocked_by=(3,), wait_event_type="Lock", wait_event="tuple"),
        make_backend(3, app="report", state=IN_TRANSACTION),
    ]
    async with monitor(make_snapshot(rows), view=ViewState(filter=parse("app:web"))) as (app, _, pilot):
        await pilot.press("b")
        assert isinstance(app.screen, Blockers)
        text = screen_text(app)
        root = next(line for line in text if "report" in line)
        assert "ending it frees 2" in root
        assert text.index(root) < text.index(next(line for line in text if "blocked by 3" in line))
        await pilot.press("enter")
        assert on_main(app)
        assert cursor_pid(app) == 3
        assert app.main.state.view.filter.text == ""


async def test_copying_the_query_and_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(sessions(1, 2, query="SELECT 'x'"), view=OPEN) as (app, _, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("down", "y", "Y")
        assert copied[0] == "SELECT 'x'"
        bound = f"a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp({NOW - 3600.0!r}::pg_catalog.float8)"
        assert f"pg_stat_get_activity(1) a WHERE {bound}" in copied[1]
        assert "'" not in copied[1]


async def test_help_shows_every_key_and_what_it_does() -> None:
    async with monitor(sessions(1), size=(120, 100)) as (app, _, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)
        await pilot.press("question_mark")
        text = "\n".join(screen_text(app))
        for binding in keys.BINDINGS:
            assert display(binding.key) in text
        assert "pg_terminate_backend" in text
        await pilot.press("q")
        assert on_main(app)


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_leaving(key: str) -> None:
    async with monitor(sessions(1)) as (app, _, pilot):
        await pilot.press(key)
        await pilot.pause()
    assert app.return_value == 0


async def test_walsenders_and_our_own_session_show_their_guard() -> None:
    shown = make_snapshot([make_own(), make_walsender(7)])
    async with monitor(shown) as (app, _, pilot):
        await pilot.press("G", "right")
        text = "\n".join(screen_text(app))
        assert "protected" in text
        assert "7⊘" in text
