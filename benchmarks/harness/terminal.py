"""Run: one execution of a program in a pseudo-terminal; what it writes is kept with the time it was read."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.harness.spec import Spec

#: Of the environment nothing reaches a program that would change what it draws or where it connects to.
DROPPED = ("PG", "XDG_", "LC_", "TEXTUAL", "PROMPT_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
DROPPED_NAMES = frozenset({"COLUMNS", "LINES", "COLORTERM", "NO_COLOR", "TERM_PROGRAM"})
#: What a modern terminal answers when it is asked what it is.
ANSWERS = (
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[>0?c"), b"\x1b[>41;360;0c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
    (re.compile(rb"\x1b\[5n"), b"\x1b[0n"),
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
    (re.compile(rb"\x1b\[\?2048\$p"), b"\x1b[?2048;0$y"),
)
READ_BYTES = 65536
#: Signals after the keys that leave, and how long each has.
ENDINGS = ((None, 2.0), (signal.SIGINT, 1.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True)
class Size:
    """Of the terminal, in cells."""

    columns: int = 120
    rows: int = 40


def clean_environment(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What a program gets: a home of its own, a plain terminal, and no setting of the machine's user."""
    kept = {
        name: value for name, value in environ.items() if not name.startswith(DROPPED) and name not in DROPPED_NAMES
    }
    return {**kept, "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


class Run:
    """`with Run(spec, …) as run:` starts the program and ends it, whatever happens. Times are since the start."""

    def __init__(self, spec: Spec, refresh_s: float, size: Size) -> None:
        self.spec, self.size = spec, size
        self.chunks: list[tuple[float, bytes]] = []
        self.alive = True
        self._home = Path(tempfile.mkdtemp(prefix="pgtop-conn-home-"))
        self._began, self.pid, self._terminal = self._start(spec.argv(refresh_s))

    def _start(self, argv: Sequence[str]) -> tuple[float, int, int]:
        environ = clean_environment(self._home, os.environ)
        cells = struct.pack("HHHH", self.size.rows, self.size.columns, self.size.columns * 8, self.size.rows * 16)
        began = time.perf_counter()
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, cells)
                os.execvpe(argv[0], list(argv), environ)
            except OSError as error:
                os.write(2, f"{argv[0]}: {error}\n".encode())
            finally:
                os._exit(127)
        return began, pid, terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now_s(self) -> float:
        return time.perf_counter() - self._began

    def pump(self, seconds: float, until_quiet_s: float | None = None) -> None:
        """Read for so long, or until nothing came for `until_quiet_s`."""
        end = self.now_s() + seconds
        last = self.now_s()
        while self.alive and (left := end - self.now_s()) > 0:
            if until_quiet_s is not None:
                left = min(left, until_quiet_s - (self.now_s() - last))
                if left <= 0:
                    return
            if select.select([self._terminal], [], [], left)[0] and self._read():
                last = self.now_s()

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, READ_BYTES)
        except OSError:
            # Linux says so when the program's side of the terminal is closed.
            data = b""
        if not data:
            self.alive = False
            return False
        self.chunks.append((self.now_s(), data))
        if b"\x1b[" in data:
            for question, answer in ANSWERS:
                for _ in question.findall(data):
                    self.send(answer)
        return True

    def send(self, data: str | bytes) -> float:
        """Write to the program as the keyboard does; when it was."""
        at_s = self.now_s()
        try:
            os.write(self._terminal, data.encode() if isinstance(data, str) else data)
        except OSError:
            self.alive = False
        return at_s

    def close(self) -> None:
        """Leave by the program's own keys, then by signals; nothing is left of it."""
        if self._terminal < 0:
            return
        if self.alive and self.spec.quit_keys:
            self.send(self.spec.quit_keys)
        for number, patience_s in ENDINGS:
            if number is not None:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            if self._ended_within(patience_s):
                break
        os.close(self._terminal)
        self._terminal = -1
        shutil.rmtree(self._home, ignore_errors=True)

    def _ended_within(self, seconds: float) -> bool:
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return True
            self.pump(0.02)
            if not self.alive:
                time.sleep(0.01)
        return False
