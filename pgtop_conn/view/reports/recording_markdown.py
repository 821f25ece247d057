"""The report of a recording as Markdown: its blocks in CommonMark with GitHub's tables, its charts in characters."""

from __future__ import annotations

from collections.abc import Sequence

from pgtop_conn.model.history.usage import Usage
from pgtop_conn.view import format
from pgtop_conn.view.charts.history_chart import ChartView, history_chart
from pgtop_conn.view.reports.markdown import code, fence, prose, table
from pgtop_conn.view.reports.recording import (
    Block,
    Chart,
    Lists,
    Named,
    ReportTable,
    Says,
    Story,
    Text,
    sections,
    title,
)

#: Of a chart, in characters.
WIDTH, HEIGHT, HOUR_BAR = 110, 20, 50


def chronicle(story: Story, *, ascii_only: bool = False) -> str:
    """The whole report; the same for the same input. `ascii_only` is about its charts."""
    lines = [f"# {prose(title(story))}", ""]
    for section in sections(story):
        lines += [f"## {section.title}", ""] if section.title else []
        for block in section.blocks:
            lines += _block(block, story, ascii_only)
    return "\n".join(lines).rstrip("\n") + "\n"


def _block(block: Block, story: Story, ascii_only: bool) -> list[str]:
    if isinstance(block, Says):
        return [f"**{block.strong}** {prose(block.text)}" if block.strong else prose(block.text), ""]
    if isinstance(block, Lists):
        return [*(f"- {prose(item)}" for item in block.items), ""]
    if isinstance(block, ReportTable):
        return table(block.titles, [[_text(cell) for cell in row] for row in block.rows], block.right)
    if isinstance(block, Chart):
        return fence("\n".join(_chart(block, story, ascii_only)), "text")
    return fence("\n".join(hours(story.usage, ascii_only=ascii_only)), "text")


def _text(cell: Text) -> str:
    return code(cell.text) if isinstance(cell, Named) else prose(cell)


def _chart(block: Chart, story: Story, ascii_only: bool) -> list[str]:
    rows = history_chart(story.totals, story.marks, WIDTH, HEIGHT, ChartView(by=block.by, ascii=ascii_only))
    return ["".join(cell.text for cell in row).rstrip() for row in rows]


def hours(found: Usage, *, ascii_only: bool = False) -> list[str]:
    """A bar of the average and the most for each hour of the day; those that nobody saw stand together at the end."""
    lines = []
    for hour, one in sorted(found.hours.items()):
        bar = format.bar(one.mean / found.max if found.max else 0.0, HOUR_BAR, ascii_only)
        lines.append(f"{hour:02}:00 {bar} {one.mean:.0f} on average, {one.most} at most")
    unknown = [hour for hour in range(24) if hour not in found.hours]
    return [*lines, *([f"not seen: {_ranges(unknown)}"] if unknown else [])]


def _ranges(hours: Sequence[int]) -> str:
    """'00-03, 07' for 0, 1, 2, 3 and 7."""
    found: list[list[int]] = []
    for hour in hours:
        if found and found[-1][1] == hour - 1:
            found[-1][1] = hour
        else:
            found.append([hour, hour])
    return ", ".join(f"{first:02}" if first == last else f"{first:02}-{last:02}" for first, last in found)
