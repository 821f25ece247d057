"""The first frame, painted before Textual is loaded: what Textual paints first, cell by cell; and how it takes over."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any

import pyte
import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.terminal.capabilities import colour_system
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.rendering.first_frame import LEAST_COLUMNS, LEAST_LINES, as_written, first_frame, read_style_codes
from pgtop_conn.tui.widgets import too_small
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import make_backend, make_own, make_server, make_snapshot
from tests.support.fake_source import FakeSource, screen_strips
from tests.support.servers import Clients
from tests.support.style_codes_file import FILE, SYSTEMS, THEMES, style_codes, text
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, LEAVE_ALTERNATE_SCREEN, Terminal, seen
from tests.support.waits import wait_until
from tests.tui.theme.test_themes import busy

#: By line and column, counted from 1: the character and its attributes, as they were written.
Cells = dict[tuple[int, int], tuple[str, str]]
TERMS = {
    "truecolor": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {"TERM": "xterm-256color"},
    "standard": {"TERM": "xterm"},
    "none": {"TERM": "xterm-256color", "NO_COLOR": "1"},
}
TAKEN_OVER = b"\x1b[?1004h"
REPAINT = "\x0c"
_WRITTEN = re.compile(
    r"\x1b\[(?P<line>\d+);(?P<column>\d+)H|\x1b\[(?P<attributes>[\d;]*)m"
    r"|(?P<other>\x1b[\]\[]?\S*?[a-zA-Z\x07])|(?P<text>[^\x1b]+)"
)


def cells_of(written: str) -> Cells:
    """What is on the screen after it."""
    found: Cells = {}
    line = column = 1
    attributes = ""
    for match in _WRITTEN.finditer(written):
        if match["line"]:
            line, column = int(match["line"]), int(match["column"])
        elif match["attributes"] is not None:
            attributes = "" if match["attributes"] == "0" else match["attributes"]
        for character in (match["text"] or "").replace("\r\n", ""):
            found[line, column] = (character, attributes)
            column += cell_len(character)
    return found


def painted(app: MonitorApp, system: ColorSystem) -> Cells:
    """What Textual paints."""
    found: Cells = {}
    for line, strip in enumerate(screen_strips(app), 1):
        column = 1
        for segment in strip:
            attributes = ""
            if segment.style is not None:
                # It keeps what it was rendered to first, whatever for.
                segment.style._ansi = None
                attributes = segment.style.render("x", color_system=system).partition("m")[0].removeprefix("\x1b[")
            for character in segment.text:
                found[line, column] = (character, "" if attributes == "x" else attributes)
                column += cell_len(character)
    return found


async def assert_alike(options: ScreenOptions, size: tuple[int, int], has: str, patch: pytest.MonkeyPatch) -> None:
    if has == "none":
        patch.setenv("NO_COLOR", "1")
    frame = first_frame(options, *size, TERMS[has])
    assert frame is not None
    app = MonitorApp(FakeSource(), options)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        expected = painted(app, SYSTEMS.get(has, ColorSystem.EIGHT_BIT))
        await app.finish()
    found = cells_of(as_written(frame))
    assert {at: (expected.get(at), found.get(at)) for at in expected | found if expected.get(at) != found.get(at)} == {}


def options_of(chosen: dict[str, Any]) -> ScreenOptions:
    options: dict[str, Any] = {"first": busy(), **chosen}
    return ScreenOptions(**options)


async def test_the_codes_are_those_of_the_style_sheet() -> None:
    assert FILE.read_text(encoding="utf-8") == text(await style_codes())


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 11)], ids=str)
@pytest.mark.parametrize("has", TERMS)
@pytest.mark.parametrize("theme", THEMES)
async def test_every_cell_is_as_textual_paints_it(
    theme: str, has: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await assert_alike(
        ScreenOptions(theme=theme, first=busy(), view=ViewState(grouping="state")), size, has, monkeypatch
    )


@pytest.mark.parametrize(
    "options",
    [
        {"ascii": True},
        {"policy": Policy(read_only=True)},
        {"view": ViewState(filter=parse("state:active"), sort="name", reverse=True)},
        {"view": ViewState(filter=parse("app:nobody"))},
        {"view": ViewState(grouping="state")},
        {"hidden_columns": ("share", "growth")},
        {"interval_s": 10.0, "warning_percent": 1.0, "critical_percent": 2.0},
        {"first": make_snapshot([make_own(), make_backend(app="שלום 漢字")])},
        {"first": make_snapshot([make_own()], server=make_server(door="walsender"))},
        {"first": make_snapshot([make_own()], server=make_server(door="host")), "view": ViewState(grouping="role")},
    ],
    ids=str,
)
async def test_whatever_was_chosen(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ((120, 36), (60, 12), (40, 10)):
        await assert_alike(options_of({"theme": "pgtop"} | options), size, "256", monkeypatch)


@pytest.mark.usefixtures("leaking")
async def test_a_leak_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    await assert_alike(ScreenOptions(first=busy(), theme="pgtop"), (120, 36), "256", monkeypatch)


@pytest.mark.parametrize(
    ("options", "size", "environ"),
    [
        ({"theme": "nord"}, (120, 36), {}),
        ({"saved_theme": "dracula"}, (120, 36), {}),
        ({"keys": (("terminate", "f12"),)}, (120, 36), {}),
        ({"first": None}, (120, 36), {}),
        ({}, (39, 36), {}),
        ({}, (120, 9), {}),
        ({}, (120, 36), {"TEXTUAL_COLOR_SYSTEM": "standard"}),
    ],
    ids=str,
)
def test_where_it_cannot_be_told_what_textual_paints_there_is_none(
    options: dict[str, Any], size: tuple[int, int], environ: dict[str, str]
) -> None:
    assert first_frame(options_of(options), *size, TERMS["256"] | environ) is None


def test_it_is_too_small_where_textual_says_so() -> None:
    assert (LEAST_COLUMNS, LEAST_LINES) == (too_small.COLUMNS, too_small.LINES)


@pytest.mark.parametrize("environ", [*TERMS.values(), {"TERM": "kitty"}, {"TERM": "linux"}, {"TERM": "xterm-16color"}])
def test_a_terminal_has_the_colours_that_rich_finds(environ: dict[str, str]) -> None:
    assert colour_system(environ) == Console(force_terminal=True, _environ=environ).color_system


def test_the_codes_have_every_theme() -> None:
    assert set(read_style_codes().codes) == {f"{theme}/{has}" for theme in THEMES for has in TERMS}


# On a terminal.


def cells_after(written: bytes) -> list[list[tuple[object, ...]]]:
    """What a terminal shows after this."""
    screen = pyte.Screen(120, 36)
    pyte.ByteStream(screen).feed(written)
    return [[seen(screen.buffer[y][x]) for x in range(120)] for y in range(36)]


@pytest.mark.parametrize("has", TERMS)
async def test_textual_paints_over_it_next_to_nothing(cluster: Cluster, clients: Clients, has: str) -> None:
    await clients(cluster, app="billing")
    environ = {"COLORTERM": "", **TERMS[has]}
    async with Terminal(["--interval", "20", cluster.uri()], environ=environ) as terminal:
        await wait_until(lambda: TAKEN_OVER in terminal.written, "Textual has the terminal")
        before, _, _ = terminal.written.partition(TAKEN_OVER)
        terminal.type("j")
        await wait_until(lambda: cells_after(terminal.written) != cells_after(before), "the cursor moves")
        assert len(cells_of(before.decode())) == 120 * 36
        # The driver asks for what it needs of the terminal, and a line lost and a line got the cursor.
        assert len(terminal.written) - len(before) < 1200
        terminal.type("k")
        await wait_until(lambda: cells_after(terminal.written) == cells_after(before), "it is as it was")
        sent = len(terminal.written)
        terminal.type(REPAINT)
        await wait_until(lambda: len(terminal.written) > sent + 120 * 36, "Textual paints all of it")
        await wait_until(lambda: cells_after(terminal.written) == cells_after(before), "it is what was there")
        terminal.type("q")
        assert await terminal.ends() == 0
        assert terminal.written.count(ENTER_ALTERNATE_SCREEN) == 1
        assert terminal.written.count(LEAVE_ALTERNATE_SCREEN) == 1
        assert b"\x1b[2J" not in terminal.written
        assert terminal.modes() == terminal.modes_before


def when_painted(terminal: Terminal) -> bool:
    """Whether the first frame is there; Textual needs a while longer."""
    return b"quit" in terminal.written


async def test_keys_typed_before_textual_is_there_are_not_lost_and_not_shown(cluster: Cluster) -> None:
    async with Terminal(["--interval", "20", cluster.uri()]) as terminal:
        await wait_until(lambda: when_painted(terminal), "the first frame is painted", every_s=0.001)
        assert terminal.modes() != terminal.modes_before
        terminal.type("?")
        await terminal.shows("Esc ")
        assert b"^[" not in terminal.written
        terminal.type("\x03")
        assert await terminal.ends() == 0
        assert terminal.modes() == terminal.modes_before


async def test_a_filter_typed_on_the_first_frame_is_whole(cluster: Cluster) -> None:
    async with Terminal(["--interval", "20", cluster.uri()]) as terminal:
        await wait_until(lambda: when_painted(terminal), "the first frame is painted", every_s=0.001)
        terminal.type("/state:idle\r")
        await terminal.shows("filter: state:idle")


def sent(number: signal.Signals) -> Any:
    return lambda terminal: os.kill(terminal.process.pid, number)


@pytest.mark.parametrize(
    ("leave", "code"),
    [
        (lambda terminal: terminal.type("\x03"), 0),
        (lambda terminal: terminal.type("q"), 0),
        (sent(signal.SIGINT), 0),
        (sent(signal.SIGTERM), 128 + signal.SIGTERM),
        (sent(signal.SIGHUP), 128 + signal.SIGHUP),
        (sent(signal.SIGQUIT), -signal.SIGQUIT),
    ],
    ids=["Ctrl-C", "q", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"],
)
async def test_every_way_out_before_textual_is_there(cluster: Cluster, leave: Any, code: int) -> None:
    async with Terminal([cluster.uri()]) as terminal:
        await wait_until(lambda: when_painted(terminal), "the first frame is painted", every_s=0.001)
        leave(terminal)
        assert await terminal.ends() == code
        assert_given_back(terminal)
        assert b"unexpected" not in terminal.written


FAILING = """
import sys
sys.modules["textual.app"] = None
from pgtop_conn.cli import main
sys.exit(main())
"""


async def test_textual_that_cannot_be_loaded(cluster: Cluster) -> None:
    async with Terminal([cluster.uri()], program=(sys.executable, "-c", FAILING)) as terminal:
        assert await terminal.ends() == 2
        assert when_painted(terminal)
        assert b"unexpected ModuleNotFoundError" in terminal.written
        assert_given_back(terminal)


def assert_given_back(terminal: Terminal) -> None:
    assert terminal.modes() == terminal.modes_before
    assert terminal.written.count(ENTER_ALTERNATE_SCREEN) == terminal.written.count(LEAVE_ALTERNATE_SCREEN) == 1
    assert terminal.written.rfind(b"\x1b[?25h") > terminal.written.rfind(b"\x1b[?25l")
    assert b"Traceback" not in terminal.written


async def test_without_a_connection_nothing_is_painted() -> None:
    async with Terminal(["-w", "postgres://nobody@127.0.0.1:1/"]) as terminal:
        assert await terminal.ends() == 2
        assert b"\x1b" not in terminal.written
