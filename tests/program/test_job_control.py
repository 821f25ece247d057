"""Ctrl-Z under a shell with job control, and where there is none; what is typed meanwhile does nothing here."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from tests.program.test_typing_ahead import crowd, events_of
from tests.support.servers import Clients
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, LEAVE_ALTERNATE_SCREEN, PROGRAM, YES, Terminal
from tests.support.waits import wait_until

CTRL_Z = "\x1a"
SHELL = ("/bin/bash", "--norc", "--noprofile", "-i")
PROMPT = "ready>"
NO_SHELL = "Ctrl-Z: no shell here"
#: When our session asked last, seen by the server.
ASKED = "SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"


def shell() -> Terminal:
    return Terminal([], program=SHELL, columns=80, rows=24, environ={"PS1": PROMPT, "HISTFILE": ""})


async def started(terminal: Terminal, cluster: Cluster, *, interval: str = "60") -> None:
    await terminal.shows(PROMPT)
    terminal.type(f"{shlex.join([*PROGRAM, '--interval', interval, cluster.uri()])}\r")
    await terminal.shows("Headroom", "quit")


async def stopped(terminal: Terminal) -> None:
    """The shell has the terminal, as it was before."""
    await terminal.shows("Stopped", PROMPT)
    assert terminal.written.count(ENTER_ALTERNATE_SCREEN) == terminal.written.count(LEAVE_ALTERNATE_SCREEN)
    assert terminal.written.rfind(b"\x1b[?25h") > terminal.written.rfind(b"\x1b[?25l")
    for mode in (b"1000", b"1003", b"1006", b"2004", b"1004"):
        on, off = terminal.written.rfind(b"\x1b[?" + mode + b"h"), terminal.written.rfind(b"\x1b[?" + mode + b"l")
        # Bash itself has pastes in brackets.
        assert off >= on or mode == b"2004", mode


async def test_it_stops_and_goes_on_with_a_poll_at_once(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path
) -> None:
    sessions = await crowd(cluster, clients, others=0)
    eyes = await clients(cluster, app="eyes")
    async with shell() as terminal:
        await started(terminal, cluster)
        for _ in range(2):
            terminal.type(CTRL_Z)
            await stopped(terminal)
            asked = await eyes.fetchval(ASKED)
            terminal.type("clear; fg\r")
            await terminal.shows("Headroom", "crowd", "quit")
            await terminal.hides(PROMPT)

            async def asks(asked: object = asked) -> bool:
                return bool(await eyes.fetchval(ASKED) > asked)

            await wait_until(asks, "it polls at once")
            assert "Free how many" not in terminal.text
            assert "Terminate" not in terminal.text
        terminal.type("\x03")
        await terminal.shows(PROMPT)
        terminal.type("exit\r")
        assert await terminal.ends() == 0
    assert not any(session.is_closed() for session in sessions)
    assert events_of(scrubbed_environment) == []


@pytest.mark.parametrize("typed", ["fg\r", f"fg\rx{YES}", f"f\r{YES}\r"], ids=["fg", "terminate", "free"])
async def test_what_is_typed_with_it_does_nothing(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path, typed: str
) -> None:
    sessions = await crowd(cluster, clients, others=4)
    async with shell() as terminal:
        await started(terminal, cluster)
        terminal.type(f"{CTRL_Z}{typed}")
        await stopped(terminal)
        terminal.type("clear; fg\r")
        await terminal.shows("Headroom", "quit")
        terminal.type("\x03")
        await terminal.shows(PROMPT)
        terminal.type("exit\r")
        await terminal.ends()
    assert not any(session.is_closed() for session in sessions)
    assert events_of(scrubbed_environment) == []


async def test_a_question_that_was_open_is_still_one_and_takes_no_key_of_the_shell(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path
) -> None:
    sessions = await crowd(cluster, clients, others=4)
    async with shell() as terminal:
        await started(terminal, cluster)
        terminal.type("/app:crowd\r")
        await terminal.shows("filter: app:crowd")
        terminal.type("x")
        await terminal.shows("Press Ctrl-Y")
        terminal.type(CTRL_Z)
        await stopped(terminal)
        # Bash reads a line; what is behind it waits in the terminal for whoever comes next.
        terminal.type(f"clear; fg\r{YES}{YES}")
        await terminal.shows("Press Ctrl-Y")
        # What is typed before it has the terminal back is thrown away.
        await terminal.answers("Press Ctrl-Y", "\x1b")
        assert not any(session.is_closed() for session in sessions)
        assert events_of(scrubbed_environment) == []
        terminal.type("x")
        await terminal.shows("Press Ctrl-Y")
        await terminal.answers_yes()
        await terminal.shows("3 gone")


async def test_in_the_background_it_stays_stopped(cluster: Cluster) -> None:
    async with shell() as terminal:
        await started(terminal, cluster)
        terminal.type(CTRL_Z)
        await stopped(terminal)
        terminal.type("clear; bg\r")
        await terminal.shows("&")
        terminal.type("clear; jobs -l\r")
        await terminal.shows("Stopped")
        terminal.type("clear; fg\r")
        await terminal.shows("Headroom", "quit")
        terminal.type("\x03")
        await terminal.shows(PROMPT)


async def test_where_no_shell_waits_it_goes_on_and_says_so(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path
) -> None:
    """As the leader of its session, as in a container; then the `fg` of somebody who expects a shell."""
    sessions = await crowd(cluster, clients, others=0)
    async with Terminal(["--interval", "0.5", cluster.uri()]) as terminal:
        await terminal.shows("crowd", "Headroom", "quit")
        terminal.type(f"{CTRL_Z}fg\r")
        await terminal.shows(NO_SHELL, "Headroom")
        terminal.type("\x03")
        assert await terminal.ends() == 0
        assert terminal.modes() == terminal.modes_before
    assert not any(session.is_closed() for session in sessions)
    assert events_of(scrubbed_environment) == []


async def test_a_shell_without_job_control_is_not_left_behind(cluster: Cluster) -> None:
    program = ("/bin/sh", "-c", "trap '' TSTP; exec \"$@\"", "sh", *PROGRAM)
    async with Terminal(["--interval", "0.5", cluster.uri()], program=program) as terminal:
        await terminal.shows("Headroom", "quit")
        terminal.type(CTRL_Z)
        await terminal.shows(NO_SHELL)
        terminal.type("q")
        assert await terminal.ends() == 0
