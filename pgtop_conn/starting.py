"""What the monitor needs before it connects: a terminal that can show it; and the rest of it, loaded meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module

from pgtop_conn import config
from pgtop_conn.commands.parsing import PROGRAM
from pgtop_conn.model.errors import BadInput
from pgtop_conn.tui.terminal import lacking

#: What the first frame needs, in slices of some 3 ms: the server's answers are taken in between two of them.
_SLICES = (
    "pgtop_conn.model.habits",
    "pgtop_conn.model.cohort",
    "pgtop_conn.model.guards",
    "pgtop_conn.model.findings",
    "pgtop_conn.model.observation",
    "pgtop_conn.view.columns",
    "pgtop_conn.view.groups",
    "pgtop_conn.view.gauge",
    "pgtop_conn.view.rows",
    "pgtop_conn.layout",
    "pgtop_conn.tui.lines",
    "pgtop_conn.tui.options",
    "pgtop_conn.tui.firstframe",
    "pgtop_conn.showing",
)


def need_terminal(settings: config.Settings, instead: str = "snapshot") -> None:
    """Raises BadInput before anybody connects: what can't be shown must not take a slot first.

    `instead` is the command for where there is none.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(f"the monitor needs a terminal; for output to a file or a pipe: {PROGRAM} {instead}")
    if found := lacking(os.environ):
        raise BadInput(f"{found}, as the monitor must; without it: {PROGRAM} {instead}")
    if settings.theme:
        from pgtop_conn.tui.themes import named

        named(settings.theme)
    if settings.keys:
        from pgtop_conn.tui.remapping import problems

        if wrong := problems(dict(settings.keys)):
            raise BadInput("; ".join(wrong))


async def load_meanwhile() -> None:
    """Load what the first frame needs while the server is at work: 20 ms of the 45 that its first answers take."""
    for name in _SLICES:
        await asyncio.sleep(0)
        import_module(name)
