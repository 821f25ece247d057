"""Queries of a mebibyte, and pastes into the filter: what is done for a draw does not grow with them."""

from __future__ import annotations

import pytest

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters.language import MAX_CHARACTERS, parse
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.tui.widgets import line_view, pieces
from pgtop_conn.view.dialogs.session import SHOWN_CHARACTERS
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, screen_text

LONG = "SELECT 'a'\n  , 'words and more' -- said\n" * 27_000
OPEN = ViewState(expanded=frozenset({("web",)}))


async def test_a_long_query_is_broken_once_and_as_far_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[int] = []

    def count(row: pieces.Row, width: int, indent: int) -> list[list[Cell]]:
        broken.append(sum(len(cell.text) for cell in row))
        return pieces.wrapped(row, width, indent)

    monkeypatch.setattr(line_view, "wrapped", count)
    snapshot = make_snapshot([make_own(), *(make_backend(pid, query=LONG) for pid in range(1, 61))])
    async with monitor(snapshot, view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "enter")
        assert isinstance(app.screen, SessionDetail)
        assert sum(broken) < 4 * SHOWN_CHARACTERS
        broken.clear()
        await source.tick(pilot, make_snapshot(snapshot.backends, taken_at=NOW + 1))
        # Only the ages have changed.
        assert sum(broken) < 2000
        await pilot.press("G")
        await pilot.pause()
        assert f"{len(LONG) - SHOWN_CHARACTERS} more characters; y copies the whole query" in "\n".join(
            screen_text(app)
        )


@pytest.mark.parametrize("text", ["x" * 1_000_000, "漢" * 500_000, "a\tb\n" * 250_000, "e\u0301" * 500_000])
@pytest.mark.parametrize("width", [0, 1, 80])
def test_a_line_costs_what_is_seen_of_it(monkeypatch: pytest.MonkeyPatch, text: str, width: int) -> None:
    measured: list[int] = []

    def width_of(piece: str) -> int:
        measured.append(len(piece))
        return len(piece)

    monkeypatch.setattr(pieces, "width_of", width_of)
    for made in (pieces.flowing([Cell(text)], width), pieces.fitted([(text, "")], width)):
        assert sum(len(piece) for piece, _ in made) <= 8 * width + 64
    assert len(pieces.cut(text, width)) <= 8 * width + 64
    assert max(measured) <= 8 * width + 64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a" * (MAX_CHARACTERS + 1), f"at most {MAX_CHARACTERS} characters"),
        (" ".join(f"!w{number}" for number in range(40)), "at most 32 different terms, this has 40"),
        ("query~" + ",".join(f"a{number}.*b" for number in range(20)), "at most 10 regular expressions, this has 20"),
        (" ".join(f"query~(a{number}|b)" for number in range(20)), "at most 10 regular expressions, this has 20"),
    ],
    ids=["characters", "terms", "values", "expressions"],
)
def test_what_is_no_filter_by_its_size_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert len(caught.value.pointed()) < 80


def test_the_same_word_counts_once() -> None:
    assert parse("idle " * 500).narrows


async def test_a_paste_is_answered_once_and_polls_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = make_snapshot([make_own(), make_backend(1)])
    async with monitor(snapshot) as (app, source, pilot):
        await pilot.press("slash")
        asked: list[str] = []
        answer = app.main.filter_bar.say

        def say(text: str) -> None:
            asked.append(text)
            answer(text)

        monkeypatch.setattr(app.main.filter_bar, "say", say)
        app.main.filter_bar.input.value = "x"
        for number in range(200):
            app.main.filter_bar.input.value += str(number)
        await source.tick(pilot, make_snapshot(snapshot.backends, taken_at=NOW + 1))
        await pilot.pause()
        assert asked[-1] == app.main.filter_bar.input.value
        assert len(asked) < 50
        app.main.filter_bar.input.value = "word " * 2000
        await pilot.pause()
        assert "a filter has at most 4096 characters" in "\n".join(screen_text(app))
