"""The signals that ask a program to end, handled in one way by every command and by the screen.

A signal that was ignored when we were started stays ignored: nohup, and a shell's background jobs, mean it so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pgtop_conn.terminal.writer import TerminalWriter

#: Each asks for an orderly end.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Each ends a program at once that does not take it.
FATAL = tuple(
    getattr(signal, name)
    for name in ("SIGQUIT", "SIGABRT", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF", "SIGXCPU", "SIGPWR")
    if hasattr(signal, name)
)
#: Whatever Textual and the first frame may have switched on: updates, pasting in brackets, lines that are not wrapped,
#: sizes, mouse, keys, the screen, the cursor, focus.
ALL_OFF = (
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[<u"
    "\x1b[?1049l\x1b[?25h\x1b[?1004l"
)

#: Called with the number of the signal.
Call = Callable[[int], object]


def screen_code(number: int) -> int:
    """The exit code of a screen that such a signal ended: Ctrl-C is one way to leave it."""
    return 0 if number == signal.SIGINT else 128 + number


@contextmanager
def ended_by(call: Call) -> Iterator[None]:
    """While inside, each signal of ENDING calls it, on the running event loop."""
    loop = asyncio.get_running_loop()
    taken = _not_ignored()
    for number in taken:
        loop.add_signal_handler(number, call, number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


@contextmanager
def interrupted_by(call: Call) -> Iterator[None]:
    """While inside, each signal of ENDING calls it at once, also where the event loop is held up; it may raise."""
    taken = _not_ignored()
    before = [signal.signal(number, lambda number, _frame: call(number)) for number in taken]
    try:
        yield
    finally:
        for number, handler in zip(taken, before, strict=True):
            signal.signal(number, handler)


def _not_ignored() -> list[signal.Signals]:
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def given_back(writer: TerminalWriter, descriptor: int, modes: list[Any]) -> Iterator[None]:
    """While inside, a signal that ends us at once does so only after the terminal has these modes again."""

    def die(number: int, _frame: object) -> None:
        writer.write(ALL_OFF)
        writer.drained()
        termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    taken = [number for number in FATAL if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, die)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
