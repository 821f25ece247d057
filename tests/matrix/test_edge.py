"""Every headroom shown is the number of logins that then succeed, from an empty server to a full one."""

from __future__ import annotations

import pytest

from tests.matrix.conftest import OpenMonitors
from tests.support.matrix.judge import Tally
from tests.support.matrix.slot_fillers import Filling
from tests.support.matrix.stage import Layout, Stage

LAYOUTS = (
    Layout(17, superuser_reserved=3, reserved=2, role_limit=3, database_limit=5),
    Layout(15, superuser_reserved=1, reserved=4, role_limit=6, database_limit=4),
    Layout(13, superuser_reserved=0, reserved=0, role_limit=0, database_limit=7),
    Layout(14, superuser_reserved=5, reserved=1, role_limit=1, database_limit=0),
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
async def test_what_is_shown_is_what_then_succeeds(
    stage: Stage, monitors: OpenMonitors, tally: Tally, layout: Layout
) -> None:
    stage.arrange(layout)
    filling = Filling(stage, await monitors(stage.cluster), tally, seed=layout.max_connections)
    try:
        await filling.to_the_edge()
    finally:
        filling.leave()
