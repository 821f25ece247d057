"""The names of the screen's themes, for commands without a screen: those of tui, which is loaded to tell them."""

from __future__ import annotations

from collections.abc import Sequence


def theme_names() -> Sequence[str]:
    """Every name that the setting `theme` takes."""
    from pgtop_conn.tui.theme.choice import ALIASES
    from pgtop_conn.tui.theme.themes import themes

    return [*themes(), *ALIASES]
