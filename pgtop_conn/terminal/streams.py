"""stdin, stdout and stderr, when one of them is closed, full, or has lost its reader. Light: loaded before argparse.

Without its three descriptors, a process gives their numbers to the next file or socket that it opens.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from pgtop_conn.program import PROGRAM


class OutputLost(Exception):
    """stdout could not be written; `why` is what the system said."""

    def __init__(self, why: OSError) -> None:
        super().__init__(why.strerror or str(why))
        self.why = why


def open_missing() -> None:
    """Give those that are closed a descriptor that can be neither written nor read to any use."""
    for descriptor, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            # One that can only be read fails every write, as the closed one would; what is told may be lost.
            found = os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)
            if found != descriptor:
                os.dup2(found, descriptor)
                os.close(found)
            stream = open(descriptor, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            setattr(sys, ("stdin", "stdout", "stderr")[descriptor], stream)


def say(text: str) -> None:
    """Write to stderr; where that can't be written, nobody is left to be told."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def write(text: str, *, flush: bool = True) -> None:
    """Write to stdout. Raises OutputLost; without `flush` perhaps only at a later call."""
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as error:
        raise OutputLost(error) from None


def drop_output() -> None:
    """Take stdout away, so that Python's own flush at the end can't fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    with suppress(OSError):
        # What still waits goes there, too.
        sys.stdout.flush()


def give_up() -> None:
    """Nobody reads the terminal: nothing that is said at the end may wait for it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        if os.isatty(descriptor):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)


def without_output(error: OutputLost, code: int | None = None) -> int:
    """The exit code where stdout is lost: `code`, else 1 and a line on stderr, or 0 when its reader has left."""
    drop_output()
    if code is not None:
        return code
    if isinstance(error.why, BrokenPipeError):
        # The reader has all it wanted; nothing is left to say.
        return 0
    say(f"{PROGRAM}: stdout can't be written: {error}\n")
    return 1
