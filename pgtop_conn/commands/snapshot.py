"""snapshot: one look to stdout, or one after the other, as a table, JSON or CSV, by the same code as the screen."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console, JustifyMethod
from rich.table import Table

from pgtop_conn.commands.drawing import draws, rich_line
from pgtop_conn.commands.looking import look
from pgtop_conn.commands.looks import Looks
from pgtop_conn.commands.streaming import stream
from pgtop_conn.config import Settings
from pgtop_conn.model.filters import Tags, parse
from pgtop_conn.model.guards import Policy
from pgtop_conn.model.history import History
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.view import gauge
from pgtop_conn.view.columns import GROUP_COLUMNS, fit, present
from pgtop_conn.view.document import Document, csv_rows, document
from pgtop_conn.view.doors import banner_line
from pgtop_conn.view.format import iso
from pgtop_conn.view.groups import GROUPINGS, group
from pgtop_conn.view.rows import drawn, title_of
from pgtop_conn.view.table import Frame, shown


async def snapshot(source: Source, settings: Settings, policy: Policy, form: str) -> str:
    """One look as text. `form` is table, json or csv."""
    seen, tags = await look(source, parse(settings.filter), settings)
    if form == "json":
        return json.dumps(_document(seen, settings, policy, tags), ensure_ascii=False, indent=2) + "\n"
    if form == "csv":
        return _csv(_rows(seen, settings, policy, tags))
    settings = replace(settings, group=settings.grouping(seen.server.door))
    budget = SlotBudget.of(seen, settings.warning, settings.critical)
    ascii_only = settings.ascii or not draws(sys.stdout.encoding)
    return _table(seen, budget, replace(settings, ascii=ascii_only), policy, tags)


async def snapshots(source: Source, settings: Settings, policy: Policy, looks: Looks) -> None:
    """Looks at stdout as they are taken: JSON Lines, or rows of CSV that begin with the time of their look."""

    def draw(seen: Snapshot, tags: Tags, history: History, first: bool) -> str:
        if looks.form == "csv":
            rows = _rows(seen, settings, policy, tags)
            at = ["taken_at", *[iso(seen.taken_at)] * (len(rows) - 1)]
            return _csv([[time, *row] for time, row in zip(at, rows, strict=True)][0 if first else 1 :])
        told = _document(seen, settings, policy, tags, history)
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"

    await stream(source, settings, looks, draw)


def _document(
    seen: Snapshot, settings: Settings, policy: Policy, tags: Tags, history: History | None = None
) -> Document:
    budget = SlotBudget.of(seen, settings.warning, settings.critical)
    grouping = settings.grouping(seen.server.door)
    return document(seen, budget, policy, parse(settings.filter), grouping, tags, history)


def _rows(seen: Snapshot, settings: Settings, policy: Policy, tags: Tags) -> list[list[str]]:
    wanted = parse(settings.filter)
    matching = [backend for backend in seen.backends if wanted.matches(backend, seen.taken_at, tags)]
    return csv_rows(seen, policy, matching, tags)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _table(seen: Snapshot, budget: SlotBudget, settings: Settings, policy: Policy, tags: Tags) -> str:
    console = Console(file=None, highlight=False, markup=False, emoji=False)
    width = console.width
    status = gauge.Status(interval_s=None)
    frame = Frame(seen, budget, policy, {}, settings.ascii, tags=tags)
    listed = shown(seen, parse(settings.filter), tags)
    groups = group(listed, GROUPINGS[settings.group], seen.taken_at, budget.used, tags)
    largest = max((g for g in groups if not g.walsenders), key=lambda g: g.count, default=None)
    lines = [
        gauge.server_line(seen, budget, status, width),
        gauge.slots_line(budget, History(), width, ascii_only=settings.ascii),
        gauge.headroom_line(budget, width),
        gauge.states_line(seen, budget, width),
        gauge.notice_line(seen, largest, None, status, width=width),
        *([banner] if (banner := banner_line(seen, width)) else []),
    ]
    without_rate = tuple(column for column in GROUP_COLUMNS if column.name != "growth")
    places = fit(present(without_rate, tags.labelled), width)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for place in places:
        column = place.column
        title = settings.group.upper() if column.name == "group" else title_of(place)
        justify: JustifyMethod = "right" if column.right else "left"
        # The flexible one is no wider than its texts.
        least = place.width if column.width else None
        table.add_column(title, justify=justify, no_wrap=True, min_width=least, max_width=place.width)
    for found in groups:
        table.add_row(*(rich_line([drawn(place, found, frame)], settings.ascii) for place in places))
    with console.capture() as captured:
        for line in lines:
            console.print(rich_line(line, settings.ascii), no_wrap=True, overflow="ellipsis")
        console.print()
        console.print(table)
    return captured.get()
