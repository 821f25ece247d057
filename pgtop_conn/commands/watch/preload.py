"""What the monitor needs before it connects: a terminal that can show it; and the rest of it, loaded meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module

from pgtop_conn import config
from pgtop_conn.model.errors import BadInput
from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal.capabilities import lacking

#: A thread that loads gives way to one with something to do after so long.
_TURN_S = 0.0005
#: What the first frame needs.
_PARTS = ("pgtop_conn.tui.rendering.first_frame", "pgtop_conn.commands.watch.run")


def need_terminal(settings: config.Settings, instead: str = "snapshot") -> None:
    """Raises BadInput before anybody connects: what can't be shown must not take a slot first.

    `instead` is the command for where there is none.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(f"the monitor needs a terminal; for output to a file or a pipe: {PROGRAM} {instead}")
    if found := lacking(os.environ):
        raise BadInput(f"{found}, as the monitor must; without it: {PROGRAM} {instead}")
    if settings.theme:
        from pgtop_conn.tui.theme.themes import named

        named(settings.theme)
    if settings.keys:
        from pgtop_conn.tui.keys.remapping import problems

        if wrong := problems(dict(settings.keys)):
            raise BadInput("; ".join(wrong))


def load_meanwhile() -> None:
    """Load what the first frame needs from a thread, while the server is at work and we would wait.

    To be called when all that it takes to connect is loaded. Whoever imports a part of it waits until it is there.
    """
    threading.Thread(target=_load, name="loading").start()


def _load() -> None:
    before = sys.getswitchinterval()
    # What the server answers is taken in as soon as it is there.
    sys.setswitchinterval(_TURN_S)
    try:
        for name in _PARTS:
            import_module(name)
    finally:
        sys.setswitchinterval(before)
