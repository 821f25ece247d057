"""Connections that wait for a password hold a slot: without a row on 17 and older, as `starting` rows on 18."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pgtop_conn.model.slots import Level, SlotBudget
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.poll import authenticating
from pgtop_conn.postgres.session import Session
from tests.matrix.conftest import OpenMonitors
from tests.support.matrix import noise
from tests.support.matrix.judge import Tally
from tests.support.matrix.slot_fillers import Filling
from tests.support.matrix.stage import APP, LOCKED, LOCKED_WALSENDER, MONITORS, SUPERUSER, Layout, Stage
from tests.support.matrix.wire import Refused, Wire

LAYOUT = Layout(16, superuser_reserved=2, reserved=3, role_limit=2, database_limit=3)
SLOTS_BY_ROW_SINCE = 17


@pytest.fixture
def waiting() -> Iterator[ExitStack]:
    """Connections entered here hang up at the end."""
    with ExitStack() as opened:
        yield opened


def stall(stage: Stage, opened: ExitStack, *, tcp: bool = False) -> bool:
    """One more connection that never sends its password; False when the server refuses it at once."""
    try:
        opened.callback(Wire(stage.cluster, tcp=tcp).begin_login(LOCKED).hang_up)
    except Refused:
        return False
    return True


async def test_logins_under_way_are_counted_one_by_one(
    stage: Stage, monitors: OpenMonitors, tally: Tally, waiting: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for interval in ("OFTEN_S", "SELDOM_S"):
        monkeypatch.setattr(authenticating, interval, 0.0)
    stage.arrange(LAYOUT)
    filling = Filling(stage, await monitors(stage.cluster), tally, seed=5)
    waiting.callback(filling.leave)
    waiting.enter_context(noise.silent_connections(stage, 4))
    stalled = 0
    await filling.check("nobody logs in")
    while True:
        tally.fills += 1
        if not stall(stage, waiting, tcp=bool(stalled % 2)):
            break
        stalled += 1
        filling.seat(SUPERUSER if stalled > 4 else APP)
        await filling.check(f"{stalled} logins under way", under_way=True)
    assert stalled > 4


async def test_logins_that_stopped_under_way_are_counted_no_more(
    stage: Stage, monitors: OpenMonitors, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticating, "SELDOM_S", 0.0)
    stage.arrange(LAYOUT)
    filling = Filling(stage, await monitors(stage.cluster), tally, seed=6)
    with ExitStack() as stalled:
        for _ in range(6):
            tally.fills += 1
            assert stall(stage, stalled)
        await filling.check("6 logins under way", under_way=True)
    # Whoever was found is looked for often until gone, however few the sessions that can be seen.
    monkeypatch.setattr(authenticating, "SELDOM_S", 3600.0)
    monkeypatch.setattr(authenticating, "OFTEN_S", 0.0)
    await filling.check("none any more")


async def test_a_walsender_that_authenticates_takes_no_slot(
    stage: Stage, monitors: OpenMonitors, tally: Tally, waiting: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticating, "SELDOM_S", 0.0)
    stage.arrange(LAYOUT)
    sessions = await monitors(stage.cluster)
    filling = Filling(stage, sessions, tally, seed=7)
    waiting.callback(Wire(stage.cluster).begin_login(LOCKED_WALSENDER).hang_up)
    for role, session in sessions.items():
        budget = SlotBudget.of(await session.poll())
        if stage.major >= SLOTS_BY_ROW_SINCE:
            assert (role, budget.used, budget.exact, budget.authenticating) == (role, len(MONITORS), True, 0)
        else:
            assert (role, budget.used, budget.exact) == (role, len(MONITORS) + 1, False)
    filling.leave()


async def test_the_first_poll_finds_them(stage: Stage, waiting: ExitStack) -> None:
    stage.arrange(Layout(13, superuser_reserved=2, reserved=0, role_limit=2, database_limit=3))
    for _ in range(10):
        assert stall(stage, waiting)
    session = await Session.open(resolve(stage.cluster.uri(user="postgres"), environ={}))
    try:
        budget = SlotBudget.of(await session.poll())
    finally:
        await session.close()
    assert (budget.used, budget.authenticating, budget.level) == (11, 10, Level.FULL)
