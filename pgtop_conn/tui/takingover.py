"""A driver that finds the first frame on the terminal, and leaves it there until it paints its own."""

from __future__ import annotations

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from pgtop_conn.tui.held import Held

#: Terminals clear the alternate screen when they are told to enter it, be they there already.
ENTER_ALTERNATE_SCREEN = "\x1b[?1049h"


def taking_over(held: Held) -> type[Driver]:
    """Textual's own driver for a terminal, which enters no screen that is there already."""

    class TakingOver(LinuxDriver):
        def start_application_mode(self) -> None:
            super().start_application_mode()  # type: ignore[no-untyped-call]
            # They are what it found, and what it would leave behind.
            self.attrs_before = held.modes_before

        def write(self, data: str) -> None:
            if data == ENTER_ALTERNATE_SCREEN and not held.taken:
                held.taken = True
            else:
                super().write(data)

    return TakingOver
