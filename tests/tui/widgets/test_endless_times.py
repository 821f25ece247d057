"""Times that no calendar has, as a server may tell them: every part of the screen is still drawn."""

from __future__ import annotations

from math import inf

import pytest

from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, on_main

OPEN = ViewState(expanded=frozenset({("web",)}))
LOOKS = (
    "enter",
    "escape",
    "x",
    "escape",
    "b",
    "escape",
    "d",
    "escape",
    "h",
    "escape",
    "f",
    "3",
    "escape",
    "i",
    "escape",
)


@pytest.mark.parametrize("at", [inf, -inf, 253_402_300_800.0, 9e15, -1e12], ids=str)
@pytest.mark.parametrize("server", [False, True], ids=["sessions", "clock"])
async def test_no_time_ends_the_screen(at: float, server: bool) -> None:
    if server and at in (inf, -inf):
        # The border has none of these for the server's own clock.
        at = 2.5e11 if at > 0 else -6e10
    rows = [make_backend(pid, backend_start=at, state_change=at, xact_start=at, query_start=at) for pid in (1, 2)]
    snapshot = make_snapshot([make_own(), *rows], taken_at=at if server else NOW)
    async with monitor(snapshot, view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", *LOOKS)
        await source.tick(pilot, snapshot)
        assert on_main(app)
