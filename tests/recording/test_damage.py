"""Damaged recordings: what is good is shown, what is missing is said, and no bytes make it fail in another way."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.recording import recorder as writer
from pgtop_conn.recording.codec import framing
from pgtop_conn.recording.codec.framing import HEAD, TIME, FrameKind, frame, title
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from tests.recording.test_file import MARK, record, steps
from tests.support.data.factories import NOW
from tests.support.data.moments import same, totals_of

BLOCK = 5
MOMENTS = steps(20, sessions=8)
TIMES = [moment.snapshot.taken_at for moment in MOMENTS]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a recording of four blocks."""
    path = tmp_path_factory.mktemp("whole") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "BLOCK_MOMENTS", BLOCK)
        patch.setattr(writer, "TOTALS_EVERY", 3)
        recorder = Recorder.open(path)
        for moment in MOMENTS:
            recorder.add(moment, totals_of(moment))
        recorder.mark(MARK)
        recorder.close()
    return path.read_bytes()


def looked_through(path: Path) -> Recording:
    """Everything of it, read once."""
    recording = Recording.open(path)
    for index in (*range(len(recording.times)), 0):
        with suppress(PgtopError):
            recording.moment(index)
            assert recording.totals[index]
    return recording


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_damage_gives_a_shorter_recording_or_one_line(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        kind = data.draw(st.sampled_from(("flip", "cut", "insert", "drop")))
        if kind == "flip" and at < len(raw):
            raw[at] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del raw[at:]
        elif kind == "insert":
            raw[at:at] = data.draw(st.one_of(st.binary(max_size=40), st.just(framing.MAGIC)))
        else:
            del raw[at : at + data.draw(st.integers(1, 300))]
    path = tmp_path_factory.mktemp("d") / "r"
    path.write_bytes(raw)
    try:
        recording = looked_through(path)
    except BadInput:
        return
    assert set(recording.times) <= set(TIMES)
    for index, taken_at in enumerate(recording.times):
        assert same(recording.moment(index), MOMENTS[TIMES.index(taken_at)])


def offsets(raw: bytes, kind: FrameKind) -> list[int]:
    """Where frames of this kind begin."""
    found, at = [], len(title())
    while at < len(raw):
        _magic, its_kind, length, _crc = HEAD.unpack_from(raw, at)
        if its_kind == kind:
            found.append(at)
        at += HEAD.size + length
    return found


def test_a_cut_shows_what_was_before_and_says_where_it_ends(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r"
    cut = offsets(whole, FrameKind.MOMENT)[12] + 20
    path.write_bytes(whole[:cut])
    recording = looked_through(path)
    assert list(recording.times) == TIMES[:12]
    assert recording.ends == (
        f"damaged or cut off after 2026-03-01 12:00:22 UTC, at byte {cut - 20}:"
        " 20 bytes can't be read, and it ends there"
    )


def test_what_is_behind_a_damaged_block_is_found(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r"
    raw = bytearray(whole)
    raw[offsets(whole, FrameKind.MOMENT)[7] + 30] ^= 0xFF
    path.write_bytes(raw)
    recording = looked_through(path)
    assert list(recording.times) == TIMES[:7] + TIMES[10:]
    assert recording.ends is not None
    assert recording.ends.startswith("damaged or cut off after 2026-03-01 12:00:12 UTC, at byte ")
    assert recording.ends.endswith("it goes on at 2026-03-01 12:00:20 UTC")
    assert [one.at for one in recording.totals] == list(recording.times)


def test_a_moment_that_is_missing_is_seen(whole: bytes, tmp_path: Path) -> None:
    begin, end = offsets(whole, FrameKind.MOMENT)[1:3]
    (tmp_path / "r").write_bytes(whole[:begin] + whole[end:])
    assert list(looked_through(tmp_path / "r").times) == TIMES[:1] + TIMES[5:]


def test_a_block_whose_beginning_is_damaged_is_left_out(whole: bytes, tmp_path: Path) -> None:
    raw = bytearray(whole)
    raw[offsets(whole, FrameKind.BLOCK)[2]] ^= 1
    (tmp_path / "r").write_bytes(raw)
    assert list(looked_through(tmp_path / "r").times) == TIMES[:10] + TIMES[15:]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(300 * 2**20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    begin, crc = frame(FrameKind.BLOCK, b"{}")
    bomb, _ = frame(FrameKind.MOMENT, TIME.pack(NOW) + piece, crc)
    (tmp_path / "r").write_bytes(title() + begin + bomb)
    recording = Recording.open(tmp_path / "r")
    with pytest.raises(PgtopError, match="can't be read"):
        recording.moment(0)
    with pytest.raises(PgtopError, match="can't be read"):
        recording.totals[0]


@pytest.mark.parametrize("lie", [HEAD.pack(framing.MAGIC, FrameKind.MOMENT, 3_000_000, 0), framing.MAGIC])
def test_lengths_that_lie_do_not_make_it_slow(tmp_path: Path, lie: bytes) -> None:
    record(tmp_path / "r", MOMENTS)
    with (tmp_path / "r").open("ab") as file:
        file.write(lie * (4_000_000 // len(lie)))
    assert list(Recording.open(tmp_path / "r").times) == TIMES


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 1e300, -1e300])
def test_times_that_are_none(whole: bytes, tmp_path: Path, at: float) -> None:
    begin, crc = frame(FrameKind.BLOCK, b"[" * 9000)
    moment, _ = frame(FrameKind.MOMENT, struct.pack("<d", at) + b"\3\0", crc)
    mark, _ = frame(FrameKind.MARK, b'[1e999,"",1,"","","",""]')
    (tmp_path / "r").write_bytes(whole + begin + moment + mark)
    recording = looked_through(tmp_path / "r")
    assert list(recording.times)[:20] == TIMES
    assert recording.marks == [MARK]
