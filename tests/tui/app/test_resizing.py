"""Storms of sizes, from far too small to far too large: nothing ends the program, and the last frame fits."""

from __future__ import annotations

from random import Random

import pytest
from rich.cells import cell_len
from textual.events import Resize
from textual.geometry import Size

from pgtop_conn.view.table.lines import ViewState
from tests.support.fake_source import monitor, screen_text
from tests.support.snapshots.scenes import shop

SIZES = 50


def sizes(seed: int) -> list[tuple[int, int]]:
    """The same for the same seed; the smallest and the largest are among them."""
    random = Random(seed)
    found = [(random.randint(20, 300), random.randint(5, 100)) for _ in range(SIZES - 2)] + [(20, 5), (300, 100)]
    random.shuffle(found)
    return found


@pytest.mark.parametrize(
    "keys", [("g", "right"), ("g", "x"), ("g", "right", "down", "enter"), ("question_mark",), ("d",)], ids="-".join
)
async def test_a_storm_of_sizes(keys: tuple[str, ...]) -> None:
    async with monitor(shop(), size=(120, 36), view=ViewState()) as (app, source, pilot):
        await pilot.press(*keys)
        for number, size in enumerate(sizes(len(keys))):
            # As a driver does for SIGWINCH: the next one comes before this one is drawn.
            app.post_message(Resize(Size(*size), Size(*size)))
            if number % 10 == 0:
                await source.tick(pilot, shop())
        for size in ((20, 5), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            lines = screen_text(app)
            assert len(lines) == size[1]
            assert {cell_len(line) for line in lines} == {size[0]}
        assert app.is_running
        await pilot.press("escape", "escape", "escape")
        assert "Slots" in screen_text(app)[1]


@pytest.mark.parametrize("columns", [1, 3, 8, 20])
async def test_a_line_is_moved_aside_on_a_terminal_without_room_for_it(columns: int) -> None:
    """There is no end of a query to come into sight: that is no reason to look for it forever."""
    async with monitor(shop(), size=(120, 36), view=ViewState()) as (app, _, pilot):
        await pilot.press("g", "right", "right")
        await pilot.resize_terminal(columns, 10)
        await pilot.press(*["greater_than_sign"] * 30)
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert "Slots" in screen_text(app)[1]
