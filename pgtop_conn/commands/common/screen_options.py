"""What settings and the saved layout decide for the screen, live or of a recording. Imported when it is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pgtop_conn import config, folders
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.storage.layout import Layout, LayoutFile
from pgtop_conn.terminal.capabilities import draws_glyphs
from pgtop_conn.tui.options import ScreenOptions
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


def screen_options_of(settings: config.Settings, policy: Policy, first: Snapshot) -> ScreenOptions:
    """What the settings and the saved layout make of the screen."""
    layouts = LayoutFile(folders.state_folder())
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
