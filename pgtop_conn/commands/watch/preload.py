"""What the first frame needs, loaded from a thread while the server is at work."""

from __future__ import annotations

import sys
import threading
from importlib import import_module

#: After so many seconds the loading thread gives way to another.
_TURN_S = 0.0005
#: What the first frame needs.
_PARTS = ("pgtop_conn.tui.rendering.first_frame", "pgtop_conn.commands.watch.run")


def load_meanwhile() -> None:
    """Load what the first frame needs from a thread, while the server is at work and we would wait.

    To be called when all that it takes to connect is loaded. An import of a part of it waits until that is there.
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
