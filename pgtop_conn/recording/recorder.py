"""Recorder: writes moments to a recording file, each one at once, so that a crash loses none that was added.

A write that fails leaves the file as it was before; what follows is tried again every few seconds and begins a block of
its own. A recording that is there already is gone on with. Two recorders never write one file.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.redaction.literals import shown
from pgtop_conn.recording.codec.encoder import LENGTH, Encoder
from pgtop_conn.recording.codec.framing import HEAD, ITEM_MOST, TIME, FrameKind, check_title, frame, title
from pgtop_conn.recording.codec.totals import mark_packed, totals_packed
from pgtop_conn.recording.rotation import NEVER, Rotation, in_the_way, rotate

log = logging.getLogger(__name__)

#: Moments of a block: what damage may take away. See benchmarks/recording.py for what both limits cost.
BLOCK_MOMENTS = 512
#: Bytes of a block before they are compressed: what has to be read to show its last moment.
BLOCK_RAW_BYTES = 2 * 2**20
#: Moments whose totals are written together: so many are added up anew when a recording was cut off.
TOTALS_EVERY = 32
#: Seconds of the server's time until a write that failed is tried again.
RETRY_S = 5.0
#: Level 9 takes twice the time of 6 for 1 % less.
LEVEL = 6


@dataclass(slots=True)
class _Block:
    """The block that is being written, and what its next frame goes on from."""

    encoder: Encoder
    packer: zlib._Compress = field(default_factory=lambda: zlib.compressobj(LEVEL, zlib.DEFLATED, -15))
    crc: int = 0
    moments: int = 0
    raw_size: int = 0
    #: Of the moments since the last totals were written.
    totals: list[Totals] = field(default_factory=list)


class Recorder:
    """Opened with Recorder.open(). `add()` each poll, `mark()` each signal, `close()` at the end."""

    def __init__(self, path: Path, descriptor: int, *, redact: bool, rotation: Rotation) -> None:
        self.path = path
        self.redact = redact
        #: Moments that were written, and the bytes that they took.
        self.moments = self.bytes = 0
        self._descriptor = descriptor
        self._rotation = rotation
        self._text_of: Callable[[str], str] = partial(shown, redact=redact)
        self._block: _Block | None = None
        self._size = os.fstat(descriptor).st_size
        self._created = self._size == 0
        #: When the file's first moment was, by the server's clock.
        self._began_at: float | None = None
        self._failure: tuple[float, str] | None = None
        self._not_rotated_until = 0.0

    @classmethod
    def open(cls, path: Path, *, redact: bool = False, rotation: Rotation = NEVER) -> Recorder:
        """Begin a recording, readable by its owner alone, or go on with one. Raises BadInput.

        Literals of query texts are masked with `redact`, and whole statements that may hold a password always.
        """
        if other := in_the_way(path, rotation):
            raise BadInput(f"{other} is in the way of older files of {path}: it is not a recording")
        descriptor = _opened(path)
        try:
            recorder = cls(path, descriptor, redact=redact, rotation=rotation)
            recorder._begin_file()
        except BaseException:
            os.close(descriptor)
            raise
        return recorder

    def add(self, moment: Moment, totals: Totals) -> None:
        """Write one poll; `totals` are those of its snapshot.

        Raises PgtopError where it could not be written; the next one may be. Nothing that was written before is lost.
        """
        at = moment.snapshot.taken_at
        if not isfinite(at):
            raise PgtopError(f"{self.path}: not recorded: the server gives no time")
        if self._failure is not None and 0 <= at - self._failure[0] < RETRY_S:
            raise PgtopError(self._failure[1])
        try:
            self._rotate_if_due(at)
            self._add(moment, totals)
        except OSError as error:
            self._block = None
            self._failure = (at, f"{self.path}: not recorded: {error.strerror or error}")
            raise PgtopError(self._failure[1]) from None
        self._failure = None
        self.moments += 1

    def mark(self, mark: Mark) -> None:
        """Write down a signal that was sent. Raises PgtopError."""
        try:
            self._write(frame(FrameKind.MARK, mark_packed(mark))[0])
        except OSError as error:
            raise PgtopError(f"{self.path}: not recorded: {error.strerror or error}") from None

    def close(self) -> None:
        """Finish the block; safe to call twice. A file that was made for nothing is taken away again."""
        if self._descriptor < 0:
            return
        with suppress(OSError):
            self._end_block()
        if self._created and not self.bytes:
            with suppress(OSError):
                # Nobody else's file that has been put in its place.
                if os.path.samestat(os.fstat(self._descriptor), self.path.lstat()):
                    self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1

    def _begin_file(self) -> None:
        """Write the first line, or check that of a recording that is there."""
        begin = os.pread(self._descriptor, 4096, 0)
        if len(begin) < len(title()) and title().startswith(begin):
            # Empty, or cut off within its first line.
            try:
                os.ftruncate(self._descriptor, 0)
                os.write(self._descriptor, title())
            except OSError as error:
                raise BadInput(f"{self.path}: {error.strerror or error}") from None
            self._size = len(title())
            return
        self._began_at = _first_time(begin[check_title(begin, str(self.path)) :])

    def _add(self, moment: Moment, totals: Totals) -> None:
        block = self._block
        if block is None or block.moments >= BLOCK_MOMENTS or block.raw_size >= BLOCK_RAW_BYTES:
            self._end_block()
            block = self._begin_block(moment.snapshot.taken_at)
        # Until it is written, what the encoder remembers is not what a reader would.
        self._block = None
        item = block.encoder.encode(moment)
        if len(item) > ITEM_MOST:
            raise OSError("there is too much of it")
        piece = block.packer.compress(LENGTH.pack(len(item)) + item) + block.packer.flush(zlib.Z_SYNC_FLUSH)
        raw, block.crc = frame(FrameKind.MOMENT, TIME.pack(moment.snapshot.taken_at) + piece, block.crc)
        self._write(raw)
        self._block = block
        block.moments += 1
        block.raw_size += len(item)
        block.totals.append(totals)
        if len(block.totals) >= TOTALS_EVERY:
            self._write_totals(block)

    def _begin_block(self, at: float) -> _Block:
        about = json.dumps({"at": at, "redacted": self.redact}).encode()
        raw, crc = frame(FrameKind.BLOCK, about)
        self._write(raw)
        if self._began_at is None:
            self._began_at = at
        return _Block(Encoder(self._text_of), crc=crc)

    def _end_block(self) -> None:
        if self._block is not None:
            self._write_totals(self._block)
            self._block = None

    def _write_totals(self, block: _Block) -> None:
        if block.totals:
            self._write(frame(FrameKind.TOTALS, totals_packed(block.totals))[0])
            block.totals.clear()

    def _write(self, raw: bytes) -> None:
        """All of it or nothing. Raises OSError."""
        try:
            left = memoryview(raw)
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(raw)
        self.bytes += len(raw)

    def _rotate_if_due(self, at: float) -> None:
        """Go on in a new file where this one is large or old enough; where that can't be, in this one."""
        if self._began_at is None or at < self._not_rotated_until:
            return
        if not self._rotation.is_due(self._size, at - self._began_at):
            return
        self._end_block()
        try:
            rotate(self.path, self._rotation)
            descriptor = _opened(self.path)
        except (OSError, BadInput) as error:
            log.warning("recording %s: not rotated: %s", self.path, error)
            self._not_rotated_until = at + 60.0
            return
        os.close(self._descriptor)
        self._descriptor, self._size, self._began_at = descriptor, 0, None
        self._write(title())


def _opened(path: Path) -> int:
    """The file, ours alone to write. Raises BadInput."""
    try:
        descriptor = private_files.append(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BadInput(f"{path} is being recorded to by another process") from None
    except OSError as error:
        # Some network file systems have no locks.
        log.warning("recording %s: not locked: %s", path, error)
    return descriptor


def _first_time(begin: bytes) -> float | None:
    """When a recording began, as its first block says; None where that can't be read."""
    try:
        _magic, kind, length, _crc = HEAD.unpack_from(begin)
        about = json.loads(begin[HEAD.size : HEAD.size + length]) if kind == FrameKind.BLOCK else {}
        return float(about["at"])
    except (ValueError, TypeError, LookupError, RecursionError, struct.error):
        return None
