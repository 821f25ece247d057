"""TerminalWriter: writes to the terminal from a thread of its own, so that a terminal that nobody reads stops nobody.

A terminal takes what is written until its buffer is full, then whoever writes waits until somebody reads: an SSH client
that hangs, a window that is stopped. So the event loop only puts texts in line here, and paints nothing more while
some are still in line (`behind`).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

#: Bytes in line from which on nothing more is painted, and at which the rest is dropped: modes and copied texts.
BEHIND_BYTES = 16 * 1024
MOST_BYTES = 4 * 1024 * 1024
#: What is written at once. Progress shows after each.
PIECE_BYTES = 4096
#: Leaving waits for what is in line as long as some of it goes out within the first, and at most the second.
STUCK_AFTER_S = 0.3
PATIENCE_S = 1.0


class TerminalWriter:
    """Texts for one descriptor, written in their order. Its methods return at once, but for drained()."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Reentrant: a signal's handler may run while its thread is in here.
        self._changed = threading.Condition(threading.RLock())
        self._in_line: deque[bytes] = deque()
        self._put = 0
        self._written = 0
        self._to_call: list[tuple[int, Callable[[], None]]] = []
        self._thread: threading.Thread | None = None
        #: Whether the terminal takes nothing any more.
        self.broken = False

    @property
    def behind(self) -> bool:
        """Whether the terminal has not taken what was written some time ago."""
        return self._put - self._written > BEHIND_BYTES

    def write(self, text: str) -> None:
        """Put a text in line."""
        data = text.encode("utf-8", "replace")
        with self._changed:
            if not data or self.broken or self._put - self._written > MOST_BYTES:
                return
            self._in_line.append(data)
            self._put += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def when_written(self, call: Callable[[], None]) -> None:
        """Call it once all that was put in line until now is written, from whatever thread. Never, if it never is."""
        with self._changed:
            if self._written < self._put:
                self._to_call.append((self._put, call))
                return
        call()

    def drained(self) -> bool:
        """Wait until all is written; False once it seems that it won't be."""
        until = monotonic() + PATIENCE_S
        with self._changed:
            while self._written < self._put and not self.broken:
                # Each piece that is written wakes it.
                if not self._changed.wait(STUCK_AFTER_S) or monotonic() > until:
                    return self._written == self._put
            return not self.broken

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._in_line:
                    self._changed.wait()
                data = self._in_line.popleft()
            for start in range(0, len(data), PIECE_BYTES):
                self._write(data[start : start + PIECE_BYTES])

    def _write(self, piece: bytes) -> None:
        rest = piece
        while rest and not self.broken:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Somebody made the terminal non-blocking: for all who share it.
                threading.Event().wait(0.01)
            except OSError:
                self.broken = True
        with self._changed:
            self._written += len(piece)
            due = [call for at, call in self._to_call if at <= self._written]
            self._to_call = [one for one in self._to_call if one[0] > self._written]
            self._changed.notify_all()
        for call in due:
            call()
