"""R: a recording of what is shown, from what was kept before on, written beside the screen and ended in order."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Event

import pytest

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.recording.recording import Recording
from pgtop_conn.recording.ring import Ring
from pgtop_conn.storage import recording_files
from tests.support.data.crowds import POLLS, seen
from tests.support.data.factories import NOW
from tests.support.fake_source import monitor, screen_text, toasts, until
from tests.support.stores import Recordings
from tests.support.waits import HANG_S


def opener(folder: Path, *, always: bool = False) -> Recordings:
    return Recordings(lambda snapshot: recording_files.begin(snapshot, [folder]), always=always)


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


async def test_a_recording_begins_with_what_was_kept_and_goes_on_until_it_is_ended(tmp_path: Path) -> None:
    ring = Ring()
    async with monitor(POLLS[0], ring=ring, recordings=opener(tmp_path)) as (app, source, pilot):
        await source.tick(pilot, POLLS[1])
        ring.mark(Mark(NOW + 1.0, "terminate", 1, "app", "billing", "gone", "the cursor"))
        await pilot.press("R")
        await source.tick(pilot, POLLS[2])
        assert "REC" in screen_text(app)[0]
        assert str(only(tmp_path)) in toasts(app)
        await pilot.press("R")
        await until(lambda: "Recorded:" in toasts(app))
        assert "REC" not in screen_text(app)[0]
        await source.tick(pilot, POLLS[3])
    assert only(tmp_path).stat().st_mode & 0o777 == 0o600
    with Recording.open(only(tmp_path)) as recording:
        assert recording.ends is None
        assert [one.used for one in recording.totals] == [4, 11, 41]
        assert [one.pid for one in recording.marks] == [1]
        assert [len(recording.moment(index).snapshot.backends) for index in range(3)] == [4, 11, 41]


async def test_leaving_the_monitor_ends_the_recording(tmp_path: Path) -> None:
    async with monitor(POLLS[0], ring=Ring(), recordings=opener(tmp_path, always=True)) as (app, source, pilot):
        for poll in POLLS[1:]:
            await source.tick(pilot, poll)
        await app.main.finish()
    with Recording.open(only(tmp_path)) as recording:
        assert len(recording.times) == len(POLLS)


async def test_a_recording_that_cannot_be_begun_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with monitor(POLLS[0], recordings=opener(tmp_path / "file")) as (app, _source, pilot):
        await pilot.press("R")
        assert "nothing is recorded" in toasts(app)
        assert "REC" not in screen_text(app)[0]


async def test_leaving_does_not_wait_for_a_long_history_to_be_copied(tmp_path: Path) -> None:
    ring = Ring()
    for count in range(300):
        snapshot = seen(count % 7, NOW - 3000.0 + count)
        ring.add(Moment(snapshot, ()), Totals.of(snapshot, SlotBudget.of(snapshot)))
    async with monitor(POLLS[0], ring=ring, recordings=opener(tmp_path)) as (app, _source, pilot):
        app.main.action_record()
        await app.main.recording.stop(0.0)
        await pilot.pause()
    with Recording.open(only(tmp_path)) as recording:
        assert 0 < len(recording.times) < 301


class SlowDisk:
    """Nothing is written before it is let go; then it fails."""

    path = Path("slow.pgtop")

    def __init__(self) -> None:
        self.go = Event()
        self.closed = False

    def add(self, _moment: Moment, _totals: Totals) -> None:
        self.go.wait(HANG_S)
        raise PgtopError("slow.pgtop: not recorded: No space left on device")

    def mark(self, mark: Mark) -> None:
        raise AssertionError(mark)

    def close(self) -> None:
        self.closed = True


async def test_a_disk_that_hangs_and_fails_does_not_hold_up_the_screen() -> None:
    disk = SlowDisk()
    async with monitor(POLLS[0], recordings=Recordings(lambda _snapshot: disk)) as (app, source, pilot):
        await pilot.press("R")
        for count in range(1, 6):
            await source.tick(pilot, seen(count, NOW + count))
        assert "6/100" in screen_text(app)[1]
        disk.go.set()
        await until(lambda: "No space left" in toasts(app))
        assert toasts(app).count("No space left") == 1
        await app.main.finish()
    assert disk.closed


@pytest.mark.parametrize("days", [0.5, 7.0])
def test_only_old_recordings_of_ours_are_pruned(tmp_path: Path, days: float) -> None:
    old, young, other = (tmp_path / f"pgtop-conn-{name}.pgtop" for name in ("old", "young", "other"))
    for path in (old, young):
        path.write_bytes(b"pgtop-conn recording 1\n")
    other.write_bytes(b"something else\n")
    aside = tmp_path / "notes.txt"
    aside.write_text("mine")
    for path in (old, other, aside):
        os.utime(path, (time.time() - days * 86_400 - 60,) * 2)
    assert recording_files.prune(tmp_path, days) == 1
    assert {path.name for path in tmp_path.iterdir()} == {young.name, other.name, aside.name}
    assert recording_files.prune(tmp_path / "nowhere", days) == 0
