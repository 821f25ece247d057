"""A recording file: what is written is read again, whatever happens in between; and it is nobody else's to read."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import stat
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings

from pgtop_conn.model.errors import BadInput, PgtopError, PollFailed
from pgtop_conn.model.history.moments import Mark, Moment
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.recording import recorder as writer
from pgtop_conn.recording.codec.framing import FrameKind, frames, title
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from pgtop_conn.recording.rotation import Rotation
from tests.support.data.factories import NOW, make_backend, make_snapshot
from tests.support.data.moments import same, sequences, totals_of

MARK = Mark(NOW, "terminate", 4711, "app", "web", "gone", "the cursor")


def steps(count: int, sessions: int = 30, begin: int = 0) -> list[Moment]:
    """Polls of a server on which one session runs a query between two of them."""
    rows = [make_backend(pid) for pid in range(1, sessions + 1)]
    found = []
    for step in range(begin, begin + count):
        at = NOW + 2.0 * step
        rows[step % sessions] = replace(rows[step % sessions], query=f"SELECT 'nobody {step}'", query_start=at)
        found.append(Moment(replace(make_snapshot(rows), taken_at=at), ()))
    return found


def record(path: Path, moments: list[Moment], *, redact: bool = False, rotation: Rotation | None = None) -> None:
    """Write them, and end."""
    recorder = Recorder.open(path, redact=redact, rotation=rotation or Rotation())
    for moment in moments:
        recorder.add(moment, totals_of(moment))
    recorder.close()


def shows(recording: Recording, moments: list[Moment]) -> bool:
    """Whether it has these moments, their times and their totals."""
    return (
        list(recording.times) == [moment.snapshot.taken_at for moment in moments]
        and all(same(recording.moment(index), moment) for index, moment in enumerate(moments))
        and same(list(recording.totals), [totals_of(moment) for moment in moments])
    )


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@settings(max_examples=60, deadline=None)
@given(moments=sequences())
def test_what_is_recorded_is_read(tmp_path_factory: pytest.TempPathFactory, moments: list[Moment]) -> None:
    path = tmp_path_factory.mktemp("r") / "recording"
    record(path, moments)
    recording = Recording.open(path)
    assert shows(recording, [_without_secrets(moment) for moment in moments])
    assert recording.ends is None


def _without_secrets(moment: Moment) -> Moment:
    from pgtop_conn.model.redaction.literals import shown

    kept = tuple(replace(one, query=shown(one.query, redact=False)) for one in moment.snapshot.backends)
    return replace(moment, snapshot=replace(moment.snapshot, backends=kept))


def test_several_blocks_and_a_part_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BLOCK_MOMENTS", 20)
    monkeypatch.setattr(writer, "TOTALS_EVERY", 8)
    moments = steps(70)
    record(tmp_path / "r", moments)
    assert shows(Recording.open(tmp_path / "r"), moments)


def test_it_is_readable_while_it_is_written(tmp_path: Path) -> None:
    recorder = Recorder.open(tmp_path / "r")
    moments = steps(40)
    for count, moment in enumerate(moments, 1):
        recorder.add(moment, totals_of(moment))
        if count in (1, 31, 33):
            recording = Recording.open(tmp_path / "r")
            assert shows(recording, moments[:count])
            assert recording.ends is None
    recorder.close()


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "r"
    record(path, steps(2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    record(path, steps(2, begin=2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_recording_is_gone_on_with(tmp_path: Path) -> None:
    moments = steps(10)
    record(tmp_path / "r", moments[:6])
    record(tmp_path / "r", moments[6:])
    assert shows(Recording.open(tmp_path / "r"), moments)


def test_one_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "r"
    moments = steps(10)
    record(path, moments[:6])
    path.write_bytes(path.read_bytes()[:-7] + b"\xabP\xbb")
    record(path, moments[6:])
    recording = Recording.open(path)
    assert list(recording.times) == [moment.snapshot.taken_at for moment in moments]
    assert recording.ends is not None
    assert "it goes on at 2026-03-01 12:00:12 UTC" in recording.ends


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello\n" * 9, "is not a recording of pgtop-conn"),
        (b"pgtop-conn recording 99\nxxxx", "is a recording of format 99; this version of pgtop-conn knows format 1"),
        (b"pgtop-conn recording one\n", "is not a recording of pgtop-conn"),
    ],
)
def test_what_is_no_recording_of_ours_is_left_alone(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        Recorder.open(path)
    with pytest.raises(BadInput, match=message):
        Recording.open(path)
    assert path.read_bytes() == content


def test_a_recording_without_a_moment_is_none(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(title())
    with pytest.raises(BadInput, match="holds no moment that can be read"):
        Recording.open(tmp_path / "r")


def test_what_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "r"):
        with pytest.raises(BadInput, match=r"Is a directory|No such file"):
            Recorder.open(path)
    with pytest.raises(BadInput, match="No such file"):
        Recording.open(tmp_path / "none")
    with pytest.raises(BadInput, match="not a regular file"):
        Recorder.open(Path("/dev/null"))


def test_two_never_write_one_file(tmp_path: Path) -> None:
    first = Recorder.open(tmp_path / "r")
    with pytest.raises(BadInput, match="is being recorded to by another process"):
        Recorder.open(tmp_path / "r")
    first.close()
    Recorder.open(tmp_path / "r").close()


def test_a_file_made_for_nothing_is_taken_away_again(tmp_path: Path) -> None:
    Recorder.open(tmp_path / "r").close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_it_goes_on_when_there_is_space(tmp_path: Path) -> None:
    path, moments = tmp_path / "r", steps(60)
    recorder = Recorder.open(path)
    for moment in moments[:20]:
        recorder.add(moment, totals_of(moment))
    with small_disk(path.stat().st_size + 100):
        failed = [_failure(recorder, moment) for moment in moments[20:30]]
    assert failed[-1] == f"{path}: not recorded: File too large"
    written = failed.index(failed[-1])
    assert shows(Recording.open(path), moments[: 20 + written])
    assert Recording.open(path).ends is None
    for moment in moments[40:]:
        recorder.add(moment, totals_of(moment))
    recorder.close()
    assert shows(Recording.open(path), [*moments[: 20 + written], *moments[40:]])


def _failure(recorder: Recorder, moment: Moment) -> str:
    try:
        recorder.add(moment, totals_of(moment))
    except PgtopError as error:
        return str(error)
    return ""


def test_marks_are_kept(tmp_path: Path) -> None:
    recorder = Recorder.open(tmp_path / "r")
    for moment in steps(3):
        recorder.add(moment, totals_of(moment))
        recorder.mark(MARK)
    recorder.close()
    recording = Recording.open(tmp_path / "r")
    assert recording.marks == [MARK] * 3
    assert len(recording.times) == 3


def unpacked(path: Path) -> bytes:
    """Everything in the file, unpacked."""
    found = [path.read_bytes()]
    with path.open("rb") as file:
        unpacker = zlib.decompressobj(-15)
        for frame in frames(file, len(title()), path.stat().st_size):
            payload = getattr(frame, "payload", b"")
            kind = getattr(frame, "kind", None)
            if kind == FrameKind.BLOCK:
                unpacker = zlib.decompressobj(-15)
            elif kind == FrameKind.MOMENT:
                found.append(unpacker.decompress(payload[8:]))
            elif kind == FrameKind.TOTALS:
                found.append(zlib.decompress(payload[2:]))
    return b"".join(found)


def test_masked_literals_are_nowhere_in_the_file(tmp_path: Path) -> None:
    moments = steps(40)
    record(tmp_path / "plain", moments)
    record(tmp_path / "masked", moments, redact=True)
    assert b"nobody 7" in unpacked(tmp_path / "plain")
    assert b"nobody" not in unpacked(tmp_path / "masked")
    recording = Recording.open(tmp_path / "masked")
    assert recording.redacted
    assert recording.moment(7).snapshot.backends[7].query == "SELECT ?"
    assert not Recording.open(tmp_path / "plain").redacted


def test_a_password_is_masked_always(tmp_path: Path) -> None:
    row = make_backend(1, query="ALTER ROLE app PASSWORD 'open sesame'")
    record(tmp_path / "r", [Moment(make_snapshot([row]), ())])
    assert b"sesame" not in unpacked(tmp_path / "r")


def test_it_rotates_by_size_and_keeps_so_many(tmp_path: Path) -> None:
    path, moments = tmp_path / "r", steps(200)
    record(path, moments, rotation=Rotation(size=3000, keep=2))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["r", "r.1", "r.2"]
    times = [list(Recording.open(tmp_path / name).times) for name in ("r.2", "r.1", "r")]
    newest = [moment.snapshot.taken_at for moment in moments][-sum(map(len, times)) :]
    assert list(chain.from_iterable(times)) == newest
    assert all(3000 <= (tmp_path / name).stat().st_size < 6000 for name in ("r.1", "r.2"))


def test_it_rotates_by_age_also_when_it_is_gone_on_with(tmp_path: Path) -> None:
    path, moments = tmp_path / "r", steps(30)
    rotation = Rotation(age_s=20.0, keep=9)
    record(path, moments[:5], rotation=rotation)
    record(path, moments[5:], rotation=rotation)
    assert [len(Recording.open(tmp_path / name).times) for name in ("r.2", "r.1", "r")] == [10, 10, 10]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_any_to_keep_it_begins_anew(tmp_path: Path) -> None:
    record(tmp_path / "r", steps(25), rotation=Rotation(age_s=20.0, keep=0))
    assert [one.name for one in tmp_path.iterdir()] == ["r"]
    assert len(Recording.open(tmp_path / "r").times) == 5


def test_a_file_of_somebody_else_is_never_rotated_away(tmp_path: Path) -> None:
    (tmp_path / "r.2").write_text("a letter")
    with pytest.raises(BadInput, match=r"r\.2 is in the way"):
        Recorder.open(tmp_path / "r", rotation=Rotation(size=3000, keep=2))
    Recorder.open(tmp_path / "r", rotation=Rotation(size=3000, keep=1)).close()


def test_the_new_file_is_locked_too(tmp_path: Path) -> None:
    path = tmp_path / "r"
    recorder = Recorder.open(path, rotation=Rotation(age_s=2.0, keep=1))
    for moment in steps(3):
        recorder.add(moment, totals_of(moment))
    with path.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    recorder.close()


async def test_it_is_a_source_that_refuses_signals(tmp_path: Path) -> None:
    moments = steps(3)
    record(tmp_path / "r", moments)
    recording = Recording.open(tmp_path / "r")
    polled = [await recording.poll() for _ in range(3)]
    assert [snapshot.taken_at for snapshot in polled] == list(recording.times)
    with pytest.raises(PollFailed, match="the recording ends here"):
        await recording.poll()
    (outcome,) = await recording.signal(Action.TERMINATE, [Target.of(polled[0].backends[0])])
    assert (outcome.status, outcome.detail) == (Status.NOT_SENT, "this is a recording")
    assert (await recording.facts()).troubles
    await recording.close()
    await recording.close()


async def test_sessions_are_the_same_objects_from_one_poll_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BLOCK_MOMENTS", 5)
    record(tmp_path / "r", steps(20, sessions=10))
    recording = Recording.open(tmp_path / "r")
    before = await recording.poll()
    for _ in range(19):
        after = await recording.poll()
        assert sum(a is b for a, b in zip(before.backends, after.backends, strict=True)) == 9
        before = after


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full_and_has_space_again(tiny_disk: Path) -> None:
    path, moments = tiny_disk / "r", steps(330)
    recorder = Recorder.open(path)
    for moment in moments[:20]:
        recorder.add(moment, totals_of(moment))
    with suppress(OSError):
        (tiny_disk / "other").write_bytes(bytes(64 * 1024))
    failed = [_failure(recorder, moment) for moment in moments[20:300]]
    assert failed[-1] == f"{path}: not recorded: No space left on device"
    before = moments[:20] + [moment for moment, text in zip(moments[20:300], failed, strict=True) if not text]
    assert shows(Recording.open(path), before)
    (tiny_disk / "other").unlink()
    for moment in moments[310:]:
        recorder.add(moment, totals_of(moment))
    recorder.close()
    recording = Recording.open(path)
    assert shows(recording, [*before, *moments[310:]])
    assert recording.ends is None
