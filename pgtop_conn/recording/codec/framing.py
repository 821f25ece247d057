"""The grammar of a recording: a line that says what the file is, then frames, each with its length and its checksum.

    BLOCK    JSON: the time it begins, whether texts are masked. Starts one deflate stream
    MOMENT   its time (float), then the next piece of the block's stream, flushed: an item behind its length (32 bits)
    TOTALS   how many moments before it in the block (16 bits), then their totals, packed
    MARK     JSON: a signal that was sent

The checksum of a moment goes on from that of the moment before it, or of its block: one that is missing is seen.
Whatever the bytes are, reading takes time in proportion to the file, and no more memory than one frame may have.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from pgtop_conn.model.errors import BadInput

VERSION = 1
TITLE = b"pgtop-conn recording "
#: Longer first lines are none of ours.
_TITLE_MOST = 40
MAGIC = b"\xabP\xbbG"
HEAD = struct.Struct("<4sBII")
TIME = struct.Struct("<d")
#: A frame is at most so long, and a frame's item when it is unpacked.
FRAME_MOST = 32 * 2**20
ITEM_MOST = 64 * 2**20
#: Bytes, beside those of the file twice over, that are read in vain before what follows is given up: lengths may lie.
_WASTE_MOST = 256 * 2**20
#: What is searched for the next frame at once: most are near.
_CHUNK_LEAST, _CHUNK_MOST = 2**10, 2**16


class FrameKind(IntEnum):
    """What a frame holds."""

    BLOCK = 1
    MOMENT = 2
    TOTALS = 3
    MARK = 4


_KINDS = frozenset(FrameKind)


@dataclass(frozen=True, slots=True)
class FileFrame:
    """A whole frame; `offset` is where it begins."""

    kind: FrameKind
    offset: int
    payload: bytes
    crc: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that are no whole frame."""

    offset: int
    length: int


def title() -> bytes:
    """The first line of a recording."""
    return TITLE + b"%d\n" % VERSION


def check_title(begin: bytes, name: str) -> int:
    """The length of the first line. Raises BadInput for what is no recording, or one of another version."""
    line, newline, _ = begin[:_TITLE_MOST].partition(b"\n")
    version = line.removeprefix(TITLE)
    if not newline or version == line or not version.isdigit():
        raise BadInput(f"{name} is not a recording of pgtop-conn")
    if int(version) != VERSION:
        raise BadInput(
            f"{name} is a recording of format {int(version)}; this version of pgtop-conn knows format {VERSION}"
        )
    return len(line) + 1


def frame(kind: FrameKind, payload: bytes, before: int = 0) -> tuple[bytes, int]:
    """The frame, and its checksum; `before` is the checksum that a moment's goes on from."""
    crc = _checksum(kind, payload, before)
    return HEAD.pack(MAGIC, kind, len(payload), crc) + payload, crc


def _checksum(kind: int, payload: bytes, before: int) -> int:
    return zlib.crc32(payload, zlib.crc32(bytes((kind,)), before))


def frames(file: BinaryIO, begin: int, size: int) -> Iterator[FileFrame | Gap]:
    """Whole frames of the file from `begin` to `size`, and what is between them."""
    at, chained, wasted, gap_at = begin, 0, 0, -1
    most = _WASTE_MOST + 2 * size
    file.seek(at)
    while at < size:
        found = _frame(file, at, size, chained) if wasted < most else 0
        if isinstance(found, FileFrame):
            if gap_at >= 0:
                yield Gap(gap_at, at - gap_at)
                gap_at = -1
            if found.kind in (FrameKind.BLOCK, FrameKind.MOMENT):
                chained = found.crc
            yield found
            at += HEAD.size + len(found.payload)
            continue
        wasted += found
        if gap_at < 0:
            gap_at = at
        at, searched = _next_magic(file, at + 1, size) if wasted < most else (size, 0)
        wasted += searched
        file.seek(at)
    if gap_at >= 0:
        yield Gap(gap_at, size - gap_at)


def _frame(file: BinaryIO, at: int, size: int, chained: int) -> FileFrame | int:
    """The frame that begins here, or how many bytes were read to find that there is none."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return len(head)
    magic: bytes
    kind: int
    length: int
    crc: int
    magic, kind, length, crc = HEAD.unpack(head)
    if magic != MAGIC or kind not in _KINDS or length > min(FRAME_MOST, size - at - HEAD.size):
        return HEAD.size
    payload = file.read(length)
    if _checksum(kind, payload, chained if kind == FrameKind.MOMENT else 0) != crc:
        return HEAD.size + length
    if kind == FrameKind.MOMENT and length < TIME.size:
        return HEAD.size + length
    return FileFrame(FrameKind(kind), at, payload, crc)


def _next_magic(file: BinaryIO, at: int, size: int) -> tuple[int, int]:
    """Where the next frame may begin, or the end of the file where none does; and how many bytes were searched."""
    length, searched = _CHUNK_LEAST, 0
    while at < size:
        file.seek(at)
        chunk = file.read(length)
        searched += len(chunk)
        found = chunk.find(MAGIC)
        if found >= 0:
            return at + found, searched
        if len(chunk) < len(MAGIC):
            break
        at += len(chunk) - len(MAGIC) + 1
        length = min(length * 2, _CHUNK_MOST)
    return size, searched
