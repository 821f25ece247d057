"""Themes: every text readable on every ground, states told apart without red or green, and without colour at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme
from textual.widgets import Input

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IN_TRANSACTION, Snapshot
from pgtop_conn.terminal.capabilities import Colours, colours, draws_glyphs, lacking
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.theme import themes
from pgtop_conn.tui.widgets.line_view import CELL_STYLES, LineView, Painter
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import FakeSource, monitor, screen_strips, screen_text
from tests.support.servers import Clients
from tests.support.stores import LayoutLog
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, Terminal

EXACT = [theme for theme in {**BUILTIN_THEMES, **themes.OWN}.values() if not theme.ansi]
OPEN = ViewState(expanded=frozenset({("web",), ("web", "active")}))
#: Drawn, not read: blocks, rules, frames, scroll bars. WCAG asks 3:1 of what is no text.
DRAWN = frozenset(" ░▒▓█▏▎▍▌▋▊▉▁▂▃▄▅▆▇─│╭╮╰╯┌┐└┘·▐▔▕▀")
LEAST_DRAWN = 3.0
#: Steps from screen to screen: the cursor, marks, dialogs, the footer, the filter line, messages.
TOUR = (
    ("g", "right", "down"),
    ("space",),
    ("x",),
    ("escape", "f"),
    ("1",),
    ("escape", "slash", "i", "d", "colon"),
    ("escape", "question_mark"),
    ("escape", "b"),
    ("escape", "i"),
    ("escape", "d"),
    ("escape", "C", "down"),
    ("escape", "ctrl+p"),
    tuple("theme"),
    ("down", "down"),
)


def busy() -> Snapshot:
    """Every state at once, a guarded session and one that waits."""
    rows = [make_own(), make_backend(9, app="web", role="repl", walsender=True, backend_type="walsender")]
    for pid in range(10, 90):
        state = ("idle", ACTIVE, IN_TRANSACTION, ABORTED)[pid % 4]
        blocked_by = (10,) if pid % 9 == 0 else ()
        began = NOW - 4000 if pid % 4 > 1 else None
        rows.append(make_backend(pid, app="web", state=state, xact_start=began, blocked_by=blocked_by))
    return make_snapshot(rows)


def drawn(app: MonitorApp) -> Iterator[Segment]:
    """What is on the screen; of a dialog only itself and the messages, as what is behind is faded on purpose."""
    strips = screen_strips(app)
    boxes = [widget.region for widget in app.screen.query("#dialog, #diagnosis, CommandPalette > Vertical, Toast")]
    for box in boxes if app.screen is not app.main else [app.screen.region]:
        for strip in strips[box.y : box.bottom]:
            yield from strip.crop(box.x, box.right)


def contrast_of(style: Style, system: ColorSystem = ColorSystem.TRUECOLOR) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    pair = [Color(*colour.downgrade(system).get_truecolor()) for colour in (style.color, style.bgcolor)]
    return themes.contrast(*pair)


def unreadable(app: MonitorApp, least: float, system: ColorSystem) -> list[tuple[float, str]]:
    found = []
    for segment in drawn(app):
        if segment.style is None or not segment.text.strip():
            continue
        needed = LEAST_DRAWN if set(segment.text) <= DRAWN else least
        if (ratio := contrast_of(segment.style, system)) < needed:
            found.append((ratio, segment.text))
    return found


def test_the_contrast_is_that_of_wcag() -> None:
    white, black, grey = Color(255, 255, 255), Color(0, 0, 0), Color(0x76, 0x76, 0x76)
    assert themes.contrast(white, black) == themes.contrast(black, white) == pytest.approx(21.0)
    assert themes.contrast(grey, white) == pytest.approx(4.54, abs=0.01)
    assert themes.contrast(grey, grey) == 1.0


@pytest.mark.parametrize("theme", EXACT, ids=lambda theme: theme.name)
def test_every_ink_is_readable_on_every_ground_it_is_drawn_on(theme: Theme) -> None:
    inks, grounds = themes.inks(theme), themes.grounds_of(theme)
    least = 7.0 if theme is themes.CONTRAST else themes.LEAST
    for name in ("ink-text", *themes.STATE_INKS):
        for ground in grounds.values():
            assert themes.contrast(Color.parse(inks[name]), ground) >= least, name
    for name in themes.QUIET_INKS:
        for ground in (grounds["background"], grounds["surface"]):
            assert themes.contrast(Color.parse(inks[name]), ground) >= least, name
    assert themes.contrast(Color.parse(inks["ink-alert"]), Color.parse(inks["ground-alert"])) >= least


@pytest.mark.parametrize("theme", [*themes.OWN, "nord", "solarized-light", "textual-light"])
async def test_every_style_is_readable_on_every_line(theme: str) -> None:
    """As the painter makes them: each style name, with and without the cursor, in the table and in a dialog."""
    async with monitor(busy(), theme=theme, view=OPEN) as (app, _, pilot):
        for keys in ((), ("g", "down", "x")):
            await pilot.press(*keys)
            for view in app.screen.query(LineView):
                painter = Painter(view, 1)
                for name in ("", *CELL_STYLES):
                    for at_cursor in (False, True):
                        [segment] = painter.strip(((("text", name),), at_cursor))
                        assert segment.style is not None
                        assert contrast_of(segment.style) >= themes.LEAST, (name, at_cursor, view.id)


@pytest.mark.parametrize("theme", list(themes.OWN))
async def test_everything_on_every_screen_is_readable(theme: str) -> None:
    async with monitor(busy(), theme=theme, view=OPEN) as (app, _, pilot):
        for keys in TOUR:
            await pilot.press(*keys)
            for severity in ("information", "warning", "error"):
                app.main.tell("a message", severity)
            await pilot.pause()
            assert unreadable(app, themes.LEAST, ColorSystem.TRUECOLOR) == [], keys
            # A terminal with 256 colours takes the nearest of them.
            assert unreadable(app, 4.0, ColorSystem.EIGHT_BIT) == [], keys
            app.clear_notifications()


@pytest.mark.parametrize("theme", list(themes.OWN))
async def test_a_line_for_input_is_readable(theme: str) -> None:
    async with monitor(busy(), theme=theme) as (app, _, pilot):
        await pilot.press("slash", *"abc")
        line = app.screen.query_one("#filter-input", Input)
        for name in ("input--cursor", "input--selection", "input--placeholder"):
            assert contrast_of(line.get_component_rich_style(name)) >= themes.LEAST, name


#: Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
SEEN_BY = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def lab(colour: Color, eyes: str) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour as these eyes see it."""
    linear = [themes.linear(part / 255) for part in colour.rgb]
    red, green, blue = (sum(m * part for m, part in zip(row, linear, strict=True)) for row in SEEN_BY[eyes])
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (math.cbrt(part) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("eyes", list(SEEN_BY))
@pytest.mark.parametrize("theme", list(themes.OWN.values()), ids=lambda theme: theme.name)
def test_states_are_told_apart_without_red_or_green(theme: Theme, eyes: str) -> None:
    inks = themes.inks(theme)
    seen = [lab(Color.parse(inks[name]), eyes) for name in ("ink-ok", "ink-warning", "ink-error")]
    # Around 2 is just noticeable side by side.
    assert min(math.dist(seen[0], seen[1]), math.dist(seen[0], seen[2]), math.dist(seen[1], seen[2])) >= 15


@pytest.mark.parametrize("theme", list(themes.OWN.values()), ids=lambda theme: theme.name)
def test_the_cursor_is_seen(theme: Theme) -> None:
    grounds = themes.grounds_of(theme)
    assert themes.contrast(grounds["background"], grounds["cursor"]) >= 1.15
    assert themes.contrast(grounds["surface"], grounds["cursor in a dialog"]) >= 1.15


async def test_states_have_words_and_marks_have_signs() -> None:
    async with monitor(busy(), size=(140, 60), ascii=True, view=OPEN) as (app, _, pilot):
        await pilot.press("g", "right", "down", "space")
        text = "\n".join(screen_text(app))
        for word in ("active", "blocked", "idle in transaction", "aborted", "marked", "*"):
            assert word in text, word


async def test_a_full_server_shouts_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    full = make_snapshot([make_own(), *(make_backend(pid) for pid in range(10, 110))])
    async with monitor(full) as (app, _, _pilot):
        [level] = [segment for segment in drawn(app) if segment.text == " FULL "]
        assert level.style is not None
        assert level.style.reverse
        assert level.style.bold


async def test_the_palette_is_drawn_in_ascii_where_that_is_asked_for() -> None:
    async with monitor(busy(), ascii=True) as (app, _, pilot):
        await pilot.press("ctrl+p", *"theme")
        drawn_text = "".join(screen_text(app))
        assert "Theme pgtop" in drawn_text
        assert drawn_text.isascii(), {char for char in drawn_text if not char.isascii()}


def test_names_and_short_words() -> None:
    assert themes.themes()[:3] == ["pgtop", "pgtop-light", "pgtop-contrast"]
    assert set(BUILTIN_THEMES) < set(themes.themes())
    assert [themes.named(name) for name in ("light", "ansi", "nord")] == ["pgtop-light", "ansi-dark", "nord"]
    with pytest.raises(BadInput, match="'pgtop-lite'; did you mean pgtop-light\\? there are pgtop, pgtop-light"):
        themes.named("pgtop-lite")


@pytest.mark.parametrize(
    ("asked", "saved", "colours", "environ", "theme"),
    [
        (None, "", Colours.MANY, {}, "pgtop"),
        (None, "", Colours.MANY, {"COLORFGBG": "0;15"}, "pgtop-light"),
        (None, "", Colours.MANY, {"COLORFGBG": "15;default;0"}, "pgtop"),
        (None, "", Colours.SIXTEEN, {}, "ansi-dark"),
        (None, "", Colours.SIXTEEN, {"COLORFGBG": "0;7"}, "ansi-light"),
        (None, "", Colours.NONE, {}, "ansi-dark"),
        (None, "nord", Colours.MANY, {}, "nord"),
        (None, "nord", Colours.SIXTEEN, {}, "ansi-dark"),
        (None, "ansi-light", Colours.SIXTEEN, {}, "ansi-light"),
        (None, "left-the-list", Colours.MANY, {}, "pgtop"),
        ("light", "nord", Colours.SIXTEEN, {}, "pgtop-light"),
    ],
)
def test_the_theme_to_start_with(
    asked: str | None, saved: str, colours: Colours, environ: dict[str, str], theme: str
) -> None:
    assert themes.chosen(asked, saved, colours, environ) == theme


async def test_a_theme_that_is_chosen_is_kept_and_the_first_is_not() -> None:
    layout = LayoutLog()
    async with monitor(busy(), layout=layout) as (app, _, pilot):
        await pilot.pause()
        assert layout.themes == []
        app.theme = "pgtop-light"
        await pilot.pause()
        assert layout.themes == ["pgtop-light"]


def test_a_kept_theme_that_is_no_more_does_not_keep_anybody_out() -> None:
    assert MonitorApp(FakeSource(), ScreenOptions(saved_theme="gone")).theme == "pgtop"


@pytest.mark.parametrize(
    ("environ", "system", "found"),
    [
        ({"TERM": "xterm-256color"}, "256", Colours.MANY),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor", Colours.MANY),
        ({"TERM": "xterm"}, "standard", Colours.SIXTEEN),
        ({"TERM": "linux"}, "standard", Colours.SIXTEEN),
        ({"TERM": "vt100"}, "standard", Colours.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "256", Colours.NONE),
        ({"TERM": "strange"}, None, Colours.NONE),
    ],
)
def test_colours_of_a_terminal(environ: dict[str, str], system: str | None, found: Colours) -> None:
    assert colours(environ, system) is found


@pytest.mark.parametrize(
    ("environ", "encoding", "draws"),
    [
        ({"TERM": "xterm", "LANG": "de_DE.UTF-8"}, "utf-8", True),
        ({"TERM": "xterm", "LANG": "C.utf8"}, "utf-8", True),
        ({"TERM": "xterm"}, "utf-8", True),
        ({"TERM": "xterm", "LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "utf-8", False),
        # As Python leaves it behind when it was started with LANG=C.
        ({"TERM": "xterm", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, "utf-8", False),
        ({"TERM": "xterm", "LC_CTYPE": "C.UTF-8", "LANG": "en_US.ISO-8859-1"}, "utf-8", False),
        ({"TERM": "xterm", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),
        ({"TERM": "xterm", "LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, "utf-8", True),
        ({"TERM": "xterm", "LANG": "de_DE.UTF-8"}, "iso8859-1", False),
        ({"TERM": "linux", "LANG": "de_DE.UTF-8"}, "utf-8", False),
        ({"TERM": "vt100", "LANG": "de_DE.UTF-8"}, "utf-8", False),
    ],
)
def test_glyphs_are_drawn_where_there_are_some(environ: dict[str, str], encoding: str, draws: bool) -> None:
    assert draws_glyphs(environ, encoding) is draws


def test_a_terminal_that_nothing_is_known_of_is_tried() -> None:
    assert lacking({"TERM": "a-terminal-of-tomorrow"}) is None
    assert lacking({}) is None


@pytest.mark.parametrize("term", ["dumb", "unknown"])
async def test_a_terminal_without_cursor_addressing_is_told_what_else_there_is(term: str) -> None:
    async with Terminal(["postgres://nobody@127.0.0.1:1/"], environ={"TERM": term}) as terminal:
        await terminal.shows(f"TERM={term}", "can't place the cursor", "pgtop-conn snapshot")
        assert await terminal.ends() == 2
        assert terminal.written.count(b"\n") == 1
        assert b"\x1b" not in terminal.written


async def test_a_theme_that_does_not_exist_takes_no_slot() -> None:
    async with Terminal(["--theme", "nrod", "postgres://nobody@127.0.0.1:1/"]) as terminal:
        await terminal.shows("no theme 'nrod'; did you mean nord?", "pgtop-light")
        assert await terminal.ends() == 2
        assert ENTER_ALTERNATE_SCREEN not in terminal.written


@pytest.mark.parametrize(
    ("environ", "coloured", "ascii_only"),
    [
        ({"TERM": "vt100"}, False, True),
        ({"TERM": "linux"}, True, True),
        ({"TERM": "xterm-256color", "LC_ALL": "C"}, True, True),
        ({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}, False, False),
    ],
    ids=["vt100", "linux", "c", "no-color"],
)
async def test_a_terminal_gets_what_it_has(
    cluster: Cluster, clients: Clients, environ: dict[str, str], coloured: bool, ascii_only: bool
) -> None:
    await clients(cluster, app="billing")
    async with Terminal([cluster.uri()], columns=80, rows=24, environ={"COLORTERM": "", **environ}) as terminal:
        await terminal.shows("Headroom", "billing", "quit")
        assert terminal.text.isascii() is ascii_only, terminal.text
        # The terminal's own palette (30 to 37, 90 to 97), or exact colours, or 256.
        assert bool(re.search(rb"\x1b\[([0-9]+;)*(3[0-8]|9[0-7])[;m]", terminal.written)) is coloured
        terminal.type("q")
        assert await terminal.ends() == 0
