"""A pseudo-terminal with an emulated screen: the installed command as a user sees it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import platform
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pyte

from pgtop_conn.tui.dialogs.decision import QUIET_S
from tests.support.waits import HANG_S, wait_until

ENTER_ALTERNATE_SCREEN = b"\x1b[?1049h"
LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"
#: The number of the system call.
WRITE = 64 if platform.machine() == "aarch64" else 1
#: The key that sends: Ctrl-Y.
YES = "\x19"
PROGRAM = (sys.executable, "-m", "pgtop_conn")


class Terminal:
    """`async with Terminal([...]) as terminal:` runs pgtop-conn in a pty of `columns` × `rows`.

    `program` runs instead of it, with the same arguments; it is the leader of the terminal's session.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 36,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._command = [*program, *arguments]
        self._environ = {**os.environ, "TERM": "xterm-256color", **(environ or {})}
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._size = (rows, columns)
        self.written = b""

    async def __aenter__(self) -> Self:
        self._start()
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    def _start(self) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))
        self.modes_before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            self._command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=self._environ,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )

    async def __aexit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """The terminal is gone, as when the line is cut or its window closed."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self.slave)
            os.close(self._master)
            self._master = -1

    def leave_unread(self) -> None:
        """From here on nobody reads what is written, as when an SSH client hangs."""
        asyncio.get_running_loop().remove_reader(self._master)

    def read_again(self) -> None:
        """It is read again."""
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def is_full(self) -> bool:
        """Whether some thread of the program waits in a write to standard error, which is the terminal."""
        calls = Path(f"/proc/{self.process.pid}/task").glob("*/syscall")
        written = [call.read_text().split()[:2] for call in calls]
        return [str(WRITE), "0x2"] in written

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except (BlockingIOError, OSError):
            return
        self.written += data
        self._stream.feed(data)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def modes(self) -> list[Any]:
        """The terminal's modes, as termios gives them."""
        return termios.tcgetattr(self.slave)

    def resize(self, columns: int, rows: int) -> None:
        """Another size; the kernel tells the program with SIGWINCH."""
        self._screen.resize(rows, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Send keys; arrows and the like as escape sequences."""
        os.write(self._master, keys.encode())

    async def answers_yes(self) -> None:
        """Send what the dialog on the screen asks about, once it takes keys; until then it drops them, and says so."""
        await self.answers("Press Ctrl-Y", YES)

    async def answers(self, question: str, keys: str) -> None:
        """Answer the dialog that shows this question, once it takes keys."""
        deadline = time.monotonic() + HANG_S
        while question in self.text:
            assert time.monotonic() < deadline, f"the dialog takes no answer; it shows:\n{self.text}"
            await asyncio.sleep(QUIET_S + 0.1)
            self.type(keys)
            with contextlib.suppress(AssertionError):
                await wait_until(lambda: question not in self.text, "the dialog is left", within_s=1.0)

    async def shows(self, *texts: str, within_s: float = HANG_S) -> None:
        """Wait until every text is on the screen."""

        def visible() -> bool:
            return all(text in self.text for text in texts)

        try:
            await wait_until(visible, f"the screen shows {texts}", within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.text}") from None

    async def hides(self, text: str, within_s: float = HANG_S) -> None:
        """Wait until a text is on the screen no more."""
        try:
            await wait_until(lambda: text not in self.text, f"the screen hides {text}", within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.text}") from None

    async def ends(self, within_s: float = HANG_S) -> int:
        """Wait until the command has ended; its exit code."""

        def ended() -> bool:
            return self.process.poll() is not None

        try:
            await wait_until(ended, "the command ends", within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.text}") from None
        if self._master >= 0:
            self._read()
        assert self.process.returncode is not None
        return self.process.returncode


def seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    """A cell as it is seen: on a blank that is only its ground, and lines through or below it."""
    if cell.data == " " and not (cell.reverse or cell.underscore or cell.strikethrough):
        return " ", cell.bg
    return tuple(cell)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
