"""Every scene looks as its golden file says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest

from pgtop_conn.monitor import state
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.view.status.server_lines import clock
from tests.support.data.factories import NOW
from tests.support.fake_source import monitor, until
from tests.support.snapshots.frames import drawn
from tests.support.snapshots.scenes import SCENES, Scene, polls

GOLDEN = Path(__file__).parent / "golden"
UPDATING = "UPDATE_SNAPSHOTS" in os.environ
THEMES = {"dark": "pgtop", "light": "light", "ansi": "ansi-dark", "no-color": None}


@pytest.fixture(autouse=True)
def _fixed_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One time zone, one kind of terminal, and no answer is slow enough to be called stale."""
    for name, value in (("TZ", "UTC"), ("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")):
        monkeypatch.setenv(name, value)
    time.tzset()
    monkeypatch.setattr(state, "SLOW_ANSWER_S", 600.0)
    yield
    monkeypatch.undo()
    time.tzset()


async def picture(scene: Scene) -> tuple[str, str]:
    """The scene, drawn; and as SVG, for who wants to look at it."""
    first, *others = polls(calm=scene.calm)
    async with monitor(first, size=scene.size, theme=THEMES[scene.look], ascii=scene.ascii) as (app, source, pilot):
        for snapshot in others:
            await source.tick(pilot, snapshot)
        app.main.feed.interval_s = 2.0
        app.main.redraw_gauges()
        await pilot.press(*scene.keys)
        if isinstance(app.screen, Diagnosis):
            # Settings are read between two polls.
            await source.tick(pilot, others[-1])
            await until(lambda: app.main.diagnosing.facts.state == "settings and log read")
            await source.tick(pilot, others[-1])
        await pilot.pause()
        return drawn(app), app.export_screenshot(title=scene.id)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
async def test_the_scene_looks_as_it_did(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if scene.look == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    found, image = await picture(scene)
    golden, seen = GOLDEN / f"{scene.id}.txt", tmp_path / f"{scene.id}.svg"
    if UPDATING:
        golden.write_text(found, encoding="utf-8")
    if found != golden.read_text(encoding="utf-8"):
        seen.write_text(image, encoding="utf-8")
        difference = unified_diff(golden.read_text(encoding="utf-8").splitlines(), found.splitlines(), lineterm="", n=0)
        pytest.fail(f"{scene.id} looks different, see {seen}:\n" + "\n".join(difference), pytrace=False)


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {scene.id for scene in SCENES}


def test_the_clock_is_fixed() -> None:
    assert clock(NOW) == "12:00:00"
