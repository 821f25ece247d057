"""Inks: what a terminal is told about the look of a cell, and the shortest way from one look to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

#: Attributes: the code that sets each, and the one that ends it (ECMA-48, 8.3.117). Bold and dim end together.
_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "9": "29"}
#: Only these show on a blank, besides its ground; an ink that has others is not made simpler on one.
_SEEN_ON_BLANK = frozenset({"4", "7", "9"})
_RESET = "0"
#: Foreground and background as the terminal has them.
_DEFAULT_FRONT, _DEFAULT_GROUND = "39", "49"
#: Colours that take further numbers, and how codes of colours begin; those of attributes have one digit.
_MANY_COLOURS = ("38", "48")
_FRONTS, _GROUNDS = ("3", "9"), ("4", "10")


@dataclass(frozen=True, slots=True)
class Ink:
    """One look: the codes of SGR, apart. Colours are never '': the terminal's own have a code, too."""

    attributes: frozenset[str] = frozenset()
    front: str = _DEFAULT_FRONT
    ground: str = _DEFAULT_GROUND
    #: Attributes that only a reset ends for sure.
    others: str = ""

    @property
    def on_blank(self) -> Ink:
        """The simplest ink that looks the same where nothing is written."""
        if self.others or self.attributes & _SEEN_ON_BLANK:
            return self
        return Ink(ground=self.ground)

    @property
    def _from_reset(self) -> list[str]:
        front = [self.front] if self.front != _DEFAULT_FRONT else []
        ground = [self.ground] if self.ground != _DEFAULT_GROUND else []
        return [_RESET, *sorted(self.attributes), *([self.others] if self.others else []), *front, *ground]

    def after(self, before: Ink) -> str:
        """The shortest sequence that leads here; '' where nothing needs to be said.

        >>> Ink(front="31").after(Ink()), Ink().after(Ink(front="31")), Ink(frozenset("1")).after(Ink(frozenset("4")))
        ('\\x1b[31m', '\\x1b[m', '\\x1b[0;1m')
        """
        if self == before:
            return ""
        whole = ";".join(self._from_reset)
        if before.others or self.others:
            return f"\x1b[{whole}m"
        ended = {_ENDS[code] for code in before.attributes - self.attributes}
        kept = {code for code in before.attributes if _ENDS[code] not in ended}
        codes = [*sorted(ended), *sorted(self.attributes - kept)]
        codes += [self.front] if self.front != before.front else []
        codes += [self.ground] if self.ground != before.ground else []
        steps = ";".join(codes)
        shortest = steps if len(steps) <= len(whole) else whole
        return "\x1b[m" if whole == _RESET and len(steps) >= len(_RESET) else f"\x1b[{shortest}m"


PLAIN = Ink()


@lru_cache(4096)
def ink_of(style: Style, colours: ColorSystem) -> Ink:
    """The ink Textual would draw this style with."""
    front, ground = _DEFAULT_FRONT, _DEFAULT_GROUND
    if style.color is not None:
        front = ";".join(style.color.downgrade(colours).get_ansi_codes())
    if style.bgcolor is not None:
        ground = ";".join(style.bgcolor.downgrade(colours).get_ansi_codes(foreground=False))
    codes = _attribute_codes(style, colours)
    others = ";".join(code for code in codes if code not in _ENDS)
    return Ink(frozenset(code for code in codes if code in _ENDS), front, ground, others)


def _attribute_codes(style: Style, colours: ColorSystem) -> Sequence[str]:
    """The codes of a style without its colours."""
    bare = style.without_color
    return [code for code in Strip.render_ansi(bare, colours).split(";") if code] if bare else []


def ink_of_codes(codes: str) -> Ink:
    """The ink that these codes make after a reset.

    >>> ink_of_codes("1;38;5;12;48;2;1;2;3")
    Ink(attributes=frozenset({'1'}), front='38;5;12', ground='48;2;1;2;3', others='')
    """
    attributes, others, front, ground = set(), [], _DEFAULT_FRONT, _DEFAULT_GROUND
    rest = iter(codes.split(";") if codes else ())
    for code in rest:
        if code in _MANY_COLOURS:
            kind = next(rest, "")
            code = ";".join((code, kind, *islice(rest, 1 if kind == "5" else 3)))
        if code in _ENDS:
            attributes.add(code)
        elif code.startswith(_FRONTS):
            front = code
        elif code.startswith(_GROUNDS):
            ground = code
        else:
            others.append(code)
    return Ink(frozenset(attributes), front, ground, ";".join(others))
