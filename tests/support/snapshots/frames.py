"""A screen as text: what is in each cell, below it how each cell looks, and what the signs of the looks mean."""

from __future__ import annotations

from string import ascii_letters, digits

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from textual.app import App

from tests.support.fake_source import screen_strips

#: A sign for each look that a screen may have, in the order of their appearance; the first look is a blank.
SIGNS = " " + ascii_letters + digits + "!#$%&*+<=>?@^~"
#: Attributes worth a word.
ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


def drawn(app: App[int]) -> str:
    """The whole screen; deterministic as long as what it shows is."""
    width, height = app.screen.size
    texts: list[str] = []
    looks: list[str] = []
    signs: dict[str, str] = {}
    for strip in screen_strips(app):
        texts.append("".join(segment.text for segment in strip).rstrip())
        line = ""
        for segment in strip:
            name = look(segment.style, blank=not segment.text.strip())
            if name not in signs:
                signs[name] = SIGNS[len(signs)]
            line += signs[name] * cell_len(segment.text)
        looks.append(line.rstrip())
    meanings = [f"{sign!r} {name}" for name, sign in signs.items()]
    return "\n".join([f"{width}x{height}", *texts, "-- looks", *looks, "-- signs", *meanings, ""])


def look(style: Style | None, *, blank: bool) -> str:
    """'bold #ffaa00 on #101010': a blank's colour is not seen, and is left out."""
    if style is None:
        return "plain"
    words = [name for name in ATTRIBUTES if getattr(style, name) and not (blank and name in ("bold", "dim", "italic"))]
    seen = bool(style.reverse or style.underline or style.strike) or not blank
    words += [_color(style.color)] if style.color is not None and seen else []
    words += ["on", _color(style.bgcolor)] if style.bgcolor is not None else []
    return " ".join(words) or "plain"


def _color(color: Color) -> str:
    return color.triplet.hex if color.triplet is not None else color.name
