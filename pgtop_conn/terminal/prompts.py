"""Questions on the terminal, wherever stdin and stdout go: a password, yes or no."""

from __future__ import annotations

import getpass
import os
import signal
import termios
from pathlib import Path
from typing import NoReturn

from pgtop_conn.terminal.interrupts import interrupted_by


def can_ask() -> bool:
    """Whether there is a terminal to ask on; getpass would fall back to echoing stdin otherwise."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def password(prompt: str) -> str:
    """What is typed, not shown. Raises EOFError where nothing is."""
    with interrupted_by(_leave):
        return getpass.getpass(prompt)


def yes(question: str) -> bool:
    """Asked on the terminal; anything but y is no."""
    try:
        terminal = Path(os.ctermid())
        with (
            terminal.open("w", encoding="utf-8") as asks,
            terminal.open(encoding="utf-8", errors="replace") as answers,
            interrupted_by(_leave),
        ):
            asks.write(f"{question} [y/N] ")
            asks.flush()
            # What was typed before the question was there answers nothing.
            termios.tcflush(answers.fileno(), termios.TCIFLUSH)
            return answers.readline().strip().lower() in ("y", "yes")
    except (OSError, termios.error):
        return False


def _leave(number: int) -> NoReturn:
    """A signal ends the question at once, and the terminal echoes again.

    The event loop that we are asked from would only take note of Ctrl-C, and the others would leave nobody to clean up.
    """
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
