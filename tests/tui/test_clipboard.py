"""Copying, and acting on a session from its detail pane."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgtop_conn import folders
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import ACTIVE
from pgtop_conn.tui.clipboard import FILE_NAME, may_take
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, on_main, screen_text, toasts

OPEN = ViewState(expanded=frozenset({("web",)}))
SESSION = make_backend(7, state=ACTIVE, query="SELECT 'é'")
SERVER = make_snapshot([make_own(), SESSION])
OUTSIDE = ("TMUX", "STY", "VTE_VERSION", "TERM_PROGRAM")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "linux"}, False),
        ({"TERM": "vt100"}, False),
        ({"TERM": "screen-256color"}, False),
        ({"TERM": "xterm", "TMUX": "/tmp/tmux-0/default,1,0"}, False),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, False),
    ],
)
def test_which_terminals_may_take_what_is_copied(environ: dict[str, str], expected: bool) -> None:
    assert may_take(environ) is expected


async def test_a_terminal_without_a_clipboard_gets_a_file_that_nobody_else_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "linux")
    async with monitor(SERVER, view=OPEN, size=(160, 36)) as (app, _, pilot):
        app.main.table.put_cursor_on(SESSION.key)
        await pilot.press("y")
        await pilot.pause()
        path = folders.state_folder() / FILE_NAME
        assert path.read_text() == "SELECT 'é'\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert str(path) in toasts(app)
        assert app.clipboard == "SELECT 'é'"


async def test_a_link_in_the_place_of_the_file_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "linux")
    precious = tmp_path / "precious"
    precious.write_text("kept")
    folders.state_folder().mkdir(parents=True)
    (folders.state_folder() / FILE_NAME).symlink_to(precious)
    async with monitor(SERVER, view=OPEN) as (app, _, pilot):
        app.main.table.put_cursor_on(SESSION.key)
        await pilot.press("y")
        assert "no file could be written" in toasts(app)
        assert precious.read_text() == "kept"


async def test_a_terminal_with_a_clipboard_gets_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    async with monitor(SERVER, view=OPEN) as (app, _, pilot):
        app.main.table.put_cursor_on(SESSION.key)
        await pilot.press("enter", "y")
        assert toasts(app) == "Query copied"
        assert not (folders.state_folder() / FILE_NAME).exists()


@pytest.mark.parametrize("key", ["c", "x"])
async def test_the_detail_pane_asks_before_it_signals_and_comes_back(key: str) -> None:
    async with monitor(SERVER, view=OPEN) as (app, source, pilot):
        app.main.table.put_cursor_on(SESSION.key)
        await pilot.press("enter", key)
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        assert isinstance(app.screen, SessionDetail)
        assert source.signalled_pids == []
        if key == "x":
            await pilot.press(key, "ctrl+y")
            await source.sent(pilot, SERVER)
            assert source.signalled_pids == [7]
            assert isinstance(app.screen, SessionDetail)


async def test_a_session_that_is_gone_is_not_asked_about() -> None:
    async with monitor(SERVER, view=OPEN) as (app, source, pilot):
        app.main.table.put_cursor_on(SESSION.key)
        await pilot.press("enter")
        await source.tick(pilot, make_snapshot([make_own()], taken_at=NOW + 1))
        await pilot.press("x")
        assert isinstance(app.screen, SessionDetail)
        assert "gone already" in toasts(app)


async def test_a_read_only_detail_pane_offers_no_signal() -> None:
    async with monitor(SERVER, view=OPEN, policy=Policy(read_only=True)) as (app, _, pilot):
        app.main.table.put_cursor_on(SESSION.key)
        await pilot.press("enter")
        await pilot.pause()
        assert not any("terminate  " in line and "Esc close" in line for line in screen_text(app))
        await pilot.press("x")
        assert isinstance(app.screen, SessionDetail)
        assert "read-only" in toasts(app)
        await pilot.press("escape")
        assert on_main(app)
