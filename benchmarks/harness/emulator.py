"""Emulator: the screen that a program's output makes, by pyte; fed when the program is silent or has ended."""

from __future__ import annotations

import re

import pyte

#: Sequences of newer terminals of which pyte would print a part.
UNKNOWN = re.compile(
    rb"\x1b\[[<>=][0-9;:]*[a-zA-Z]"
    rb"|\x1b\[\?[0-9;]*(?:\$p|u|c)"
    rb"|\x1b\[[0-9;]* q"
    rb"|\x1b[P_^X][^\x1b]*\x1b\\"
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    rb"|\x1b\[[0-9;]*[tS]"
)
#: A sequence that was cut at the end of what was read.
UNFINISHED = re.compile(rb"\x1b(?:[\[\]PX_^][^a-zA-Z\x07~]*)?$")
LONGEST_UNFINISHED = 64

State = tuple[tuple[object, ...], ...]


class Emulator:
    """`feed()` the output piece by piece; `text()` and `state()` tell what is on the screen."""

    def __init__(self, columns: int, rows: int) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._unfinished = b""

    def feed(self, data: bytes) -> None:
        """Take in the next output; a sequence cut in two is put together."""
        data = self._unfinished + data
        self._unfinished = b""
        if found := UNFINISHED.search(data[-LONGEST_UNFINISHED:]):
            cut = len(data) - len(found[0])
            data, self._unfinished = data[:cut], data[cut:]
        try:
            self._stream.feed(UNKNOWN.sub(b"", data))
        except TypeError:
            # pyte hands a private mark on to methods that know none; the rest of such a piece is not drawn.
            self._unfinished = b""

    def text(self) -> str:
        """The characters, a line for each row."""
        return "\n".join(self._screen.display)

    def state(self, first: int, end: int) -> State:
        """Characters with their attributes, of the rows from `first` up to `end`; without the cursor."""
        buffer, columns = self._screen.buffer, range(self._screen.columns)
        return tuple(
            tuple(buffer[row][column] for column in columns) for row in range(first, min(end, self._screen.lines))
        )
