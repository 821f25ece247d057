"""The garbage collector leaves alone what is old while the monitor runs, and only then."""

from __future__ import annotations

import gc

import pytest

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.tui.app import MonitorApp, run
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.rendering import gc_tuning
from pgtop_conn.tui.rendering.gc_tuning import THRESHOLD, seldom_collected
from tests.support.data.factories import make_snapshot
from tests.support.fake_source import FakeSource
from tests.support.waits import wait_until


async def test_what_is_there_after_the_start_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc_tuning, "SETTLED_S", 0.0)
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold() == before
        await wait_until(lambda: gc.get_freeze_count() > 0, "it has settled")
        assert gc.get_threshold() == (THRESHOLD, *before[1:])
        assert not any(one is make_snapshot for one in gc.get_objects())
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


async def test_who_leaves_before_it_has_settled_finds_all_as_it_was() -> None:
    before = gc.get_threshold()
    with seldom_collected():
        pass
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


async def test_the_monitor_has_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc_tuning, "SETTLED_S", 0.0)
    frozen: list[int] = []

    async def shown(_app: MonitorApp, **_options: object) -> int:
        await wait_until(lambda: gc.get_freeze_count() > 0, "it has settled")
        frozen.append(gc.get_freeze_count())
        return 0

    monkeypatch.setattr(MonitorApp, "run_async", shown)
    assert await run(FakeSource(), ScreenOptions(interval_s=2.0, policy=Policy())) == 0
    assert frozen
    assert gc.get_freeze_count() == 0
