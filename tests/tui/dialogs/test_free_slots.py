"""f: how many, whom and why, striking out, and the same question as ever before anything is sent."""

from __future__ import annotations

from typing import Unpack

import pytest

from pgtop_conn.model.locks import Locks
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import ACTIVE, IN_TRANSACTION, Snapshot
from pgtop_conn.model.source import Action
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.free_slots import FreeSlots
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import BackendFields
from tests.support.fake_source import monitor, on_main, screen_text, toasts

BILLING = make_role(500, "billing", connection_limit=40)


def full(
    at: float = NOW, *, count: int = 30, without: tuple[int, ...] = (), **fields: Unpack[BackendFields]
) -> Snapshot:
    """41 of 45 slots: 30 idle of a leaking worker (100 the longest), 10 that nobody may be freed of, and ours."""
    worker: BackendFields = {"app": "billing-worker", "role": "billing", "role_oid": 500}
    rows = []
    for n in [n for n in range(count) if 100 + n not in without]:
        times: BackendFields = {"state_change": NOW - 4000 + 100 * n, "query_start": NOW - 4001 + 100 * n}
        rows.append(make_backend(100 + n, **(times | worker | fields)))
    busy = [make_backend(300 + n, state=(ACTIVE, IN_TRANSACTION)[n % 2]) for n in range(10)]
    return make_snapshot(
        [make_own(), *rows, *busy, make_walsender(7)],
        taken_at=at,
        locks=Locks(at, frozenset()),
        roles=[BILLING],
        server=make_server(max_connections=45),
    )


def dialog(app: MonitorApp) -> FreeSlots:
    assert isinstance(app.screen, FreeSlots)
    return app.screen


def picked(app: MonitorApp) -> list[int]:
    return [pick.backend.pid for pick in dialog(app).freeing.picks]


def text_of(app: MonitorApp) -> str:
    return "\n".join(screen_text(app))


async def test_the_suggestion_is_typed_and_the_question_is_the_usual_one() -> None:
    async with monitor(full(), per_second=1000.0) as (app, source, pilot):
        await pilot.press("f")
        # 80 per cent of the 42 that ordinary roles may use leaves room for 33.
        assert picked(app) == [100, 101, 102, 103, 104, 105, 106, 107]
        text = text_of(app)
        assert "Type 8 to get down to 80 %" in text
        assert "ordinary roles 1 → 9" in text
        assert "billing 10 → 18 (role limit 40)" in text
        assert "22 more sessions could be ended as safely" in text
        assert "billing-worker holds 30" in text
        # A bare Enter is that of a shell's line, typed where no shell is.
        await pilot.press("enter")
        assert isinstance(app.screen, FreeSlots)
        assert "Type how many slots to free, then Enter" in text_of(app)
        await pilot.press("8", "enter")
        assert isinstance(app.screen, Confirm)
        assert "Terminate 8 sessions?" in text_of(app)
        assert source.signals == []
        await pilot.press("ctrl+y")
        await source.sent(pilot, full(NOW + 1), 8)
        assert source.signalled_pids == list(range(100, 108))
        assert {target.chosen_by for _, targets in source.signals for target in targets} == {"free 8 slots"}
        assert {action for action, _ in source.signals} == {Action.TERMINATE}


async def test_a_typed_number_counts_while_it_is_typed_and_many_need_their_count() -> None:
    async with monitor(full()) as (app, source, pilot):
        await pilot.press("f", "2")
        assert picked(app) == [100, 101]
        await pilot.press("5", "enter")
        assert "Type the number of sessions to confirm: 25" in text_of(app)
        await pilot.press("ctrl+y", "escape")
        assert on_main(app)
        assert source.signals == []


async def test_no_more_than_what_is_safe_is_picked_and_it_says_so() -> None:
    async with monitor(full()) as (app, source, pilot):
        await pilot.press("f", "9", "9")
        assert len(picked(app)) == 30
        assert "Only 30 of 99 can be had safely" in text_of(app)
        await source.tick(pilot, full(NOW + 1, state=IN_TRANSACTION))
        assert picked(app) == []
        await pilot.press("enter")
        assert isinstance(app.screen, FreeSlots)
        await pilot.press("escape")
        assert on_main(app)


async def test_without_a_look_at_the_locks_nobody_is_safe() -> None:
    rows = [make_own(), *(make_backend(pid) for pid in range(1, 30))]
    async with monitor(make_snapshot(rows)) as (app, _, pilot):
        await pilot.press("f", "5")
        assert picked(app) == []
        assert "locks are not known yet" in text_of(app)


@pytest.mark.parametrize("key", ["space", "x"])
async def test_one_that_is_struck_out_is_replaced_and_stays_struck(key: str) -> None:
    async with monitor(full(), per_second=1000.0) as (app, source, pilot):
        await pilot.press("f", "3", "down", key)
        assert picked(app) == [100, 102, 103]
        text = text_of(app)
        assert "1 struck out" in text
        assert "101  billing  billing-worker  10.2.0.17  struck out" in text
        await source.tick(pilot, full(NOW + 2))
        assert picked(app) == [100, 102, 103]
        # On its own line the same key takes it back.
        await pilot.press("j", "j", key)
        assert picked(app) == [100, 101, 102]
        await pilot.press("k", "k", "k", key)
        assert picked(app) == [101, 102, 103]
        await pilot.press("enter", "ctrl+y")
        await source.sent(pilot, full(NOW + 3), 3)
        assert source.signalled_pids == [101, 102, 103]


async def test_who_leaves_while_it_is_open_is_replaced_until_it_is_confirmed() -> None:
    async with monitor(full(), per_second=1000.0) as (app, source, pilot):
        await pilot.press("f", "3")
        await source.tick(pilot, full(NOW + 1, without=(101,)))
        assert picked(app) == [100, 102, 103]
        await pilot.press("enter")
        await source.tick(pilot, full(NOW + 2, without=(101, 102)))
        assert "gone since it was selected" in text_of(app)
        await pilot.press("ctrl+y")
        await source.sent(pilot, full(NOW + 3, without=(101, 102)), 2)
        assert source.signalled_pids == [100, 103]


async def test_below_the_warning_nothing_is_suggested() -> None:
    async with monitor(full(count=5)) as (app, _, pilot):
        await pilot.press("f")
        assert "below 80 % already" in text_of(app)
        await pilot.press("enter")
        assert isinstance(app.screen, FreeSlots)
        await pilot.press("2")
        assert picked(app) == [100, 101]


async def test_read_only_frees_nothing() -> None:
    async with monitor(full(), policy=Policy(read_only=True)) as (app, _, pilot):
        await pilot.press("f")
        assert on_main(app)
        assert "--read-only" in toasts(app)
        assert "free slots" not in screen_text(app)[-1]


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_dialog_fits(size: tuple[int, int]) -> None:
    async with monitor(full(), size=size) as (app, _, pilot):
        await pilot.press("f", "2", "0", "x")
        text = text_of(app)
        for part in ("Free 20 slots", "Headroom", "Free how many slots?", "Enter", "Esc leave", "1 struck out"):
            assert part in text, part
        assert sum("billing-worker holds 30" in line for line in screen_text(app)) >= 9


async def test_ascii_draws_no_other_character_in_the_dialogs_and_the_bar() -> None:
    async with monitor(full(), ascii=True, per_second=20.0) as (app, source, pilot):
        await pilot.press("f", "9", "9", "x")
        assert text_of(app).isascii()
        await pilot.press("backspace", "backspace", "9", "enter", "r")
        assert "headroom" in text_of(app).lower()
        assert text_of(app).isascii()
        await pilot.press("escape", "ctrl+y")
        await source.sent(pilot, full(NOW + 1), 2)
        assert "#" in screen_text(app)[-1]
        assert screen_text(app)[-1].isascii()
