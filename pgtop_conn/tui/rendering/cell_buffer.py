"""CellBuffer: what the terminal shows, cell by cell, and the fewest bytes that turn it into what it shall show.

Whatever is unsure is sent: cells never written, and whole pieces with characters whose width terminals disagree on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

from pgtop_conn.tui.rendering.sgr import PLAIN, Ink, ink_of, ink_of_codes

#: Where a strip of the line at `y` starts, and the strip.
Placed = tuple[int, int, Strip]
#: Characters every terminal draws on one cell and none joins with its neighbours.
SIMPLE = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0377\u037a-\u037f\u0388\u0390-\u03a1\u03a3-\u03ff\u0400-\u0482"
    "\u2010-\u2015\u2018-\u2027\u2190-\u2193\u2264\u2265\u2298\u2500-\u259f\u25b2\u25b8\u25bc\u25be\u25cf\u2713\u2717]*"
).fullmatch
#: A cell that is known to differ from everything.
_UNKNOWN = "\0"
_BLANK = " "
#: A gap of so many bytes is written again rather than jumped over: a jump takes 3 to 5.
_GAP_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Part:
    """A strip as it was last written."""

    end: int
    strip: Strip
    text: str
    inks: str


class CellBuffer:
    """`width` × `height` cells. `changes()` is what to send; what it returned is taken as shown from then on."""

    def __init__(self, width: int, height: int, colours: ColorSystem) -> None:
        self.size = (width, height)
        self.colours = colours
        self._inks: list[Ink] = [PLAIN]
        self._blanks: list[str] = [chr(0)]
        self._index: dict[Ink, str] = {PLAIN: chr(0)}
        self._of_style: dict[Style | None, tuple[str, str]] = {None: (chr(0), chr(0))}
        self._steps: dict[tuple[str, str], str] = {}
        #: Characters and the numbers of their inks, both one a cell.
        self._texts = [_UNKNOWN * width] * height
        self._cells = [chr(0) * width] * height
        self._parts: list[dict[int, _Part]] = [{} for _ in range(height)]

    def changes(self, strips: Iterable[Placed]) -> str:
        """The bytes that bring these strips to the terminal; strips of a line come from left to right.

        They begin and end with the attributes reset, and leave the cursor anywhere.
        """
        pen = _Pen(self)
        width, height = self.size
        for y, x, strip in strips:
            if 0 <= y < height and x < width:
                self._write(pen, y, x, strip)
        return pen.finished()

    def take(self, lines: Iterable[Iterable[tuple[str, str]]]) -> None:
        """Each line shows these texts, written with these codes of SGR; from the first unsure one on, anything."""
        width, height = self.size
        for y, pieces in zip(range(height), lines, strict=False):
            texts, cells = "", ""
            for text, codes in pieces:
                if SIMPLE(text) is None:
                    break
                ink = ink_of_codes(codes)
                written, blank = self._number(ink), self._number(ink.on_blank)
                texts += text
                cells += "".join([blank if character == _BLANK else written for character in text])
            if len(texts) <= width:
                self._texts[y] = texts + self._texts[y][len(texts) :]
                self._cells[y] = cells + self._cells[y][len(texts) :]

    def _write(self, pen: _Pen, y: int, x: int, strip: Strip) -> None:
        parts = self._parts[y]
        before = parts.get(x)
        if before is not None and before.strip is strip:
            return
        end = x + strip.cell_length
        text, inks = self._cells_of(strip)
        simple = end <= self.size[0] and len(text) == end - x and SIMPLE(text) is not None
        if simple:
            self._drop_overlapping(y, x, end)
            self._write_simple(pen, y, x, text, inks)
        elif before is None or (before.end, before.text, before.inks) != (end, text, inks):
            # Where a terminal sees other widths than we do, all that follows on the line has moved.
            self._forget_from(y, x)
            pen.strip(y, x, strip)
        parts[x] = _Part(end, strip, text, inks)

    def _cells_of(self, strip: Strip) -> tuple[str, str]:
        """Characters and their inks, as long as each other; links and controls give inks nothing else has."""
        texts: list[str] = []
        inks: list[str] = []
        for text, style, control in strip:
            texts.append(text if not control and (style is None or style.link is None) else f"{_UNKNOWN}{text}")
            written, blank = self._codes(style)
            if written == blank or _BLANK not in text:
                inks.append(written * len(text))
            else:
                inks.append("".join([blank if character == _BLANK else written for character in text]))
        return "".join(texts), "".join(inks)

    def _codes(self, style: Style | None) -> tuple[str, str]:
        """The numbers of an ink and of that which looks the same on blanks."""
        found = self._of_style.get(style)
        if found is None:
            ink = ink_of(style, self.colours) if style else PLAIN
            found = self._of_style[style] = self._number(ink), self._number(ink.on_blank)
        return found

    def _number(self, ink: Ink) -> str:
        number = self._index.get(ink)
        if number is None:
            number = self._index[ink] = chr(len(self._inks))
            self._inks.append(ink)
            self._blanks.append(number)
            if ink.on_blank != ink:
                self._blanks[ord(number)] = self._number(ink.on_blank)
        return number

    def _drop_overlapping(self, y: int, x: int, end: int) -> None:
        parts = self._parts[y]
        for start in [start for start, part in parts.items() if start < end and part.end > x]:
            part = parts.pop(start, None)
            if part is not None and not SIMPLE(part.text):
                self._forget_from(y, start)

    def _forget_from(self, y: int, x: int) -> None:
        """The cells of the line from this one on may show anything."""
        self._texts[y] = self._texts[y][:x] + _UNKNOWN * (self.size[0] - x)
        parts = self._parts[y]
        for start in [start for start, part in parts.items() if part.end > x]:
            del parts[start]

    def _write_simple(self, pen: _Pen, y: int, x: int, text: str, inks: str) -> None:
        line, cells = self._texts[y], self._cells[y]
        end = x + len(text)
        old_text, old_inks = line[x:end], cells[x:end]
        if old_text == text and old_inks == inks:
            return
        changed = [
            at
            for at, (old, new, old_ink, ink) in enumerate(zip(old_text, text, old_inks, inks, strict=True))
            if old != new or old_ink != ink
        ]
        start = last = changed[0]
        for at in changed[1:]:
            if at != last + 1 and not self._is_cheap(text, inks, last, at):
                pen.cells(y, x + start, text[start : last + 1], inks[start : last + 1])
                start = at
            last = at
        pen.cells(y, x + start, text[start : last + 1], inks[start : last + 1])
        self._texts[y] = line[:x] + text + line[end:]
        self._cells[y] = cells[:x] + inks + cells[end:]

    @staticmethod
    def _is_cheap(text: str, inks: str, last: int, at: int) -> bool:
        """Whether writing the unchanged cells between two changed ones again takes less than a jump."""
        between = text[last + 1 : at]
        return (
            len(between) <= _GAP_BYTES
            and len(between.encode()) <= _GAP_BYTES
            and inks[last + 1 : at] == inks[last] * len(between)
        )

    def step(self, before: str, ink: str) -> str:
        """The sequence from one ink to the other, by their numbers."""
        found = self._steps.get((before, ink))
        if found is None:
            found = self._steps[before, ink] = self._inks[ord(ink)].after(self._inks[ord(before)])
        return found

    def blank_of(self, ink: str) -> str:
        """The number of the ink a blank has that is written with this one."""
        return self._blanks[ord(ink)]

    def rendered(self, strip: Strip) -> str:
        """A strip with all its sequences, attributes reset before and after."""
        return "".join(Strip.render_style(style, text, self.colours) if style else text for text, style, _ in strip)


class _Pen:
    """Where the terminal's cursor is during one update, and with which ink it writes."""

    def __init__(self, frame: CellBuffer) -> None:
        self._frame = frame
        self._out: list[str] = []
        self._at: tuple[int, int] | None = None
        self._ink = chr(0)

    def _go(self, y: int, x: int) -> None:
        if self._at == (y, x):
            return
        if self._at is not None and self._at[0] == y and x > self._at[1]:
            right = x - self._at[1]
            self._out.append("\x1b[C" if right == 1 else f"\x1b[{right}C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
        self._at = (y, x)

    def cells(self, y: int, x: int, text: str, inks: str) -> None:
        """Simple characters, one a cell."""
        self._go(y, x)
        frame, start, blank = self._frame, 0, self._frame.blank_of(self._ink)
        for at, (character, ink) in enumerate(zip(text, inks, strict=True)):
            if ink == self._ink or (ink == blank and character == _BLANK):
                continue
            self._out.append(text[start:at])
            self._out.append(frame.step(self._ink, ink))
            self._ink, start, blank = ink, at, frame.blank_of(ink)
        self._out.append(text[start:])
        end = x + len(text)
        # Behind the last column terminals wait at different places.
        self._at = (y, end) if end < frame.size[0] else None

    def strip(self, y: int, x: int, strip: Strip) -> None:
        """A strip whose characters may take any width."""
        self._go(y, x)
        self._reset()
        self._out.append(self._frame.rendered(strip))
        self._at = None

    def _reset(self) -> None:
        if self._ink != chr(0):
            self._out.append("\x1b[m")
            self._ink = chr(0)

    def finished(self) -> str:
        self._reset()
        return "".join(self._out)
