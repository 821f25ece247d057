"""snapshot: one look to stdout, as a table, JSON or CSV, by the same code as the screen."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace

from pgtop_conn.commands.looking import look
from pgtop_conn.config import Settings
from pgtop_conn.model.filters import parse
from pgtop_conn.model.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.source import Source
from pgtop_conn.view.document import csv_rows, document
from pgtop_conn.view.pretty import pretty


async def snapshot(source: Source, settings: Settings, policy: Policy, form: str) -> str:
    """One look as text. `form` is table, json or csv."""
    wanted = parse(settings.filter)
    seen, tags = await look(source, wanted, settings)
    settings = replace(settings, group=settings.grouping(seen.server.door))
    budget = SlotBudget.of(seen, settings.warning, settings.critical)
    if form == "json":
        told = document(seen, budget, policy, wanted, settings.group, tags)
        return pretty(told) + "\n"
    if form == "csv":
        text = io.StringIO()
        matching = [b for b in seen.backends if wanted.matches(b, seen.taken_at, tags)]
        csv.writer(text, lineterminator="\n").writerows(csv_rows(seen, policy, matching, tags))
        return text.getvalue()
    from pgtop_conn.commands.drawing import draws

    ascii_only = settings.ascii or not draws(sys.stdout.encoding)
    # With rich 12 ms, for those who want the table.
    from pgtop_conn.commands.tabling import table

    return table(seen, budget, replace(settings, ascii=ascii_only), policy, tags)
