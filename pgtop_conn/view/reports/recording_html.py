"""The report of a recording as one HTML page: its style inside, no script, nothing from elsewhere, light and dark.

Every text is escaped here, and only here; a content policy forbids what could still be wrong about that.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from pgtop_conn.model.text import clean, one_line
from pgtop_conn.view.charts.history_svg import column_s, history_svg, hours_svg
from pgtop_conn.view.format import duration
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

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; margin: 0; background: #fff;
  color: #1f2328; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 24px; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 10px; padding-bottom: 4px; border-bottom: 1px solid #d5dae0; }
p, li { overflow-wrap: anywhere; max-width: 85ch; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; }
.tile { flex: 1 1 150px; border: 1px solid #d5dae0; border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 26px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: #57606a; font-size: 13px; }
.tile.bad b { color: #a80032; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 10px 0; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0; border-bottom: 1px solid #e8ecf0; }
th { color: #57606a; font-weight: 600; white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
.n { text-align: right; white-space: nowrap; }
code { font: 13px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
td code { display: inline-block; max-width: 60ch; overflow-wrap: break-word; }
figure { margin: 18px 0; overflow-x: auto; }
figcaption { color: #57606a; font-size: 13px; margin-bottom: 6px; }
svg { display: block; width: 100%; min-width: 640px; height: auto; }
.label { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #57606a; }
.strong { font-weight: 600; fill: #1f2328; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.grid { stroke: #e8ecf0; fill: none; }
.axis { stroke: #8c959f; fill: none; }
.ceiling { stroke: #57606a; stroke-width: 1.5; fill: none; }
.ordinary { stroke: #a80032; stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
.ordinary-label { fill: #a80032; }
.unseen { fill: #f0f2f4; }
.restart { stroke: #6a3fc0; stroke-width: 1.5; stroke-dasharray: 2 3; fill: none; }
.peak { fill: #1f2328; }
.leader { stroke: #8c959f; fill: none; }
.mark { fill: #1f2328; }
.mark.cancel { fill: #8d5f00; }
.hour { fill: #5b9bd5; }
.most { stroke: #1f2328; stroke-width: 2; fill: none; }
.state.band0 { fill: #2b8a6e; } .state.band1 { fill: #e0a030; } .state.band2 { fill: #c8324a; }
.state.band3 { fill: #a9c4e0; } .state.band4 { fill: #a3a9b1; }
.app.band0 { fill: #3b7dc4; } .app.band1 { fill: #e0a030; } .app.band2 { fill: #a77bca; }
.app.band3 { fill: #2b8a6e; } .app.band4 { fill: #d98880; } .app.band5 { fill: #a3a9b1; }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #d0d7de; }
  h2, .tile { border-color: #30363d; }
  th, td { border-color: #21262d; }
  th, .tile span, figcaption { color: #9aa4ae; }
  .tile.bad b { color: #ff7a70; }
  .label { fill: #9aa4ae; }
  .strong { fill: #d0d7de; }
  .grid { stroke: #21262d; }
  .axis, .leader { stroke: #6e7681; }
  .ceiling { stroke: #9aa4ae; }
  .ordinary { stroke: #ff7a70; }
  .ordinary-label { fill: #ff7a70; }
  .unseen { fill: #1c2128; }
  .restart { stroke: #b9a3f5; }
  .peak, .mark { fill: #f0f6fc; }
  .mark.cancel { fill: #e8b84a; }
  .most { stroke: #f0f6fc; }
  .hour { fill: #38689c; }
  .state.band0 { fill: #3aa587; } .state.band1 { fill: #d9a23a; } .state.band2 { fill: #e2566b; }
  .state.band3 { fill: #41597a; } .state.band4 { fill: #5c646e; }
  .app.band0 { fill: #4d8fd6; } .app.band1 { fill: #d9a23a; } .app.band2 { fill: #9a78c4; }
  .app.band3 { fill: #3aa587; } .app.band4 { fill: #c07a74; } .app.band5 { fill: #5c646e; }
}
@media print { main { max-width: none; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""


def page(story: Story) -> str:
    """The whole page; the same for the same input."""
    name = _text(title(story))
    body = [f"<h1>{name}</h1>"]
    for number, section in enumerate(sections(story)):
        body += [f"<h2>{_text(section.title)}</h2>"] if section.title else []
        body += [_block(block, story) for block in section.blocks]
        body += [_tiles(story)] if not number else []
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{name}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            *body,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy() -> str:
    """Nothing is loaded or run, and no style but ours is followed."""
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _tiles(story: Story) -> str:
    found = story.usage
    full = found.peak >= found.ordinary_capacity
    tiles = (
        (f"{'' if found.exact else '≤'}{found.peak} / {found.max}", "slots in use at the peak", full),
        (str(found.p95), "were enough for 95 % of the time", False),
        (str(found.median), "were enough for half of the time", False),
        (str(max(0, found.spare)), "could be given to pools", found.spare <= 0),
    )
    shown = (
        f'<div class="tile{" bad" if bad else ""}"><b>{_text(number)}</b><span>{_text(words)}</span></div>'
        for number, words, bad in tiles
    )
    return f'<div class="tiles">{"".join(shown)}</div>'


def _block(block: Block, story: Story) -> str:
    if isinstance(block, Says):
        strong = f"<strong>{_text(block.strong)}</strong> " if block.strong else ""
        return f"<p>{strong}{_text(block.text)}</p>"
    if isinstance(block, Lists):
        return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in block.items)}</ul>"
    if isinstance(block, ReportTable):
        return _table(block)
    if isinstance(block, Chart):
        drawn = history_svg(story.totals, story.marks, block.by)
        return f"<figure><figcaption>{_caption(block, story)}</figcaption>{drawn}</figure>"
    return f"<figure>{hours_svg(story.usage)}</figure>"


def _caption(block: Chart, story: Story) -> str:
    by = "application" if block.by == "app" else block.by
    step = duration(column_s(story.totals)) or "0s"
    return f"By {by}. Each step is the most that was in use within {step}; arrows below the axis are signals."


def _table(block: ReportTable) -> str:
    def side(index: int) -> str:
        return ' class="n"' if index in block.right else ""

    head = "".join(f'<th scope="col"{side(index)}>{_text(title)}</th>' for index, title in enumerate(block.titles))
    rows = "\n".join(
        f"<tr>{''.join(f'<td{side(index)}>{_cell(cell)}</td>' for index, cell in enumerate(row))}</tr>"
        for row in block.rows
    )
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def _cell(cell: Text) -> str:
    if isinstance(cell, Named):
        return f"<code>{_text(cell.text)}</code>" if cell.text else "–"
    return _text(cell)


def _text(text: str) -> str:
    """What others wrote as text and nothing else: escaped, on one line, without characters that steer."""
    return escape(clean(one_line(text)))
