"""The first frame, painted before Textual is loaded: loading that takes longer than all else together (0.15 s of 0.3).

It is the frame that Textual paints first, cell by cell, as tests/tui/rendering/test_first_frame.py has it.
theme/style_codes.json holds what the style sheet makes of the style names. Where that can't be promised, there is
none, and Textual paints the first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.terminal.capabilities import Colours, colour_system, colours
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.theme.choice import chosen
from pgtop_conn.tui.widgets.pieces import Piece, Pieces, Row, columns, fitted, flowing, kept_in_place
from pgtop_conn.view.format import plain
from pgtop_conn.view.status import key_line, top_lines
from pgtop_conn.view.status.key_line import SIGNAL_IDS, Spot
from pgtop_conn.view.status.server_lines import ScreenStatus
from pgtop_conn.view.status.top_lines import Told, largest_of
from pgtop_conn.view.table import empty
from pgtop_conn.view.table.cells import cells, titles
from pgtop_conn.view.table.column_choices import known
from pgtop_conn.view.table.heading import heading
from pgtop_conn.view.table.lines import Frame, Line, LineKind, build

#: As too_small.py has it: below that Textual covers the screen.
LEAST_COLUMNS, LEAST_LINES = 40, 10
#: One line of the screen: its pieces, and where it is, which decides its ground.
Drawn = tuple[Pieces, str]
#: Lines of texts, each with the numbers between `ESC [` and `m` that it is written with.
Painted = Sequence[Sequence[tuple[str, str]]]

SCREEN, CURSOR, KEYS = "screen", "cursor", "keys"
#: By place and style name, `cursor:idle`, the numbers between `ESC [` and `m`.
Codes = Mapping[str, str]
#: Of a binding its id, the words beside it where there is no rule for them, and the key as it is shown.
Key = tuple[str, str, str]


class StyleCodes(NamedTuple):
    """What style_codes.json has: codes for each theme and what a terminal draws with, `pgtop/256`."""

    themes: Sequence[str]
    codes: Mapping[str, Codes]
    keys: Sequence[Key]


def read_style_codes() -> StyleCodes:
    """Those that are installed with us."""
    return StyleCodes(**json.loads(Path(__file__).parents[1].joinpath("theme", "style_codes.json").read_bytes()))


def codes_of(style_codes: StyleCodes, options: ScreenOptions, environ: Mapping[str, str]) -> Codes | None:
    """What the style names will look like; None where Textual has to be asked."""
    if any(name.startswith("TEXTUAL") for name in environ):
        return None
    system = colour_system(environ)
    found = colours(environ, system)
    if options.saved_theme not in ("", *style_codes.themes):
        return None
    theme = chosen(options.theme or "", options.saved_theme, style_codes.themes, found, environ)
    return style_codes.codes.get(f"{theme}/{'none' if found is Colours.NONE else system}")


def first_frame(options: ScreenOptions, width: int, height: int, environ: Mapping[str, str]) -> Painted | None:
    """What to write to the terminal, or None where what Textual will paint can't be told without it."""
    style_codes = read_style_codes()
    codes = codes_of(style_codes, options, environ)
    snapshot = options.first
    # The names of keys that the user chose are Textual's affair.
    if codes is None or snapshot is None or options.keys or width < LEAST_COLUMNS or height < LEAST_LINES:
        return None
    return [
        [
            (kept_in_place(plain(text) if options.ascii else text), codes[f"{place}:{style}"])
            for text, style in pieces
            if text
        ]
        for pieces, place in _lines(options, snapshot, style_codes.keys, width, height)
    ]


def as_written(painted: Painted) -> str:
    """The bytes that paint it, from any place of the cursor."""
    return "".join(
        f"\x1b[{y};1H" + "".join(f"\x1b[{codes}m{text}\x1b[0m" if codes else text for text, codes in line)
        for y, line in enumerate(painted, 1)
    )


def _lines(options: ScreenOptions, snapshot: Snapshot, keys: Sequence[Key], width: int, height: int) -> Iterator[Drawn]:
    """The screen from its first line to its last."""
    view = options.view
    budget = SlotBudget.of(snapshot, options.warning_percent, options.critical_percent)
    # How groups grow is known from the second poll on.
    observation = Observation(lambda _backends: {})
    observation.add(snapshot, budget)
    leaks = observation.leaks(snapshot)
    frame = Frame(
        snapshot=snapshot,
        budget=budget,
        policy=options.policy,
        marks=view.marks,
        ascii=options.ascii,
        tags=tags_of(snapshot, options.labels, leaks),
        hidden=known(options.hidden_columns or view.hidden),
    )
    lines = build(frame, view)
    status = ScreenStatus(interval_s=options.interval_s, read_only=options.policy.read_only)
    told = Told(snapshot, budget, observation.history, (largest_of(snapshot, budget), None), status, leaks)
    top = [*top_lines.rows(told, width, ascii_only=options.ascii), heading(view, width, ascii_only=options.ascii)]
    yield from ((flowing(row, width), SCREEN) for row in top)
    yield from _table(frame, lines, empty.rows(snapshot, view), width, height - len(top) - 1)
    cursor = next((line for line in lines if line.kind is not LineKind.HEADER), None)
    yield flowing(_keys(keys, Spot(cursor, view, snapshot, options.policy), width), width), KEYS


def _table(frame: Frame, lines: Sequence[Line], said: Sequence[Row], width: int, height: int) -> Iterator[Drawn]:
    """Titles and lines, and the scroll bar, which has its place also where there is none."""
    bar = _scroll_bar(len(lines) + 1, height)
    room = width if frame.ascii else width - 1
    named = titles(room, labelled=frame.tags.labelled, hidden=frame.hidden)
    yield columns(named, room) + (() if frame.ascii else (bar[0],)), SCREEN
    cursor = next((index for index, line in enumerate(lines) if line.kind is not LineKind.HEADER), None)
    for index in range(height - 1):
        if index < len(lines):
            pieces = columns(cells(lines[index], frame, room, 0), room, ascii_only=frame.ascii)
        elif not lines and 0 < index <= len(said):
            pieces = flowing(said[index - 1], room)
        else:
            pieces = fitted((), room)
        yield pieces + (() if frame.ascii else (bar[index + 1],)), CURSOR if index == cursor else SCREEN


def _scroll_bar(lines: int, height: int) -> list[Piece]:
    """As Textual draws one that stands at the top: in eighths of a cell."""
    if lines <= height:
        return [(" ", "gutter")] * height
    whole, eighths = divmod(math.ceil(max(1, height * height / lines) * 8), 8)
    end: list[Piece] = [("▁▂▃▄▅▆▇"[7 - eighths], "thumb")] if eighths else []
    return [*[(" ", "thumb")] * whole, *end, *[(" ", "track")] * height][:height]


def _keys(keys: Sequence[Key], spot: Spot, width: int) -> Row:
    """As tui/keys/footer.py has it, of the keys as they are without a user's own."""
    bindings = [one for one in keys if not (spot.policy.read_only and one[0] in SIGNAL_IDS)]
    found = key_line.offered([(name, words) for name, words, _key in bindings], spot)
    return key_line.row([(bindings[place][2], words) for place, words in found], width)
