"""A key of the confirm dialog binds sessions in use to who they are, whatever they run by then."""

from __future__ import annotations

from typing import Any

from pgtop_conn.model.snapshot import ACTIVE, Snapshot
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, screen_text

OPEN = ViewState(expanded=frozenset({("web",)}))


def hasty(at: float, **changes: Any) -> Snapshot:
    """Two that run one short statement after the other, and one that has rested for a minute."""
    used: dict[str, Any] = {"state": ACTIVE, "query": "SELECT 1", "query_start": at, "state_change": at} | changes
    rows = [make_own(), make_backend(1, **used), make_backend(2, **used), make_backend(3)]
    return make_snapshot(rows, taken_at=at)


def dialog(app: MonitorApp) -> Confirm:
    assert isinstance(app.screen, Confirm)
    return app.screen


def planned(app: MonitorApp) -> list[tuple[int, bool]]:
    return [(target.key.pid, target.busy) for target in dialog(app).decision.plan.targets]


async def test_who_runs_one_statement_after_the_other_stays_in_the_plan_on_an_explicit_word() -> None:
    async with monitor(hasty(NOW), view=OPEN) as (app, source, pilot):
        await pilot.press("home", "x")
        assert planned(app) == [(1, False), (2, False), (3, False)]
        await source.tick(pilot, hasty(NOW + 1))
        assert planned(app) == [(3, False)]
        assert "B any query" in "\n".join(screen_text(app))
        await pilot.press("B")
        assert planned(app) == [(1, True), (2, True), (3, False)]
        assert "! whatever they run by then" in "\n".join(screen_text(app))
        await source.tick(pilot, hasty(NOW + 2))
        assert planned(app) == [(1, True), (2, True), (3, False)]
        assert dialog(app).decision.plan.targets[0].chosen_by == "group app=web, whatever it runs"
        # One that begins to write, or takes another name, is another matter.
        await source.tick(pilot, hasty(NOW + 3, wrote=True))
        assert planned(app) == [(3, False)]
        # Taken again, that it writes is asked about.
        await pilot.press("B", "B")
        assert planned(app) == [(1, True), (2, True), (3, False)]
        assert "! 2 × its transaction has written" in "\n".join(screen_text(app))
        await source.tick(pilot, hasty(NOW + 4, app="other"))
        assert planned(app) == [(3, False)]


async def test_all_of_them_can_be_taken_back_when_none_is_left() -> None:
    first = make_snapshot([one for one in hasty(NOW).backends if one.pid != 3], taken_at=NOW)
    async with monitor(first, view=OPEN) as (app, source, pilot):
        await pilot.press("home", "x")
        await source.tick(pilot, hasty(NOW + 1))
        assert planned(app) == []
        await pilot.press("B")
        assert planned(app) == [(1, True), (2, True)]
        await pilot.press("B")
        assert planned(app) == []


async def test_the_key_is_for_sessions_in_use_that_are_terminated() -> None:
    rested = make_snapshot([make_own(), make_backend(3), make_backend(4)])
    async with monitor(rested, view=OPEN) as (app, _source, pilot):
        await pilot.press("home", "x", "B")
        assert planned(app) == [(3, False), (4, False)]
        assert "B any query" not in "\n".join(screen_text(app))
    async with monitor(hasty(NOW, wait_event_type=""), view=OPEN) as (app, _source, pilot):
        await pilot.press("home", "c", "B")
        assert planned(app) == [(1, False), (2, False)]
