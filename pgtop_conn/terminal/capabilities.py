"""The terminal: what it can show, and that it is still there.

A program whose terminal is gone must end, even where SIGHUP is ignored. On a hung-up terminal reads give the end of
file at once and for ever, and writes fail and fill a queue until the event loop blocks on it. So a thread of its own
looks, and it does not depend on the loop being alive.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from pgtop_conn.terminal.writer import Writer

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


@contextmanager
def given_back(writer: Writer, descriptor: int, modes: list[Any]) -> Iterator[None]:
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


def give_up() -> None:
    """Nobody reads the terminal: nothing that is said at the end may wait for it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        if os.isatty(descriptor):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)


#: What a variable may say of a terminal that does not tell its size itself.
MOST = {"COLUMNS": 1000, "LINES": 500}


def drop_wrong_size(environ: MutableMapping[str, str]) -> None:
    """The terminal's own size counts, which also changes; what a shell exported once counts where there is none."""
    try:
        told = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    except (OSError, ValueError):
        told = os.terminal_size((0, 0))
    for (name, most), size in zip(MOST.items(), told, strict=True):
        said = environ.get(name, "")
        if size or not (said.isdecimal() and len(said) < 6 and 0 < int(said) <= most):
            environ.pop(name, None)


class Colours(StrEnum):
    """How many colours there are to draw with."""

    NONE = "none"
    SIXTEEN = "sixteen"
    MANY = "many"


#: Those that have no cursor addressing, whatever a terminfo database says or does not say of them.
WITHOUT_CURSOR = frozenset({"dumb", "unknown", "network", "emacs", "cons"})
#: Beginnings of names of terminals whose character sets lack eighths of blocks, triangles or circles.
WITHOUT_GLYPHS = ("linux", "vt", "ansi", "cons", "wsvt", "pcansi", "sun", "xterm-old", "putty-sco")
#: Beginnings of names of terminals without colours.
WITHOUT_COLOURS = ("vt1", "vt2", "vt3", "vt4", "vt5")


def lacking(environ: Mapping[str, str]) -> str | None:
    """Why this terminal can't show the monitor, or None when it can."""
    term = environ.get("TERM", "")
    if term in WITHOUT_CURSOR or (term and _capability(term, "cup") == ""):
        return f"TERM={term} can't place the cursor"
    return None


def colour_system(environ: Mapping[str, str]) -> str:
    """What a terminal of this environment draws with, as rich finds it: standard, 256 or truecolor."""
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    named = environ.get("TERM", "").strip().lower().rpartition("-")[2]
    return "256" if named in ("kitty", "256color") else "standard"


def colours(environ: Mapping[str, str], system: str | None) -> Colours:
    """What there is to draw with; `system` is what rich found: standard, 256, truecolor, or None without any."""
    term = environ.get("TERM", "")
    if "NO_COLOR" in environ or system is None or term.endswith("-m"):
        return Colours.NONE
    if term.startswith(WITHOUT_COLOURS) and "color" not in term and not environ.get("COLORTERM"):
        return Colours.NONE
    return Colours.SIXTEEN if system == "standard" else Colours.MANY


def draws_glyphs(environ: Mapping[str, str], encoding: str | None) -> bool:
    """Whether bars, arrows and marks can be drawn, or ASCII has to do.

    Python itself sets LC_CTYPE where LANG is C (PEP 538), and takes UTF-8 for its streams: what was chosen counts.
    """
    if environ.get("TERM", "").startswith(WITHOUT_GLYPHS):
        return False
    if (encoding or "").lower().replace("-", "") not in ("utf8", ""):
        return False
    set_by_python = environ.get("LANG") and environ.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8")
    kind = "" if set_by_python else environ.get("LC_CTYPE")
    chosen = environ.get("LC_ALL") or kind or environ.get("LANG") or ""
    return not chosen or "utf8" in chosen.lower().replace("-", "")


def is_light(environ: Mapping[str, str]) -> bool:
    """Whether the terminal says that its ground is light: rxvt, Konsole and others by COLORFGBG, `0;15`."""
    return environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


def _capability(term: str, name: str) -> str | None:
    """A capability of a terminal, '' where it lacks that, None where nothing is known of the terminal."""
    try:
        import curses
    except ImportError:
        return None
    try:
        # Without a descriptor it would ask sys.stdout for one, which need not have any.
        curses.setupterm(term, 1)
    except curses.error:
        return None
    return (curses.tigetstr(name) or b"").decode("latin-1")
