"""Every way out, in calm and in trouble: the terminal as it was, and nothing left on the server.

What a hung server does is its own affair; there it is the kernel's word that counts: our connection is closed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from tests.conftest import MakeCluster
from tests.support.faults.kinds import TERMINATE, stopped
from tests.support.faults.sampler import Sampler, connections_to, reach
from tests.support.faults.stage import children_of
from tests.support.servers import is_alive
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, LEAVE_ALTERNATE_SCREEN, PROGRAM, Terminal
from tests.support.waits import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are counted in /proc/net/tcp")
#: Each pair switches something on and off: cursor hidden, mouse in its four forms, pasting in brackets.
MODES = ((b"?25l", b"?25h"), *((b"?%dh" % mode, b"?%dl" % mode) for mode in (1000, 1003, 1006, 1015, 2004)))
#: As nohup does, which would take standard output away from the terminal as well.
HANGUP_IGNORED = ("/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *PROGRAM)
UNDER_A_SHELL = ("/bin/sh", "-c", '"$@"; exit $?', "sh", *PROGRAM)
FAILING = """
import sys
from pgtop_conn.tui.screen.monitor_screen import MonitorScreen

def fail(screen):
    raise KeyError("hunter2")

MonitorScreen.action_pause = fail
from pgtop_conn.cli import main
sys.exit(main())
"""

#: That the terminal tells of its focus is switched on when keys are read; the first frame is there before.
KEYS_ARE_READ = b"\x1b[?1004h"

#: When our session asked last, seen by the server.
ASKED = "SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"

Way = Callable[[Terminal], None]


async def up(terminal: Terminal) -> None:
    """The screen is shown and answers; how it is left before that is for tests/tui/rendering/test_first_frame.py."""
    await terminal.shows("Headroom")
    await wait_until(lambda: KEYS_ARE_READ in terminal.written, "keys are read")


def key(keys: str) -> Way:
    return lambda terminal: terminal.type(keys)


def sent(number: signal.Signals) -> Way:
    return lambda terminal: os.kill(terminal.process.pid, number)


WAYS: dict[str, tuple[Way, int]] = {
    "q": (key("q"), 0),
    "Ctrl-C": (key("\x03"), 0),
    "Ctrl-C in a dialog": (key("?\x03"), 0),
    "SIGINT": (sent(signal.SIGINT), 0),
    "SIGTERM": (sent(signal.SIGTERM), 128 + signal.SIGTERM),
    "SIGHUP": (sent(signal.SIGHUP), 128 + signal.SIGHUP),
    # These end it at once, as they end every program; the terminal comes first.
    "SIGQUIT": (sent(signal.SIGQUIT), -signal.SIGQUIT),
    "SIGABRT": (sent(signal.SIGABRT), -signal.SIGABRT),
    "SIGUSR1": (sent(signal.SIGUSR1), -signal.SIGUSR1),
}
SOME_WAYS = ("q", "Ctrl-C", "SIGTERM")


@pytest.fixture(scope="module")
def server(module_clusters: MakeCluster) -> Cluster:
    return module_clusters(tcp=True)


@pytest.fixture
async def sampler(server: Cluster) -> AsyncIterator[Sampler]:
    server.start()
    sampler = Sampler([server], [server.port])
    await sampler.start()
    yield sampler
    await sampler.stop()


def arguments(server: Cluster) -> list[str]:
    return ["--interval", "0.5", server.uri(tcp=True)]


@contextmanager
def hung(server: Cluster, sampler: Sampler, *, backends: bool = True) -> Iterator[None]:
    """The postmaster, and every process of the server but the sampler's own."""
    pid = server.postmaster_pid
    assert pid is not None
    children = [child for child in children_of(pid) if child not in sampler.own_pids()] if backends else []
    with stopped([pid, *children]):
        yield


def unread(server: Cluster) -> bool:
    """Whether a backend has been sent anything that it has not read."""
    here = f"0100007F:{server.port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return any(row[1] == here and row[3] == "01" and not row[4].endswith(":00000000") for row in rows)


async def leaves(terminal: Terminal, server: Cluster, sampler: Sampler, way: Way, *, hanging: bool = False) -> int:
    """Take the way out; its exit code, when everything is closed and ended. A server that hangs goes on hanging."""
    way(terminal)

    def closed() -> bool:
        return not connections_to([server.port]) and (hanging or not sampler.pids())

    await wait_until(closed, "our session is closed", every_s=0.01)
    return await terminal.ends()


def assert_restored(terminal: Terminal) -> None:
    written = terminal.written
    assert terminal.modes() == terminal.modes_before
    assert written.count(ENTER_ALTERNATE_SCREEN) == written.count(LEAVE_ALTERNATE_SCREEN) == 1
    for on, off in MODES:
        assert written.rfind(b"\x1b[" + off) > written.rfind(b"\x1b[" + on) or b"\x1b[" + on not in written
    assert b"Traceback" not in written


@pytest.mark.parametrize("way", WAYS)
async def test_in_calm(server: Cluster, sampler: Sampler, way: str) -> None:
    leave, code = WAYS[way]
    async with Terminal(arguments(server)) as terminal:
        await up(terminal)
        await wait_until(lambda: len(sampler.pids()) == 1, "one session is seen")
        assert await leaves(terminal, server, sampler, leave) == code
        assert_restored(terminal)


@pytest.mark.parametrize("way", SOME_WAYS)
async def test_while_the_server_hangs(server: Cluster, sampler: Sampler, way: str) -> None:
    leave, code = WAYS[way]
    async with Terminal(arguments(server)) as terminal:
        await up(terminal)
        with hung(server, sampler):
            await wait_until(lambda: unread(server), "a question is open that is not answered")
            assert await leaves(terminal, server, sampler, leave, hanging=True) == code
            assert_restored(terminal)
    await wait_until(lambda: not sampler.pids(), "the session ends as soon as the server runs again")


@pytest.mark.parametrize("way", SOME_WAYS)
async def test_in_the_middle_of_a_reconnect(server: Cluster, sampler: Sampler, way: str) -> None:
    leave, code = WAYS[way]
    async with Terminal(arguments(server)) as terminal:
        await up(terminal)
        admin = await reach(server)
        with hung(server, sampler, backends=False):
            await admin.execute(TERMINATE)
            await terminal.shows("STALE", "reconnecting")
            await wait_until(lambda: connections_to([server.port]) == 1, "a login is under way")
            assert await leaves(terminal, server, sampler, leave, hanging=True) == code
            assert_restored(terminal)
        await admin.close()
    await wait_until(lambda: not sampler.pids(), "no session is left")


@pytest.mark.parametrize("way", SOME_WAYS)
async def test_while_there_is_no_server(server: Cluster, sampler: Sampler, way: str) -> None:
    leave, code = WAYS[way]
    async with Terminal(arguments(server)) as terminal:
        await up(terminal)
        server.stop()
        await terminal.shows("STALE", "no server at")
        assert await leaves(terminal, server, sampler, leave) == code
        assert_restored(terminal)


@pytest.mark.parametrize("program", [PROGRAM, HANGUP_IGNORED], ids=["", "SIGHUP ignored"])
@pytest.mark.parametrize("hanging", [False, True], ids=["in calm", "server hangs"])
async def test_the_terminal_is_gone(server: Cluster, sampler: Sampler, program: tuple[str, ...], hanging: bool) -> None:
    async with Terminal(arguments(server), program=program) as terminal:
        await up(terminal)
        with hung(server, sampler) if hanging else stopped(()):
            if hanging:
                await wait_until(lambda: unread(server), "a question is open that is not answered")
            await leaves(terminal, server, sampler, Terminal.hang_up, hanging=hanging)
    await wait_until(lambda: not sampler.pids(), "no session is left")


@pytest.mark.parametrize("ignored", [False, True], ids=["", "SIGHUP ignored"])
async def test_the_shell_above_is_killed(server: Cluster, sampler: Sampler, ignored: bool) -> None:
    """The leader of the session ends, as sshd's shell does: the terminal is taken from all that run in it."""
    shell = (
        UNDER_A_SHELL if not ignored else (*UNDER_A_SHELL[:2], f"trap '' HUP; {UNDER_A_SHELL[2]}", *UNDER_A_SHELL[3:])
    )
    async with Terminal(arguments(server), program=shell) as terminal:
        await up(terminal)
        (monitor,) = children_of(terminal.process.pid)
        await leaves(terminal, server, sampler, sent(signal.SIGKILL))
        await wait_until(lambda: not is_alive(monitor), "the monitor ends")


async def fill(terminal: Terminal) -> None:
    """Nobody reads the terminal any more, and its buffer is full."""
    terminal.leave_unread()

    def full() -> bool:
        terminal.type("\x0c")
        return terminal.is_full()

    await wait_until(full, "the buffer of the terminal is full", every_s=0.1)


@pytest.mark.parametrize("way", ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])
async def test_a_terminal_that_nobody_reads(server: Cluster, sampler: Sampler, way: str) -> None:
    """Polls go on, and it can be left, though nothing that is said then is seen."""
    leave, code = WAYS[way]
    admin = await reach(server)
    async with Terminal(arguments(server)) as terminal:
        await up(terminal)
        await fill(terminal)
        asked = await admin.fetchval(ASKED)

        async def polls() -> bool:
            return bool(await admin.fetchval(ASKED) > asked)

        for _ in range(3):
            await wait_until(polls, "it polls")
            asked = await admin.fetchval(ASKED)
        assert terminal.is_full()
        assert await leaves(terminal, server, sampler, leave) == code
        assert terminal.modes() == terminal.modes_before
    await admin.close()


async def test_a_terminal_that_is_read_again_shows_what_is_now(server: Cluster, sampler: Sampler) -> None:
    async with Terminal(arguments(server)) as terminal:
        await up(terminal)
        await fill(terminal)
        newer = await asyncpg.connect(server.uri(tcp=True), server_settings={"application_name": "newcomer"})
        # What was typed while nothing was shown opened nothing that decides.
        terminal.type("f")
        terminal.read_again()
        await terminal.shows("newcomer", "Free how many slots?")
        await newer.close()
        assert await leaves(terminal, server, sampler, key("\x03")) == 0
        assert_restored(terminal)


async def test_an_error_of_our_own(server: Cluster, sampler: Sampler) -> None:
    async with Terminal(arguments(server), program=(sys.executable, "-c", FAILING)) as terminal:
        await up(terminal)
        assert await leaves(terminal, server, sampler, key("p")) == 1
        assert_restored(terminal)
        assert b"unexpected KeyError" in terminal.written
        assert b"hunter2" not in terminal.written


@pytest.mark.parametrize(
    ("way", "code"),
    [(key("\x03"), 130), (sent(signal.SIGTERM), -signal.SIGTERM), (sent(signal.SIGHUP), -signal.SIGHUP)],
)
async def test_while_connecting(server: Cluster, sampler: Sampler, way: Way, code: int) -> None:
    async with Terminal(arguments(server)) as terminal:
        with hung(server, sampler, backends=False):
            await wait_until(lambda: connections_to([server.port]) == 1, "a login is under way")
            assert await leaves(terminal, server, sampler, way, hanging=True) == code
            assert terminal.modes() == terminal.modes_before
            assert b"Traceback" not in terminal.written
    await wait_until(lambda: not sampler.pids(), "no session is left")


@pytest.mark.parametrize(
    ("way", "code"),
    [(key("\x03"), 130), (sent(signal.SIGTERM), 128 + signal.SIGTERM), (sent(signal.SIGHUP), 128 + signal.SIGHUP)],
)
async def test_at_the_password_prompt(server: Cluster, sampler: Sampler, way: Way, code: int) -> None:
    """Where the terminal echoes nothing, and must again."""
    async with Terminal(["-W", *arguments(server)]) as terminal:
        await terminal.shows("Password for user postgres:")
        await wait_until(lambda: terminal.modes() != terminal.modes_before, "nothing is echoed")
        assert await leaves(terminal, server, sampler, way) == code
        assert terminal.modes() == terminal.modes_before
        assert b"Traceback" not in terminal.written
