"""Which theme to start with, by name. No Textual here: the first frame needs the name before that is loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pgtop_conn.terminal.capabilities import Colours, is_light

DARK, LIGHT, CONTRAST = "pgtop", "pgtop-light", "pgtop-contrast"
#: Sixteen colours of the terminal's own.
PLAIN_DARK, PLAIN_LIGHT = "ansi-dark", "ansi-light"
#: Shorter words for what is asked for most.
ALIASES = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST, "ansi": PLAIN_DARK}


def chosen(asked: str, saved: str, known: Collection[str], colours: Colours, environ: Mapping[str, str]) -> str:
    """The theme to start with: the one asked for, the one kept where this terminal has its colours, or what suits it.

    Exact colours where the terminal has them, its own sixteen where it has no more; light where it says that it is.
    One that was kept and is not among the `known` is passed over.
    """
    if asked:
        return ALIASES.get(asked, asked)
    if saved in known and (colours is Colours.MANY or saved in (PLAIN_DARK, PLAIN_LIGHT)):
        return saved
    light = is_light(environ)
    if colours is Colours.MANY:
        return LIGHT if light else DARK
    return PLAIN_LIGHT if light else PLAIN_DARK
