"""The screen on a real server: slots are freed, seen to be free, and seen to be taken again."""

from __future__ import annotations

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model import freeing
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.freeing import FreeSlots
from pgtop_conn.tui.options import ScreenOptions
from tests.postgres.conftest import OpenSession, sessions
from tests.servers import Clients
from tests.tui.fake import screen_text, toasts, until

__all__ = ["sessions"]


async def test_slots_are_freed_and_taken_again(
    cluster: Cluster, sessions: OpenSession, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeing, "SAFE_IDLE_S", 0.0)
    role = await clients.role(cluster, "leaking")
    leaked = await clients.many(6, cluster, role=role, app="leaking-worker")
    source = await sessions(cluster)
    app = MonitorApp(source, ScreenOptions(interval_s=0.25, first=await source.poll()))
    try:
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            await pilot.press("f", "4")
            dialog = app.screen
            assert isinstance(dialog, FreeSlots)
            await until(lambda: [pick.backend.role for pick in dialog.freeing.picks] == [role] * 4, most_s=20.0)
            struck = dialog.freeing.picks[0].backend.pid
            # More than half of all sessions: the number is typed.
            await pilot.press("space", "enter", "4", "enter")
            await until(lambda: "terminate: 4 gone" in toasts(app), most_s=20.0)
            left = [one.get_server_pid() for one in leaked if not one.is_closed()]
            assert len(left) == 2
            assert struck in left
            await clients.many(3, cluster, role=role, app="leaking-worker")
            await until(lambda: "3 of 4 came back" in toasts(app), most_s=20.0)
            await pilot.pause()
            assert "from local: the pool refills" in screen_text(app)[4]
    finally:
        await app.finish()
