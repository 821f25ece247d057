"""Our driver: it writes off the event loop, and finds the first frame on the terminal, where there is one."""

from __future__ import annotations

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from pgtop_conn.terminal.streams import give_up
from pgtop_conn.terminal.writer import TerminalWriter
from pgtop_conn.tui.rendering.held_terminal import HeldTerminal

#: Terminals clear the alternate screen when they are told to enter it, be they there already.
ENTER_ALTERNATE_SCREEN = "\x1b[?1049h"


def taking_over(held: HeldTerminal | None, writer: TerminalWriter) -> type[Driver]:
    """Textual's own driver for a terminal. It waits for no terminal, and enters no screen that is there already."""

    class TakingOver(LinuxDriver):
        def start_application_mode(self) -> None:
            super().start_application_mode()  # type: ignore[no-untyped-call]
            if held is not None and not held.modes_given:
                # They are what it found, and what it would leave behind. After a stop the shell may have set others.
                self.attrs_before = held.modes_before
                held.modes_given = True

        def write(self, data: str) -> None:
            if held is not None and data == ENTER_ALTERNATE_SCREEN and not held.taken:
                held.taken = True
            else:
                writer.write(data)

        def suspend_application_mode(self) -> None:
            self.stop_application_mode()
            writer.drained()
            super().close()

        def close(self) -> None:
            if not writer.drained():
                give_up()
            super().close()

    return TakingOver
