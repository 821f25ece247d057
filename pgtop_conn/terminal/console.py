"""The lines of a command on the terminal: remarks and progress on stderr, the answer on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal import streams

#: Whoever connects faster reads nothing.
QUIET_S = 0.5


def tell(text: str) -> None:
    """A line for the user that is no output of the command."""
    streams.say(f"{PROGRAM}: {text}\n")


def overwrite(text: str) -> None:
    """One line on the terminal that writes over itself; a file or a pipe hears nothing of it."""
    if sys.stderr.isatty():
        streams.say(f"\r{text}\x1b[K")


def answer(out: str, remark: str, code: int) -> int:
    """The remark goes first: a reader of stdout who has left must not hide it. Gives `code`; raises OutputLost."""
    if remark:
        tell(remark)
    streams.write(out)
    return code


@contextmanager
def connecting(hosts: Sequence[object], quiet_s: float = QUIET_S) -> Iterator[None]:
    """While inside for longer than `quiet_s`, one line says where to and how to end it; never in a pipe.

    To be entered on a running event loop.
    """
    if not hosts or not sys.stderr.isatty():
        yield
        return
    # Commands that don't connect tell something, too, and load no event loop.
    import asyncio

    others = f" or one of {len(hosts) - 1} others" if len(hosts) > 1 else ""
    line = f"connecting to {hosts[0]}{others} … (Ctrl-C ends it)"
    timer = asyncio.get_running_loop().call_later(quiet_s, tell, line)
    try:
        yield
    finally:
        timer.cancel()
