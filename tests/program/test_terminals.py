"""The command in terminals of many kinds, and in one whose size does not stay: it shows, and leaves all as it was."""

from __future__ import annotations

from random import Random

import pytest

from pgtop_conn.demo.server import Cluster
from tests.support.servers import Clients
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, LEAVE_ALTERNATE_SCREEN, Terminal

#: What undecoded escapes leave on a screen: the end of a sequence whose start was not understood.
LEFTOVERS = ("[?", "[38;", "[48;", "[0m", "[1m", "\x1b", "$p", "]11;", "[>")


@pytest.mark.parametrize(
    "environ",
    [
        *({"TERM": term} for term in ("linux", "xterm", "screen-256color", "tmux-256color", "vt100", "xterm-256color")),
        {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TERM": "xterm-256color", "NO_COLOR": "1"},
        {"TERM": "xterm-256color", "COLUMNS": "999999", "LINES": "0"},
        {"TERM": "xterm-256color", "COLUMNS": "9" * 5000},
    ],
    ids=lambda environ: "-".join(environ.values())[:60],
)
async def test_it_shows_the_same_in_every_terminal(cluster: Cluster, clients: Clients, environ: dict[str, str]) -> None:
    await clients(cluster, app="billing")
    async with Terminal([cluster.uri()], columns=80, rows=24, environ={"COLORTERM": "", **environ}) as terminal:
        await terminal.shows("Slots", "Headroom", "billing", "quit")
        assert not [text for text in LEFTOVERS if text in terminal.text], terminal.text
        if "NO_COLOR" in environ:
            assert b"\x1b[38;" not in terminal.written
            assert b"\x1b[48;" not in terminal.written
        terminal.type("?")
        await terminal.shows("Esc", "filter")
        terminal.type("\x1b")
        await terminal.shows("GROUP", "billing")
        terminal.type("q")
        assert await terminal.ends() == 0
        assert terminal.modes() == terminal.modes_before
        assert terminal.written.count(ENTER_ALTERNATE_SCREEN) == terminal.written.count(LEAVE_ALTERNATE_SCREEN) == 1
        # Whatever was switched on is switched off again: mouse, bracketed paste, focus; and the cursor is back.
        for mode in (b"1000", b"1002", b"1003", b"1006", b"1015", b"2004", b"1004"):
            on, off = terminal.written.rfind(b"\x1b[?" + mode + b"h"), terminal.written.rfind(b"\x1b[?" + mode + b"l")
            assert off >= on, mode
        assert terminal.written.rfind(b"\x1b[?25h") > terminal.written.rfind(b"\x1b[?25l")


async def test_a_storm_of_sizes_in_a_terminal(cluster: Cluster, clients: Clients) -> None:
    await clients(cluster, app="billing")
    async with Terminal(["--interval", "0.25", cluster.uri()]) as terminal:
        await terminal.shows("billing", "quit")
        random = Random(7)
        for _ in range(50):
            terminal.resize(random.randint(20, 300), random.randint(5, 100))
        # What was on its way for another size may be drawn over the last one; a size of its own is drawn whole.
        await terminal.shows("Slots")
        for columns in (110, 100):
            terminal.resize(columns, 30)
            await terminal.shows("Slots")
        await terminal.shows("Slots", "Headroom", "billing", "quit")
        terminal.type("q")
        assert await terminal.ends() == 0
        assert terminal.modes() == terminal.modes_before
