"""The table of `snapshot`: the lines above the screen's table, and its groups. Loaded for those who want it: rich."""

from __future__ import annotations

from rich.console import JustifyMethod
from rich.table import Table

from pgtop_conn.commands.common.rich_lines import capturing_console, rich_line
from pgtop_conn.config import Settings
from pgtop_conn.model.filters.language import Tags, parse
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.view.status import server_lines
from pgtop_conn.view.status.door_banner import banner_line
from pgtop_conn.view.table.cells import drawn, title_of
from pgtop_conn.view.table.columns import GROUP_COLUMNS, fit, present
from pgtop_conn.view.table.groups import GROUPINGS, group
from pgtop_conn.view.table.lines import Frame, shown


def table(seen: Snapshot, budget: SlotBudget, settings: Settings, policy: Policy, tags: Tags) -> str:
    """As wide as the terminal, or 80 columns without one."""
    console = capturing_console()
    width = console.width
    status = server_lines.ScreenStatus(interval_s=None)
    frame = Frame(seen, budget, policy, {}, settings.ascii, tags=tags)
    listed = shown(seen, parse(settings.filter), tags)
    groups = group(listed, GROUPINGS[settings.group], seen.taken_at, budget.used, tags)
    largest = max((g for g in groups if not g.walsenders), key=lambda g: g.count, default=None)
    lines = [
        server_lines.server_line(seen, budget, status, width),
        server_lines.slots_line(budget, History(), width, ascii_only=settings.ascii),
        server_lines.headroom_line(budget, width),
        server_lines.states_line(seen, budget, width),
        server_lines.notice_line(seen, largest, None, status, width=width),
        *([banner] if (banner := banner_line(seen, width)) else []),
    ]
    without_rate = tuple(column for column in GROUP_COLUMNS if column.name != "growth")
    places = fit(present(without_rate, tags.labelled), width)
    drawing = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for place in places:
        column = place.column
        title = settings.group.upper() if column.name == "group" else title_of(place)
        justify: JustifyMethod = "right" if column.right else "left"
        # The flexible one is no wider than its texts.
        least = place.width if column.width else None
        drawing.add_column(title, justify=justify, no_wrap=True, min_width=least, max_width=place.width)
    for found in groups:
        drawing.add_row(*(rich_line([drawn(place, found, frame)], settings.ascii) for place in places))
    with console.capture() as captured:
        for line in lines:
            console.print(rich_line(line, settings.ascii), no_wrap=True, overflow="ellipsis")
        console.print()
        console.print(drawing)
    return captured.get()
