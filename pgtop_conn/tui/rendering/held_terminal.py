"""HeldTerminal: the terminal from the first frame on, until Textual has it: no key is echoed or lost, and no signal.

Whatever happens before Textual takes over, the terminal is given back as it was.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pgtop_conn.terminal.hangup import watched
from pgtop_conn.terminal.interrupts import ended_by, given_back, screen_code
from pgtop_conn.terminal.streams import give_up
from pgtop_conn.terminal.writer import TerminalWriter
from pgtop_conn.tui.rendering.first_frame import Painted, as_written

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class HeldTerminal:
    """`taken` once Textual has the terminal, and gives it back; `modes_before` are those of whoever started us.

    `painted` is what the terminal shows, put there by `writer`, which writes whatever follows. `modes_given` once
    Textual knows those modes.
    """

    def __init__(self, painted: Painted, modes_before: list[Any], writer: TerminalWriter) -> None:
        self.painted = painted
        self.modes_before = modes_before
        self.writer = writer
        self.taken = False
        self.modes_given = False
        #: The exit code that a signal asked for meanwhile, or the end of the terminal.
        self.code: int | None = None
        #: What to do at a signal, with the exit code that it asks for.
        self.leave: Callable[[int], None] = self._remember
        #: What to do when the terminal is gone; called from a thread.
        self.gone: Callable[[], None] = lambda: self._remember(screen_code(signal.SIGHUP))

    def _remember(self, code: int) -> None:
        self.code = code

    async def asked_to_leave(self) -> bool:
        """Whether a signal came; those that wait are looked at first."""
        await asyncio.sleep(0)
        return self.code is not None


@contextmanager
def held(painted: Painted) -> Iterator[HeldTerminal]:
    """Show it on the alternate screen, and hold the terminal. To be entered on a running event loop."""
    assert sys.__stdin__ is not None
    assert sys.__stderr__ is not None
    descriptor, writer = sys.__stdin__.fileno(), TerminalWriter(sys.__stderr__.fileno())
    one = HeldTerminal(painted, termios.tcgetattr(descriptor), writer)
    with ended_by(lambda number: one.leave(screen_code(number))):
        try:
            with watched(lambda: one.gone()), given_back(writer, descriptor, one.modes_before):
                termios.tcsetattr(descriptor, termios.TCSANOW, _silent(one.modes_before))
                writer.write(f"{ENTER}{as_written(painted)}")
                yield one
        finally:
            if not one.taken:
                writer.write(LEAVE)
                if not writer.drained():
                    give_up()
            termios.tcsetattr(descriptor, termios.TCSANOW, one.modes_before)


def _silent(modes: list[Any]) -> list[Any]:
    """As Textual will have them: what is typed waits unchanged, Ctrl-C too, and nothing of it is shown."""
    silent = list(modes)
    silent[0] &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
    silent[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    silent[6] = list(modes[6])
    silent[6][termios.VMIN] = 1
    return silent
