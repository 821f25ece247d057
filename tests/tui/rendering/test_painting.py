"""Whatever is done on the screen, a terminal that is sent only what changed shows what the screen is."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pyte
import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.strip import Strip

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from tests.support.data.factories import NOW, make_backend, make_snapshot
from tests.support.fake_source import FakeSource, screen_strips, until
from tests.support.terminals import seen

QUERIES = ("SELECT 'größe'", "SELECT '日本語', 1", "SELECT 'שלום'", "SELECT '⚠ 🙂', 2", "SELECT 'é'", "COMMIT")
KEYS = (
    *("down", "down", "up", "g", "G", "right", "right", "left", "enter", "pageup", "pagedown", "escape", "escape"),
    *("s", "S", "tab", "shift+tab", "question_mark", "i", "b", "d", "space", "p", "l", "x", "f", "slash", "ctrl+p"),
)
THEMES = ("nord", "dracula", "pgtop-light", "ansi-dark")
SIZES = ((120, 36), (80, 24))


@pytest.fixture(autouse=True)
def _styles_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A style keeps what it was drawn with first, be it for a terminal of another test."""
    kept = Strip.render_style

    def anew(style: Style, text: str, colours: ColorSystem) -> str:
        style._ansi = None
        return kept(style, text, colours)

    monkeypatch.setattr(Strip, "render_style", anew)


class EmulatedTerminal(HeadlessDriver):
    """What is written goes to an emulated screen."""

    screen = pyte.Screen(*SIZES[0])
    stream = pyte.Stream(screen)
    written = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        type(self).written += len(data.encode())
        # The emulator drops what follows a mark without width.
        type(self).stream.feed(data.replace("\u200e", ""))


def emulated(columns: int, rows: int) -> pyte.Screen:
    """An empty screen. Unlike terminals, the emulator would start a new line for a mark behind the last column."""
    screen = pyte.Screen(columns, rows)
    pyte.Stream(screen).feed("\x1b[?7l")
    return screen


def cells(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    return [[seen(screen.buffer[y][x]) for x in range(screen.columns)] for y in range(screen.lines)]


def drawn(app: MonitorApp) -> list[list[tuple[object, ...]]]:
    """The screen as Textual would paint it now, all of it."""
    width, height = app.size
    screen = emulated(width, height)
    stream = pyte.Stream(screen)
    colours = app.console._color_system or ColorSystem.TRUECOLOR
    for y, strip in enumerate(screen_strips(app)):
        text = "".join(Strip.render_style(style, text, colours) if style else text for text, style, _ in strip)
        stream.feed(f"\x1b[{y + 1}H{text}\x1b[m".replace("\u200e", ""))
    return cells(screen)


def sessions(random: Random, at: float) -> Snapshot:
    """Other ages, and now and then other sessions."""
    backends = [
        make_backend(
            pid,
            app=("billing", "web", "größe 日本語", "שלום")[pid % 4],
            query=QUERIES[pid % len(QUERIES)],
            state_change=at - random.choice((3.0, 70.0, 4000.0)),
        )
        for pid in range(100, 140)
        if random.random() < 0.95
    ]
    return replace(make_snapshot(backends), taken_at=at)


@pytest.mark.parametrize("seed", range(4))
async def test_the_terminal_shows_what_the_screen_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "" if seed % 2 else "truecolor")
    random = Random(seed)
    columns, rows = SIZES[seed % 2]
    EmulatedTerminal.screen = emulated(columns, rows)
    EmulatedTerminal.stream = pyte.Stream(EmulatedTerminal.screen)
    source = FakeSource()
    app = MonitorApp(source, ScreenOptions(interval_s=0.0, first=sessions(random, NOW)))
    app.driver_class = EmulatedTerminal

    async def agrees(after: str) -> None:
        try:
            await until(lambda: cells(EmulatedTerminal.screen) == drawn(app))
        except TimeoutError:
            shown, wanted = cells(EmulatedTerminal.screen), drawn(app)
            wrong = [
                f"{y},{x}: {shown[y][x]} instead of {wanted[y][x]}"
                for y in range(len(wanted))
                for x in range(len(wanted[y]))
                if shown[y][x] != wanted[y][x]
            ]
            raise AssertionError("\n".join((f"after {after}:", *wrong[:9], *EmulatedTerminal.screen.display))) from None

    try:
        async with app.run_test(headless=False, size=(columns, rows), notifications=True) as pilot:
            await agrees("the start")
            for number in range(20):
                if random.random() < 0.3:
                    await source.tick(pilot, sessions(random, NOW + number))
                if random.random() < 0.1:
                    app.theme = random.choice(THEMES)
                if random.random() < 0.1:
                    columns, rows = random.choice((*SIZES, (100, 30)))
                    EmulatedTerminal.screen.resize(rows, columns)
                    await pilot.resize_terminal(columns, rows)
                    size = Size(columns, rows)
                    await until(lambda size=size: app.size == size)  # type: ignore[misc]
                pressed = random.choices(KEYS, k=3)
                await pilot.press(*pressed)
                await agrees(f"{pressed}, step {number} of seed {seed}")
            await pilot.press("escape", "escape", "escape")
    finally:
        await app.main.diagnosing.facts.stop(patience_s=0.0)
        await app.main.feed.poller.stop(patience_s=0.0)
        await app.main.signals.finish()


async def test_an_idle_server_costs_next_to_nothing_a_poll() -> None:
    """Clock and ages only: plain Textual sends 6 to 8 kB, the whole of every line on which one of them stands."""
    EmulatedTerminal.screen = emulated(*SIZES[0])
    EmulatedTerminal.stream = pyte.Stream(EmulatedTerminal.screen)
    source, random = FakeSource(), Random(1)
    first = sessions(random, NOW)
    app = MonitorApp(source, ScreenOptions(interval_s=0.0, first=first))
    app.driver_class = EmulatedTerminal
    try:
        async with app.run_test(headless=False, size=SIZES[0]) as pilot:
            await until(lambda: cells(EmulatedTerminal.screen) == drawn(app))
            await source.tick(pilot, replace(first, taken_at=NOW + 2))
            await until(lambda: cells(EmulatedTerminal.screen) == drawn(app))
            before = EmulatedTerminal.written
            for poll in range(2, 7):
                await source.tick(pilot, replace(first, taken_at=NOW + 2 * poll))
                await until(lambda: cells(EmulatedTerminal.screen) == drawn(app))
            assert 0 < (EmulatedTerminal.written - before) / 5 < 300
    finally:
        await app.main.diagnosing.facts.stop(patience_s=0.0)
        await app.main.feed.poller.stop(patience_s=0.0)
        await app.main.signals.finish()
