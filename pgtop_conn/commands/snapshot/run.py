"""snapshot: one poll to stdout, or one after the other, as a table, JSON or CSV, by the same code as the screen."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from pgtop_conn.commands.common.observe import poll_for
from pgtop_conn.commands.snapshot.options import Options
from pgtop_conn.commands.snapshot.stream import stream
from pgtop_conn.config import Settings
from pgtop_conn.model.filters.language import Tags, parse
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.view.export.indented_json import pretty
from pgtop_conn.view.export.snapshot import Document, csv_rows, document
from pgtop_conn.view.format import iso


async def snapshot(source: Source, settings: Settings, policy: Policy, form: str) -> str:
    """One look as text. `form` is table, json or csv."""
    seen, tags = await poll_for(source, parse(settings.filter), settings)
    if form == "json":
        return pretty(_document(seen, settings, policy, tags)) + "\n"
    if form == "csv":
        return _csv(_rows(seen, settings, policy, tags))
    settings = replace(settings, group=settings.grouping(seen.server.door))
    budget = SlotBudget.of(seen, settings.warning, settings.critical)
    # With rich 12 ms, for those who want the table.
    from pgtop_conn.commands.common.rich_lines import draws
    from pgtop_conn.commands.snapshot.table import table

    ascii_only = settings.ascii or not draws(sys.stdout.encoding)
    drawn = table(seen, budget, replace(settings, ascii=ascii_only), policy, tags)
    return drawn + "".join(f" not known   {line}\n" for line in seen.server.missing)


async def snapshots(source: Source, settings: Settings, policy: Policy, options: Options) -> None:
    """Looks at stdout as they are taken: JSON Lines, or rows of CSV that begin with the time of their look."""

    def draw(seen: Snapshot, tags: Tags, history: History, first: bool) -> str:
        if options.form == "csv":
            rows = _rows(seen, settings, policy, tags)
            at = ["taken_at", *[iso(seen.taken_at)] * (len(rows) - 1)]
            return _csv([[time, *row] for time, row in zip(at, rows, strict=True)][0 if first else 1 :])
        told = _document(seen, settings, policy, tags, history)
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"

    await stream(source, settings, options, draw)


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
