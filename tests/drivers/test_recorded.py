"""What is said of every kept recording of a real driver: nobody healthy is accused, and each leak is found and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.drivers.replays import snapshots_of
from tests.support.drivers.table import BEHAVIOURS, DRIVERS, HEALTHY, LEAKING
from tests.support.drivers.verdicts import Expectation, judge
from tests.support.servers import PROJECT

FOLDER = PROJECT / "tests" / "drivers" / "recordings"
RECORDINGS = sorted(FOLDER.glob("*.pgtop"))
MOST_POLLS = 170
MOST_BYTES = 40_000


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_the_verdict_of_each_poll_is_right(recording: Path) -> None:
    assert not judge(recording).wrong


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_is_small_and_tells_nothing_of_the_machine(recording: Path) -> None:
    snapshots = snapshots_of(recording)
    assert len(snapshots) <= MOST_POLLS
    assert recording.stat().st_size <= MOST_BYTES
    assert {snapshot.server.host for snapshot in snapshots} == {"127.0.0.1"}
    roles = {session.role for snapshot in snapshots for session in snapshot.backends if session.is_client}
    # A session that logs in has none yet.
    assert roles <= {"", "web", "billing", "postgres"}


def test_every_driver_is_recorded_in_every_way_that_it_can() -> None:
    known = {
        (one.driver, one.behaviour) for one in (Expectation.read(path.with_suffix(".json")) for path in RECORDINGS)
    }
    wanted = {
        (driver.name, behaviour.name)
        for driver in DRIVERS
        for behaviour in BEHAVIOURS
        if behaviour.name not in driver.cannot
    }
    assert not wanted - known


def test_there_are_enough_of_them() -> None:
    assert len(DRIVERS) >= 8
    assert len(HEALTHY) >= 6
    assert len(LEAKING) >= 6
