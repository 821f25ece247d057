"""need_terminal(): what a command with a screen asks for before it connects."""

from __future__ import annotations

import os
import sys

from pgtop_conn.config import Settings
from pgtop_conn.model.errors import BadInput
from pgtop_conn.program import PROGRAM


def need_terminal(settings: Settings, instead: str = "snapshot") -> None:
    """Raises BadInput before anybody connects: what can't be shown must not take a slot first.

    `instead` is the command for where there is none.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(f"the monitor needs a terminal; for output to a file or a pipe: {PROGRAM} {instead}")
    from pgtop_conn.terminal.capabilities import lacking

    if found := lacking(os.environ):
        raise BadInput(f"{found}, as the monitor must; without it: {PROGRAM} {instead}")
    if settings.theme:
        from pgtop_conn.tui.theme.themes import named

        named(settings.theme)
    if settings.keys:
        from pgtop_conn.tui.keys.remapping import problems

        if wrong := problems(dict(settings.keys)):
            raise BadInput("; ".join(wrong))
