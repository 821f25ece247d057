"""From an open Source to the screen, the first frame before Textual. Imported when it is shown."""

from __future__ import annotations

import os
import shutil
import sys

from pgtop_conn import config
from pgtop_conn.commands.common.screen_options import screen_options_of
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.terminal.capabilities import drop_wrong_size
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.rendering.first_frame import first_frame
from pgtop_conn.tui.rendering.held_terminal import HeldTerminal, held


async def show(source: Source, first: Snapshot, settings: config.Settings, policy: Policy) -> int:
    """The monitor until the user leaves, with what was polled `first`; the exit code."""
    drop_wrong_size(os.environ)
    options = screen_options_of(settings, policy, first)
    frame = first_frame(options, *shutil.get_terminal_size(), os.environ) if _paints_alike() else None
    if frame is None:
        return await _run(source, options, settings)
    with held(frame) as terminal:
        return await _run(source, options, settings, terminal)


def _paints_alike() -> bool:
    """Whether Textual will paint on the terminal that we paint on: it takes standard error."""
    return sys.platform != "win32" and all(one is not None and one.isatty() for one in (sys.__stdin__, sys.__stderr__))


async def _run(
    source: Source, options: ScreenOptions, settings: config.Settings, terminal: HeldTerminal | None = None
) -> int:
    # Loaded behind the first frame: 0.15 s.
    from pgtop_conn.commands.watch.memory import with_memory
    from pgtop_conn.tui.app import run

    options = with_memory(options, settings)
    if terminal is not None and await terminal.asked_to_leave():
        return terminal.code or 0
    return await run(source, options, terminal)
