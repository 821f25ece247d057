"""snapshot: one look to stdout, as a table, JSON or CSV, by the same code as the screen."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace

from rich.console import Console, JustifyMethod
from rich.table import Table

from pgtop_conn.commands.drawing import draws, rich_line
from pgtop_conn.commands.looking import look
from pgtop_conn.config import Settings
from pgtop_conn.model.filters import Tags, parse
from pgtop_conn.model.guards import Policy
from pgtop_conn.model.history import History
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.view import gauge
from pgtop_conn.view.columns import GROUP_COLUMNS, fit, present
from pgtop_conn.view.document import csv_rows, document
from pgtop_conn.view.doors import banner_line
from pgtop_conn.view.groups import GROUPINGS, group
from pgtop_conn.view.rows import drawn, title_of
from pgtop_conn.view.table import Frame, shown


async def snapshot(source: Source, settings: Settings, policy: Policy, form: str) -> str:
    """One look as text. `form` is table, json or csv."""
    wanted = parse(settings.filter)
    seen, tags = await look(source, wanted, settings)
    settings = replace(settings, group=settings.grouping(seen.server.door))
    budget = SlotBudget.of(seen, settings.warning, settings.critical)
    if form == "json":
        told = document(seen, budget, policy, wanted, settings.group, tags)
        return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    if form == "csv":
        text = io.StringIO()
        matching = [b for b in seen.backends if wanted.matches(b, seen.taken_at, tags)]
        csv.writer(text, lineterminator="\n").writerows(csv_rows(seen, policy, matching, tags))
        return text.getvalue()
    ascii_only = settings.ascii or not draws(sys.stdout.encoding)
    return _table(seen, budget, replace(settings, ascii=ascii_only), policy, tags)


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
