"""What the terminal can show: its size, colours and glyphs, as the environment and its database tell."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from enum import StrEnum

#: What a variable may say of a terminal that does not tell its size itself.
MOST = {"COLUMNS": 1000, "LINES": 500}


def drop_wrong_size(environ: MutableMapping[str, str]) -> None:
    """The terminal's own size counts, which also changes; what a shell exported once counts where there is none."""
    try:
        told = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    except (OSError, ValueError):
        told = os.terminal_size((0, 0))
    for (name, most), size in zip(MOST.items(), told, strict=True):
        said = environ.get(name, "")
        if size or not (said.isdecimal() and len(said) < 6 and 0 < int(said) <= most):
            environ.pop(name, None)


class Colours(StrEnum):
    """How many colours there are to draw with."""

    NONE = "none"
    SIXTEEN = "sixteen"
    MANY = "many"


#: Those that have no cursor addressing, whatever a terminfo database says or does not say of them.
WITHOUT_CURSOR = frozenset({"dumb", "unknown", "network", "emacs", "cons"})
#: Beginnings of names of terminals whose character sets lack eighths of blocks, triangles or circles.
WITHOUT_GLYPHS = ("linux", "vt", "ansi", "cons", "wsvt", "pcansi", "sun", "xterm-old", "putty-sco")
#: Beginnings of names of terminals without colours.
WITHOUT_COLOURS = ("vt1", "vt2", "vt3", "vt4", "vt5")


def lacking(environ: Mapping[str, str]) -> str | None:
    """Why this terminal can't show the monitor, or None when it can."""
    term = environ.get("TERM", "")
    if term in WITHOUT_CURSOR or (term and _capability(term, "cup") == ""):
        return f"TERM={term} can't place the cursor"
    return None


def colour_system(environ: Mapping[str, str]) -> str:
    """What a terminal of this environment draws with, as rich finds it: standard, 256 or truecolor."""
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    named = environ.get("TERM", "").strip().lower().rpartition("-")[2]
    return "256" if named in ("kitty", "256color") else "standard"


def colours(environ: Mapping[str, str], system: str | None) -> Colours:
    """What there is to draw with; `system` is what rich found: standard, 256, truecolor, or None without any."""
    term = environ.get("TERM", "")
    if "NO_COLOR" in environ or system is None or term.endswith("-m"):
        return Colours.NONE
    if term.startswith(WITHOUT_COLOURS) and "color" not in term and not environ.get("COLORTERM"):
        return Colours.NONE
    return Colours.SIXTEEN if system == "standard" else Colours.MANY


def draws_glyphs(environ: Mapping[str, str], encoding: str | None) -> bool:
    """Whether bars, arrows and marks can be drawn, or ASCII has to do.

    Python itself sets LC_CTYPE where LANG is C (PEP 538), and takes UTF-8 for its streams: what was chosen counts.
    """
    if environ.get("TERM", "").startswith(WITHOUT_GLYPHS):
        return False
    if (encoding or "").lower().replace("-", "") not in ("utf8", ""):
        return False
    set_by_python = environ.get("LANG") and environ.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8")
    kind = "" if set_by_python else environ.get("LC_CTYPE")
    chosen = environ.get("LC_ALL") or kind or environ.get("LANG") or ""
    return not chosen or "utf8" in chosen.lower().replace("-", "")


def is_light(environ: Mapping[str, str]) -> bool:
    """Whether the terminal says that its ground is light: rxvt, Konsole and others by COLORFGBG, `0;15`."""
    return environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")


def _capability(term: str, name: str) -> str | None:
    """A capability of a terminal, '' where it lacks that, None where nothing is known of the terminal."""
    try:
        import curses
    except ImportError:
        return None
    try:
        # Without a descriptor it would ask sys.stdout for one, which need not have any.
        curses.setupterm(term, 1)
    except curses.error:
        return None
    return (curses.tigetstr(name) or b"").decode("latin-1")
