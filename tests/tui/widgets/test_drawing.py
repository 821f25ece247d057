"""What is drawn: widths, hostile names, dirty lines, sizes and themes."""

from __future__ import annotations

from functools import partial

import pytest
from rich.cells import cached_cell_len, cell_len
from textual.geometry import Region

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, Snapshot
from pgtop_conn.model.text import clean
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.widgets.line_view import BLOCK_STRIPS_KEPT, COMPONENTS, CURSOR, CellBlock
from pgtop_conn.tui.widgets.pieces import OneLine, cut, fitted, flowing, width_of, wrapped
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.data.fields import BackendFields
from tests.support.fake_source import FakeSource, monitor, screen_strips, screen_text

HOSTILE = (
    "[/foo]",
    "[@click=app.quit]quit[/]",
    "[bold red]",
    clean("\x1b]0;owned\x07\x1b[2J"),
    "日本語アプリケーションの名前",
    "größe e\u0301e\u0301\u0323 ñ",
    "👩 🏽 🇩🇪 ❤️",
    "\\[/b]",
    "",
    "x" * 63,
)
TOUR = (
    *("tab", "tab", "G", "enter", "escape", "x", "r", "escape", "escape"),
    *("f", "9", "escape", "b", "escape", "question_mark", "escape"),
)
WEB = ViewState(expanded=frozenset({("web",)}))


def hostile() -> Snapshot:
    rows = [make_own()]
    for number, name in enumerate(HOSTILE):
        fields: BackendFields = {
            "role": name,
            "database": name,
            "query": f"SELECT '{name}' FROM\n\t{name}",
            "client": "10.0.0.1",
        }
        rows.append(make_backend(10 + number, **(fields | {"app": name, "state": ABORTED})))
        rows.append(make_backend(40 + number, **fields))
    return make_snapshot(rows)


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (40, 12)])
async def test_hostile_names_draw_harmlessly_and_no_line_is_wider_than_the_screen(size: tuple[int, int]) -> None:
    async with monitor(hostile(), size=size, view=WEB) as (app, source, pilot):
        for keys in ("", *TOUR):
            if keys:
                await pilot.press(keys)
            for line in screen_text(app):
                assert cell_len(line) == size[0], (keys, line)
                assert "\x1b" not in line
        await source.tick(pilot, hostile())
        assert app.is_running


async def test_columns_stay_aligned_under_wide_and_combining_names() -> None:
    async with monitor(hostile(), size=(120, 40), view=WEB) as (app, _, _pilot):
        lines = [line for line in screen_text(app) if "Client:ClientRead" in line]
        assert len(lines) == len(HOSTILE)
        places = {cell_len(line[: line.index("Client:ClientRead")]) for line in lines}
        assert len(places) == 1


async def test_hostile_names_in_messages_are_no_markup() -> None:
    async with monitor(hostile()) as (app, _, pilot):
        app.main.tell("[/foo] [@click=app.quit]x[/]", "warning")
        await pilot.pause()
        assert "[@click=app.quit]x[/]" in "\n".join(screen_text(app))


async def test_only_lines_that_changed_are_repainted(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(state: str, at: float) -> Snapshot:
        rows = [make_backend(pid, state_change=at - 7200.0, query_start=at - 7200.0) for pid in range(1, 20)]
        rows[7] = make_backend(8, state=state, state_change=at - 7200.0, query_start=at - 7200.0)
        return make_snapshot([make_own(), *rows], taken_at=at)

    view = ViewState(grouping="database", expanded=frozenset({("shop",)}))
    async with monitor(seen("idle", NOW), view=view) as (app, source, pilot):
        repainted: list[Region] = []
        refresh = app.main.table.refresh

        def recorded(*regions: Region, **options: bool) -> object:
            repainted.extend(regions or (Region(0, 0, 0, 99),))
            return refresh(*regions, **options)

        monkeypatch.setattr(app.main.table, "refresh", recorded)
        await source.tick(pilot, seen("idle", NOW + 2))
        assert repainted == []
        await source.tick(pilot, seen(ACTIVE, NOW + 4))
        # The session itself, and its group, which counts it among the active.
        assert sorted(region.y for region in repainted) == [1, 10]
        assert {region.height for region in repainted} == {1}
        repainted.clear()
        await pilot.press("down")
        assert len(repainted) == 2


async def test_a_poll_lays_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(hostile(), view=WEB) as (app, source, pilot):
        await source.tick(pilot, hostile())
        layouts: list[object] = []
        monkeypatch.setattr(app.main, "_refresh_layout", lambda *args, **options: layouts.append(args))
        await source.tick(pilot, make_snapshot([*hostile().backends, make_backend(99)], taken_at=NOW + 2))
        assert layouts == []


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_whole_screen_is_there(size: tuple[int, int]) -> None:
    async with monitor(hostile(), size=size) as (app, _, _pilot):
        text = screen_text(app)
        assert text[0].startswith(" db.example:5432")
        assert text[1].startswith(" Slots")
        assert text[2].startswith(" Headroom")
        assert "aborted" in text[3]
        assert text[5].startswith("─ by app ▸ state ─")
        assert text[6].startswith("   GROUP")
        assert "q quit" in text[-1]
        assert "x terminate" in text[-1]


async def test_ascii_draws_no_other_character_of_its_own() -> None:
    plain = make_snapshot([make_own(), *(make_backend(pid) for pid in range(1, 9))])
    async with monitor(plain, ascii=True, view=WEB) as (app, _, pilot):
        await pilot.press("down", "space", "S")
        drawn = "".join(screen_text(app))
        assert drawn.isascii(), {char for char in drawn if not char.isascii()}


@pytest.mark.parametrize("theme", ["ansi-dark", "textual-light", "nord"])
async def test_themes(theme: str) -> None:
    async with monitor(hostile(), theme=theme, view=WEB) as (app, _, pilot):
        await pilot.press("down", "x")
        assert app.theme == theme
        assert "Terminate" in "\n".join(screen_text(app))


def test_an_unknown_theme_is_bad_input() -> None:
    with pytest.raises(BadInput, match="no theme 'pink'"):
        MonitorApp(FakeSource(), ScreenOptions(theme="pink"))


async def test_no_color_draws_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with monitor(hostile(), view=WEB) as (app, _, pilot):
        await pilot.press("down")
        strips = screen_strips(app)
        styles = [segment.style for strip in strips for segment in strip if segment.style]
        assert all(style.color is None or style.color.is_default for style in styles)
        assert any(style.reverse for style in styles)


async def test_every_style_that_view_names_has_a_look() -> None:
    async with monitor(hostile()) as (app, _, _pilot):
        for name in COMPONENTS:
            assert app.main.get_component_styles(name).has_any_rules("color", "background", "text_style"), name


async def test_looks_are_kept_once_a_screen() -> None:
    """Textual makes a node of 8 kB for each look of each widget that has its own."""
    async with monitor(hostile()) as (app, _, pilot):
        await pilot.press("question_mark")
        for screen in app.screen_stack:
            for widget in screen.query("LineView, CellBlock"):
                with pytest.raises(KeyError):
                    widget.get_component_styles(CURSOR)


@pytest.mark.parametrize(
    "text", ["", "select 1", "tab\there", "two\nlines", "\x1b[2J", "日本語", "größe e\u0301", "👩🏽", "\u200e"]
)
def test_widths_are_those_that_textual_draws(text: str) -> None:
    assert width_of(text) == cell_len(text)


def test_widths_of_plain_texts_are_not_remembered() -> None:
    before = cached_cell_len.cache_info().misses
    assert flowing([Cell(f"{before} passed by")], 40)[0][0].startswith(str(before))
    assert cached_cell_len.cache_info().misses == before


def _one_line(text: str, _width: int) -> list[list[Cell]]:
    return [[Cell(text)]]


async def test_a_block_keeps_few_lines() -> None:
    """Each poll makes others of them."""
    async with monitor(hostile()) as (app, _, pilot):
        block = app.main.query_one("#heading", CellBlock)
        for text in map(str, range(3 * BLOCK_STRIPS_KEPT)):
            block.show(partial(_one_line, text))
            await pilot.pause()
            assert block.render_line(0).text.strip() == text
        assert len(block.painter) <= BLOCK_STRIPS_KEPT


def test_cutting_counts_cells() -> None:
    assert cut("日本語", 4) == "日 …"
    assert cut("ab", 4, right=True) == "  ab"
    assert cut("abcdef", 4, ascii_only=True) == "abc>"
    assert [cell_len(cut("日本語", width)) for width in range(1, 9)] == list(range(1, 9))
    assert fitted([("日本", "a"), ("x", "b")], 3) == (("日 ", "a"),)


def test_wrapping_breaks_between_words_and_long_words_anywhere() -> None:
    row = [Cell("label     ", "dim"), Cell("one two three " + "x" * 25)]
    lines = wrapped(row, 20, 10)
    texts = ["".join(cell.text for cell in line) for line in lines]
    assert all(cell_len(text) <= 20 for text in texts)
    assert "".join(texts).replace(" ", "") == "labelonetwothree" + "x" * 25
    assert all(text.startswith(" " * 10) for text in texts[1:])
    assert wrapped(OneLine(row), 20, 10) == [row]
