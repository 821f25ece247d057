"""Recording: what is kept of polls and signals, begun and ended by a key, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.tape_writer import RecordingFile
from pgtop_conn.tui.screen.recording import NOT_SIGNALLED, RecordingControl, marks_of
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.data.tapes import ListTape
from tests.support.fake_desk import FakeDesk, desk_of
from tests.support.stores import Recordings


class Tape:
    """A recorder that keeps what it is given; it fails while `broken` is set."""

    path = Path("kept.pgtop")

    def __init__(self) -> None:
        self.polls: list[float] = []
        self.marks: list[int] = []
        self.broken = False
        self.closed = False

    def add(self, moment: Moment, totals: Totals) -> None:
        if self.broken:
            raise PgtopError("No space left on device")
        self.polls.append(moment.snapshot.taken_at - NOW)

    def mark(self, mark: Mark) -> None:
        self.marks.append(mark.pid)

    def close(self) -> None:
        self.closed = True


def seen(at: float) -> Snapshot:
    return make_snapshot([make_own(), make_backend(1)], taken_at=NOW + at)


def recording_of(store: Recordings | None, ring: ListTape | None = None) -> tuple[RecordingControl, FakeDesk]:
    state, desk = desk_of(None)
    return RecordingControl(state, desk, ring, store), desk


def take(recording: RecordingControl, desk: FakeDesk, at: float) -> None:
    desk.polled(seen(at))
    recording.keep(seen(at))


async def test_a_recording_has_what_was_kept_before_and_what_comes_until_it_is_ended() -> None:
    tape, ring = Tape(), ListTape()
    recording, desk = recording_of(Recordings(lambda _: tape), ring)
    for at in (0.0, 2.0):
        take(recording, desk, at)
    recording.toggle()
    assert recording.taping is not None
    assert desk.said == "Recording to kept.pgtop; <record> ends it"
    take(recording, desk, 4.0)
    recording.toggle()
    await desk.finished("taping")
    assert desk.said == "Recorded: kept.pgtop"
    assert recording.taping is None
    take(recording, desk, 6.0)
    assert (tape.polls, tape.closed) == ([0.0, 2.0, 4.0], True)
    assert [at - NOW for at in ring.times] == [0.0, 2.0, 4.0, 6.0]


@pytest.mark.parametrize("always", [False, True])
async def test_every_session_is_recorded_where_that_is_wanted(always: bool) -> None:
    tape = Tape()
    recording, desk = recording_of(Recordings(lambda _: tape, always=always), ListTape())
    for at in (0.0, 2.0):
        take(recording, desk, at)
    assert (recording.taping is not None) is always
    await recording.stop()
    assert tape.polls == ([0.0, 2.0] if always else [])


async def test_nothing_can_be_recorded_without_a_store_or_before_a_poll() -> None:
    recording, desk = recording_of(None)
    take(recording, desk, 0.0)
    recording.toggle()
    assert desk.told == [("Nothing can be recorded here", "warning")]
    recording, desk = recording_of(Recordings(lambda _: Tape()))
    recording.toggle()
    assert desk.told == [("Nothing can be recorded here", "warning")]
    await recording.stop()


async def test_a_recording_that_cannot_begin_or_go_on_is_said_once() -> None:
    def refuse(_snapshot: Snapshot) -> RecordingFile:
        raise PgtopError("no folder takes it")

    recording, desk = recording_of(Recordings(refuse))
    take(recording, desk, 0.0)
    recording.toggle()
    assert desk.told == [("no folder takes it", "error")]
    assert recording.taping is None
    tape = Tape()
    tape.broken = True
    recording, desk = recording_of(Recordings(lambda _: tape))
    take(recording, desk, 0.0)
    recording.toggle()
    for at in (2.0, 4.0):
        take(recording, desk, at)
    await recording.stop()
    assert [text for text, severity in desk.told if severity == "error"] == ["No space left on device"]


@pytest.mark.parametrize("status", Status)
async def test_what_was_signalled_is_marked_and_what_was_not_is_none(status: Status) -> None:
    ring, tape = ListTape(), Tape()
    recording, desk = recording_of(Recordings(lambda _: tape), ring)
    target = Target.of(seen(0.0).backends[1], "marks")
    recording.mark(Action.TERMINATE, [Outcome(target, status)])
    assert ring.marks == []
    take(recording, desk, 0.0)
    recording.toggle()
    recording.mark(Action.TERMINATE, [Outcome(target, status)])
    await recording.stop()
    wanted = [] if status in NOT_SIGNALLED else [1]
    assert [one.pid for one in ring.marks] == wanted
    assert tape.marks == wanted
    for mark in marks_of(Action.CANCEL, [Outcome(target, status)], NOW):
        assert (mark.action, mark.outcome, mark.chosen_by, mark.at) == ("cancel", str(status), "marks", NOW)
