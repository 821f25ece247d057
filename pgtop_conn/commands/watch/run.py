"""From an open Source to the screen: what settings and the saved layout decide for it. Imported when it is shown."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pgtop_conn import config, folders
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.storage.layout import Layout, Layouts
from pgtop_conn.terminal.capabilities import draws_glyphs, drop_wrong_size
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.rendering.first_frame import first_frame
from pgtop_conn.tui.rendering.held_terminal import Held, held
from pgtop_conn.view.table.lines import ViewState


class Reports:
    """Incident reports, in the folder we were started in, or where that can't be written beside the journal."""

    def write(self, case: Case, findings: Sequence[Finding]) -> Path:
        from pgtop_conn.storage.report_files import write_report

        return write_report(case, findings, folders.journal_file(), (*folders.work_folders(), folders.state_folder()))


def view_of(settings: config.Settings, saved: Layout, door: str) -> ViewState:
    """What the table begins with: what was asked for, what was chosen on the screen before, or what suits the door."""
    grouping = settings.group or saved.grouping or settings.grouping(door)
    view = ViewState(grouping=grouping, filter=parse(settings.filter))
    return replace(view, sort=saved.sort, reverse=saved.reverse) if saved.sort else view


def options_of(settings: config.Settings, policy: Policy, first: Snapshot) -> ScreenOptions:
    """What the settings and the saved layout make of the screen."""
    layouts = Layouts(folders.state_folder())
    saved = layouts.layout
    return ScreenOptions(
        interval_s=settings.interval_s,
        policy=policy,
        view=view_of(settings, saved, first.server.door),
        warning_percent=settings.warning,
        critical_percent=settings.critical,
        ascii=settings.ascii or not draws_glyphs(os.environ, sys.stdout.encoding),
        mouse=settings.mouse,
        theme=settings.theme or None,
        first=first,
        labels=settings.labels,
        reports=Reports(),
        keys=settings.keys,
        presets=settings.presets,
        hidden_columns=saved.hidden,
        saved_theme=saved.theme,
        layout=layouts,
    )


async def show(source: Source, first: Snapshot, settings: config.Settings, policy: Policy) -> int:
    """The monitor until the user leaves, with what was polled `first`; the exit code."""
    drop_wrong_size(os.environ)
    options = options_of(settings, policy, first)
    frame = first_frame(options, *shutil.get_terminal_size(), os.environ) if _paints_alike() else None
    if frame is None:
        return await _run(source, options, settings)
    with held(frame) as terminal:
        return await _run(source, options, settings, terminal)


def _paints_alike() -> bool:
    """Whether Textual will paint on the terminal that we paint on: it takes standard error."""
    return sys.platform != "win32" and all(one is not None and one.isatty() for one in (sys.__stdin__, sys.__stderr__))


async def _run(source: Source, options: ScreenOptions, settings: config.Settings, terminal: Held | None = None) -> int:
    # Loaded behind the first frame: 0.15 s.
    from pgtop_conn.commands.watch.memory import with_memory
    from pgtop_conn.tui.app import run

    options = with_memory(options, settings)
    if terminal is not None and await terminal.asked_to_leave():
        return terminal.code or 0
    return await run(source, options, terminal)
