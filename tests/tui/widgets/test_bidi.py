"""Wide, combining, right-to-left and emoji names keep the columns where they are."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len

from pgtop_conn.model.snapshot import ACTIVE
from pgtop_conn.tui.widgets.pieces import kept_in_place
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, screen_text

NAMES = ("שלום", "مرحبا", "漢字テスト", "e\u0301te\u0301", "🐘🚀", "plain")


def test_only_text_from_right_to_left_is_marked_and_takes_no_more_cells() -> None:
    assert kept_in_place("plain 漢字 é") == "plain 漢字 é"
    marked = kept_in_place("שלום  ")
    assert marked.endswith("\u200e")
    assert cell_len(marked) == cell_len("שלום  ")


def test_behind_the_mark_a_number_is_no_part_of_the_text_before_it() -> None:
    assert unicodedata.bidirectional(kept_in_place("שלום ")[-1]) == "L"


async def test_every_name_leaves_the_lines_as_wide_as_the_screen() -> None:
    rows = [make_backend(pid, role=name, app=name, state=ACTIVE, query=name) for pid, name in enumerate(NAMES, 1)]
    view = ViewState(expanded=frozenset((name,) for name in NAMES))
    async with monitor(make_snapshot([make_own(), *rows]), view=view, size=(120, 40)) as (app, _, _pilot):
        lines = screen_text(app)
        assert {cell_len(line) for line in lines} == {120}
        for name in NAMES[:2]:
            assert any(f"{name}" in line and "\u200e" in line for line in lines)
