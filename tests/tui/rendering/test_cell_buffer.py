"""Frame: whatever was on the terminal, after the changes it shows what a full repaint shows."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from pgtop_conn.tui.rendering.cell_buffer import SIMPLE, CellBuffer
from pgtop_conn.tui.rendering.first_frame import as_written
from pgtop_conn.tui.widgets.pieces import kept_in_place
from tests.support.terminals import seen

WIDTH, HEIGHT = 24, 4
COLOURS = ColorSystem.EIGHT_BIT

#: What a cell may hold: ours, a name's, and all that takes another width than one.
CHARACTERS = [*"    ab1█▎░▾─…äжλ日本語ﾃאב⚠🙂·", "e\u0301"]
STYLES = [
    None,
    *map(
        Style.parse,
        (
            "red",
            "bold",
            "on blue",
            "bold red on blue",
            "bold dim",
            "dim",
            "underline",
            "reverse",
            "underline2",
            "strike italic",
            "white on #123456",
            "#aabbcc",
            "blink",
            "overline green",
            "color(9) on color(250)",
        ),
    ),
]
texts = st.lists(st.sampled_from(CHARACTERS), min_size=1, max_size=9).map("".join).map(kept_in_place)
segments = st.tuples(texts, st.sampled_from(STYLES)).map(lambda found: Segment(*found))
strips = st.lists(segments, max_size=8).map(lambda found: Strip(found).adjust_cell_length(WIDTH))
cuts = st.sampled_from([(WIDTH,), (5, WIDTH), (12, WIDTH), (8, 16, WIDTH)])


@st.composite
def updates(draw: st.DrawFn) -> tuple[dict[int, Strip], tuple[int, ...], frozenset[int]]:
    """Lines that change, where each is cut, and which of the pieces are sent (the others stay as they were)."""
    lines = draw(st.dictionaries(st.integers(0, HEIGHT - 1), strips, min_size=1))
    places = draw(cuts)
    return lines, places, draw(st.frozensets(st.sampled_from(range(len(places))), min_size=1))


class Emulated:
    """A terminal that is sent only changes, and what it should show."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)
        # Unlike terminals, the emulator starts a new line for a mark behind the last column.
        self.stream.feed("\x1b[?7l")

    def feed(self, sent: str) -> None:
        # The emulator drops what follows a mark without width.
        self.stream.feed(sent.replace("\u200e", ""))

    def cells(self) -> list[list[tuple[object, ...]]]:
        return [[seen(self.screen.buffer[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]


def _whole(placed: list[tuple[int, int, Strip]]) -> str:
    """The same strips, as Textual sends them."""
    out = []
    for y, x, strip in placed:
        text = "".join(Strip.render_style(style, text, COLOURS) if style else text for text, style, _ in strip)
        out.append(f"\x1b[{y + 1};{x + 1}H{text}")
    return "".join(out)


def _begins_within(piece: Strip) -> bool:
    """Whether it was cut off behind its first character's beginning: no widget ends there."""
    return piece.text != "" and cell_len(piece.text[0]) == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(updates(), min_size=1, max_size=8))
def test_after_the_changes_it_shows_what_a_full_repaint_shows(
    found: list[tuple[dict[int, Strip], tuple[int, ...], frozenset[int]]],
) -> None:
    changed, whole = Emulated(), Emulated()
    frame = CellBuffer(WIDTH, HEIGHT, COLOURS)
    blank = [(y, 0, Strip([Segment(" " * WIDTH)])) for y in range(HEIGHT)]
    changed.feed(frame.changes(blank))
    for lines, places, pieces in found:
        placed: list[tuple[int, int, Strip]] = []
        for y, strip in sorted(lines.items()):
            starts = (0, *places[:-1])
            for number, piece in enumerate(strip.divide(places)):
                if number in pieces and not _begins_within(piece):
                    placed.append((y, starts[number], piece))
        changed.feed(frame.changes(placed))
        whole.feed(_whole(placed))
        assert changed.cells() == whole.cells()
        # The next one finds the attributes as they were at the start.
        assert changed.screen.cursor.attrs == changed.screen.default_char


def test_of_a_line_with_signs_of_ours_only_what_changed_is_sent() -> None:
    """Where a role may signal nobody, each line has a sign."""
    signs = "⊘●▸▾…·×–≤≥→←Δ█▏░▓─"
    frame = CellBuffer(40, 1, COLOURS)
    frame.changes([(0, 0, Strip([Segment(f"{signs}  10 s".ljust(40))]))])
    sent = frame.changes([(0, 0, Strip([Segment(f"{signs}  11 s".ljust(40))]))])
    assert sent == f"\x1b[1;{len(signs) + 4}H1"


def test_what_stays_is_not_sent() -> None:
    frame = CellBuffer(30, 2, COLOURS)
    first = Strip([Segment("name", Style.parse("bold")), Segment("      count 12  10 s")])
    later = Strip([Segment("name", Style.parse("bold")), Segment("      count 12  11 s")])
    assert "name" in frame.changes([(0, 0, first), (1, 0, first)])
    assert frame.changes([(0, 0, first), (1, 0, Strip(list(first)))]) == ""
    assert frame.changes([(0, 0, later), (1, 0, first)]) == "\x1b[1;22H1"


def test_a_strip_is_sent_whole_where_widths_are_doubtful() -> None:
    frame = CellBuffer(20, 1, COLOURS)
    frame.changes([(0, 0, Strip([Segment("日本語 10 s".ljust(16))])), (0, 19, Strip([Segment("|")]))])
    sent = frame.changes([(0, 0, Strip([Segment("日本語 11 s".ljust(16))])), (0, 19, Strip([Segment("|")]))])
    assert "日本語 11 s" in sent
    assert sent.endswith("|")


def test_simple_characters_take_one_cell() -> None:
    simple = [chr(code) for code in range(0x20, 0x11000) if not 0xD800 <= code < 0xE000 and SIMPLE(chr(code))]
    assert len(simple) > 500
    assert not [character for character in simple if cell_len(character) != 1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(strips, min_size=HEIGHT, max_size=HEIGHT),
    st.lists(strips, min_size=HEIGHT, max_size=HEIGHT),
    st.sets(st.sampled_from(range(HEIGHT))),
)
def test_what_others_painted_is_taken_as_it_is(before: list[Strip], after: list[Strip], same: set[int]) -> None:
    changed, whole = Emulated(), Emulated()
    painted = [[(text, Strip.render_ansi(style, COLOURS) if style else "") for text, style, _ in one] for one in before]
    changed.feed(as_written(painted))
    frame = CellBuffer(WIDTH, HEIGHT, COLOURS)
    frame.take(painted)
    placed = [(y, 0, before[y] if y in same else after[y]) for y in range(HEIGHT)]
    whole.feed(_whole(placed))
    changed.feed(frame.changes(placed))
    assert changed.cells() == whole.cells()


def test_what_others_painted_is_not_sent_again() -> None:
    frame = CellBuffer(8, 1, COLOURS)
    frame.take([[("name", "1;38;5;120"), (" 12 ", "48;5;20")]])
    name, ground = Segment("name", Style.parse("bold color(120)")), Style.parse("on color(20)")
    assert frame.changes([(0, 0, Strip([name, Segment(" 12 ", ground)]))]) == ""
    assert "name" not in frame.changes([(0, 0, Strip([name, Segment(" 13 ", ground)]))])
