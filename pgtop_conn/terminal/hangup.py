"""Whether the terminal is still there.

A program whose terminal is gone must end, even where SIGHUP is ignored. On a hung-up terminal reads give the end of
file at once and for ever, and writes fail and fill a queue until the event loop blocks on it. So a thread of its own
looks, and it does not depend on the loop being alive.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds between looks, and what an orderly end gets before the process is ended without it; together with what the
#: kernel takes to close our connection they stay below two seconds. Each look wakes a thread: 0.1 ms.
LOOK_EVERY_S = 0.5
GRACE_S = 1.0


@contextmanager
def watched(leave: Callable[[], None]) -> Iterator[None]:
    """While inside, `leave` is called (from a thread) once standard input was a terminal and is none any more."""
    done = threading.Event()
    descriptor = _terminal()
    if descriptor is None:
        yield
        return
    gone = _lost_session if _is_ours(descriptor) else _no_terminal
    thread = threading.Thread(target=_watch, args=(descriptor, gone, leave, done), name="terminal-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _terminal() -> int | None:
    """The descriptor to watch, or None where there is no terminal (tests, pipes)."""
    stdin = sys.__stdin__
    if stdin is None or stdin.closed or not stdin.isatty():
        return None
    return stdin.fileno()


def _is_ours(descriptor: int) -> bool:
    """Whether it is the terminal of our own session."""
    try:
        os.tcgetpgrp(descriptor)
    except OSError:
        return False
    return True


def _no_terminal(descriptor: int) -> bool:
    return not os.isatty(descriptor)


def _lost_session(descriptor: int) -> bool:
    """Also when the leader of the session is dead, be it that something still holds the terminal's other end."""
    return not _is_ours(descriptor)


def _watch(descriptor: int, gone: Callable[[int], bool], leave: Callable[[], None], done: threading.Event) -> None:
    while not done.wait(LOOK_EVERY_S):
        if gone(descriptor):
            leave()
            if not done.wait(GRACE_S):
                os._exit(128 + signal.SIGHUP)
            return
