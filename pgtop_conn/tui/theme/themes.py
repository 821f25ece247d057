"""Our themes, and for every theme the inks that cells are drawn with: each readable on every ground it is drawn on.

Add a theme: one entry in OWN. Add an ink: inks(), and use it in style.tcss. The contrast is that of WCAG 2.1:
https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from pgtop_conn.model.errors import BadInput
from pgtop_conn.terminal.capabilities import Colours
from pgtop_conn.tui.theme import choice as themechoice
from pgtop_conn.tui.theme.choice import ALIASES

#: Text on its ground: WCAG's AA for text of ordinary size.
LEAST = 4.5
#: A little more than that is aimed at: a terminal with 256 colours rounds, and so do bytes.
AIM = 4.7
#: WCAG's AAA, for the theme that says so.
HIGH = 7.2

#: One accent. A bluish green, an amber and a red that eyes without red or green tell apart, too.
DARK = Theme(
    name=themechoice.DARK,
    primary="#6cb6ff",
    secondary="#b9a3f5",
    accent="#6cb6ff",
    success="#5ec4b0",
    warning="#e8b84a",
    error="#ff7a70",
    foreground="#d0d7de",
    background="#0d1117",
    surface="#161b22",
    panel="#21262d",
    dark=True,
    variables={"block-cursor-text-style": "none"},
)
LIGHT = Theme(
    name=themechoice.LIGHT,
    primary="#0a5cc2",
    secondary="#6a3fc0",
    accent="#0a5cc2",
    success="#00685c",
    warning="#8d5f00",
    error="#a80032",
    foreground="#1f2328",
    background="#ffffff",
    surface="#f4f6f8",
    panel="#e8ecf0",
    dark=False,
    variables={"block-cursor-text-style": "none"},
)
CONTRAST = Theme(
    name=themechoice.CONTRAST,
    primary="#8ccaff",
    secondary="#d2c2ff",
    accent="#8ccaff",
    success="#6fe3cd",
    warning="#ffd24d",
    error="#ffa07a",
    foreground="#ffffff",
    background="#000000",
    surface="#0a0a0a",
    panel="#1c1c1c",
    dark=True,
    variables={"block-cursor-text-style": "none"},
)
OWN = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}


def themes() -> list[str]:
    """Every name --theme takes, ours first."""
    return [*OWN, *sorted(name for name in BUILTIN_THEMES if name not in OWN)]


def named(name: str) -> str:
    """The theme of this name or short word; raises BadInput that lists what exists."""
    found = ALIASES.get(name, name)
    known = themes()
    if found in known:
        return found
    near = get_close_matches(name, [*known, *ALIASES], 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise BadInput(f"there is no theme {name!r}; {hint}there are {', '.join(known)}")


def chosen(asked: str | None, saved: str, colours: Colours, environ: Mapping[str, str]) -> str:
    """As themechoice.chosen(). Raises BadInput for one asked for that does not exist, not for one that was kept."""
    return themechoice.chosen(named(asked) if asked else "", saved, themes(), colours, environ)


#: What a state is drawn with, and the colour of a theme it is made of.
STATE_INKS = {
    "ink-ok": "success",
    "ink-warning": "warning",
    "ink-error": "error",
    "ink-accent": "accent",
    "ink-guarded": "secondary",
}
#: What is said less loudly, and how much contrast it has above the least.
QUIET_INKS = {"ink-query": 3.0, "ink-idle": 2.0, "ink-dim": 1.2, "ink-faint": 0.0}
#: How much of the accent is in the ground of the line under the cursor, on a dark and on a light one. A little more,
#: and 256 colours would make a teal of it.
CURSOR_SHARE = {True: 0.13, False: 0.12}


def inks(theme: Theme) -> dict[str, str]:
    """The style sheet's own variables for a theme. Those of a terminal's own palette are as the terminal has them."""
    colours = theme.to_color_system().generate()
    if theme.ansi:
        return _plain_inks(colours)
    least = HIGH if theme.name == CONTRAST.name else AIM
    grounds = grounds_of(theme)
    everywhere = list(grounds.values())
    # On the line under the cursor the quiet ones are drawn as text is.
    quiet = [grounds["background"], grounds["surface"]]
    text = lifted(Color.parse(colours["foreground"]), everywhere, least)
    states = {ink: lifted(Color.parse(colours[name]), everywhere, least).hex for ink, name in STATE_INKS.items()}
    tones = {ink: toned(text, quiet[0], quiet, least + more).hex for ink, more in QUIET_INKS.items()}
    return {
        **states,
        **tones,
        "ink-text": text.hex,
        "ground-cursor": grounds["cursor"].hex,
        "ground-cursor-dialog": grounds["cursor in a dialog"].hex,
        "ground-input": grounds["input"].hex,
        "ground-alert": states["ink-error"],
        "ink-alert": quiet[0].hex,
    }


def _plain_inks(colours: Mapping[str, str]) -> dict[str, str]:
    names = ("ink-text", "ink-alert", *QUIET_INKS)
    grounds = ("ground-cursor", "ground-cursor-dialog", "ground-input", "ground-alert")
    states = {ink: colours[name] for ink, name in STATE_INKS.items()}
    # The accent of ansi-dark is green, which is kept for what is well.
    return dict.fromkeys((*names, *grounds), "ansi_default") | states | {"ink-accent": colours["primary"]}


def grounds_of(theme: Theme) -> dict[str, Color]:
    """What text is drawn on: the screen, the footer and dialogs, input lines and messages, and the cursor on each."""
    colours = theme.to_color_system().generate()
    background, surface, panel = (Color.parse(colours[name]) for name in ("background", "surface", "panel"))
    # A panel of Textual's may be half transparent: it lies on a dialog.
    panel = surface.blend(panel, panel.a, alpha=1.0)
    accent = Color.parse(colours["accent"])
    share = CURSOR_SHARE[theme.dark]
    return {
        "background": background,
        "surface": surface,
        "input": panel,
        "cursor": background.blend(accent, share, alpha=1.0),
        "cursor in a dialog": surface.blend(accent, share, alpha=1.0),
    }


def luminance(colour: Color) -> float:
    """WCAG's relative luminance, 0 for black to 1 for white."""
    red, green, blue = (linear(part / 255) for part in colour.rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def contrast(first: Color, second: Color) -> float:
    """WCAG's contrast ratio, 1 to 21."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lifted(ink: Color, grounds: Iterable[Color], least: float) -> Color:
    """The ink, moved towards white or black, whichever helps, as little as makes it readable on all the grounds."""
    grounds = list(grounds)
    white, black = Color(255, 255, 255), Color(0, 0, 0)
    end = max((white, black), key=lambda colour: _worst(colour, grounds))
    return _nearest(ink, end, grounds, least)


def toned(ink: Color, background: Color, grounds: Iterable[Color], least: float) -> Color:
    """The ink faded into the background as far as it stays readable; itself where it is hardly that."""
    return _nearest(background, ink, list(grounds), least)


def _nearest(start: Color, end: Color, grounds: list[Color], least: float) -> Color:
    """The first colour on the way from one to the other that reaches the contrast; the end where none does."""
    for step in range(STEPS):
        colour = start.blend(end, step / STEPS, alpha=1.0)
        if _worst(colour, grounds) >= least:
            return colour
    return end


STEPS = 50


def _worst(ink: Color, grounds: Iterable[Color]) -> float:
    return min(contrast(ink, ground) for ground in grounds)
