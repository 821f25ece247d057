"""The screen on a real server: slots are freed and taken again; a leak is told from a pool, and explained."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling import free_slots
from pgtop_conn.monitor import pacing
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from pgtop_conn.recording.ring import Ring
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.tui.dialogs.free_slots import FreeSlots
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen import time_travel
from tests.postgres.conftest import OpenSession, sessions
from tests.support.fake_source import monitor, screen_text, settled, toasts, until
from tests.support.postgres.leaking_application import applications
from tests.support.servers import Clients

__all__ = ["sessions"]


async def test_slots_are_freed_and_taken_again(
    cluster: Cluster, sessions: OpenSession, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_slots, "SAFE_IDLE_S", 0.0)
    role = await clients.role(cluster, "leaking")
    leaked = await clients.many(6, cluster, role=role, app="leaking-worker")
    source = await sessions(cluster)
    app = MonitorApp(source, ScreenOptions(interval_s=0.25, first=await source.poll()))
    try:
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            await pilot.press("f", "4")
            dialog = app.screen
            assert isinstance(dialog, FreeSlots)
            await until(lambda: [pick.backend.role for pick in dialog.freeing.picks] == [role] * 4)
            struck = dialog.freeing.picks[0].backend.pid
            # More than half of all sessions: the number is typed.
            await pilot.press("space", "enter", "4", "enter")
            await until(lambda: "terminate: 4 gone" in toasts(app))
            # A client hears of its end a little after the server knows of it.
            await until(lambda: sum(not one.is_closed() for one in leaked) == 2)
            assert struck in [one.get_server_pid() for one in leaked if not one.is_closed()]
            await clients.many(3, cluster, role=role, app="leaking-worker")
            await until(lambda: "3 of 4 came back" in toasts(app))
            await pilot.pause()
            assert "from local: the pool refills" in screen_text(app)[4]
    finally:
        await app.finish()


async def test_l_shows_the_leak_and_not_the_pool_beside_it_and_d_explains_it(
    cluster: Cluster, sessions: OpenSession, clients: Clients
) -> None:
    async with applications(cluster, clients, leaky="leaky", pooled="pooled-web", pool_size=10) as both:
        source = await sessions(cluster)
        app = MonitorApp(source, ScreenOptions(interval_s=0.25, first=await source.poll()))
        try:
            async with app.run_test(size=(120, 36), notifications=True) as pilot:
                await until(lambda: any(found.pool.app == "leaky" for found in app.main.state.leaks))
                # It stays so while the test looks at it; the leak itself ends some time, and then is none.
                app.main.feed.interval_s = 3600.0
                await pilot.pause()
                assert " Leak: leaky holds " in screen_text(app)[4]
                await pilot.press("l", "g", "right")
                shown = {line.backend.pid for line in app.main.table.lines if line.backend is not None}
                assert shown
                assert shown <= both.leaked_pids
                await pilot.press("d")
                dialog = app.screen
                assert isinstance(dialog, Diagnosis)
                await until(lambda: dialog.section.title == "leak")
                await until(lambda: bool(app.main.diagnosing.facts.facts.settings))
                await pilot.pause()
                assert "settings and log read" in screen_text(app)[0]
                assert dialog.section.finding is not None
                assert dialog.section.finding.evidence["app"] == "leaky"
                assert dialog.section.remedies
                await pilot.press("s")
                assert app.main.state.view.filter.text == "leak:yes app:leaky role:shop db:postgres"
        finally:
            await app.finish()


async def wait_for_locks(cluster: Cluster, clients: Clients, over: asyncio.Event) -> None:
    """Sessions come, wait for one another, and go."""
    role = await clients.role(cluster, "shop")
    held = await clients(cluster, role=role, app="holder")
    while not over.is_set():
        await held.execute("BEGIN; SELECT pg_advisory_xact_lock(9)")
        waiting = await clients(cluster, role=role, app="waiter")
        wait = asyncio.create_task(waiting.execute("SELECT pg_advisory_lock(9)"))
        await asyncio.sleep(0.4)
        await held.execute("ROLLBACK")
        await wait
        await waiting.close()


async def test_a_replay_shows_what_was_shown_of_a_server(
    cluster: Cluster, sessions: OpenSession, clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_travel, "SETTLED_S", 0.0)
    # Slow answers of a busy machine are told on the first line, and no recording has them.
    monkeypatch.setattr(pacing, "stretched_s", lambda interval_s, _before_s, _took_s: interval_s)
    over = asyncio.Event()

    working = asyncio.create_task(wait_for_locks(cluster, clients, over))
    source = await sessions(cluster)
    ring = Ring()
    live: dict[float, list[str]] = {}
    options = ScreenOptions(interval_s=0.25, first=await source.poll(), ring=ring)
    app = MonitorApp(source, options)
    try:
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            await pilot.press("right")
            while len(live) < 30:
                at = app.main.state.told.taken_at if app.main.state.told else 0.0
                await pilot.pause()
                frame = screen_text(app)[:-1]
                if app.main.state.newest is not None and app.main.state.newest.taken_at == at:
                    live[at] = frame
                await asyncio.sleep(0.05)
    finally:
        over.set()
        await working
        await app.finish()
    recorder = Recorder.open(tmp_path / "run.pgtop")
    for index, totals in enumerate(ring.totals):
        recorder.add(ring.moment(index), totals)
    recorder.close()
    with Recording.open(tmp_path / "run.pgtop") as recording:
        async with monitor(tape=recording, interval_s=0.25) as (replay, _source, pilot):
            await pilot.press("p", "right")
            for at, frame in live.items():
                replay.main.feed.go_to(at)
                await settled(replay.main, pilot)
                assert screen_text(replay)[:-1] == frame
    assert any("blocked 1" in "\n".join(frame) for frame in live.values())
