"""Recording: a recording file as a Tape and as a Source; whatever is damaged is left out, and `ends` says so.

Opening reads each frame once and unpacks none; a moment unpacks its block, at most the items before it.
"""

from __future__ import annotations

import json
import os
import struct
import weakref
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import BinaryIO, overload

from pgtop_conn import private_files
from pgtop_conn.model.errors import BadInput, PgtopError, PollFailed
from pgtop_conn.model.facts import Facts
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.recording.block_reader import BlockReader
from pgtop_conn.recording.codec.encoder import LENGTH
from pgtop_conn.recording.codec.framing import HEAD, ITEM_MOST, TIME, FileFrame, FrameKind, Gap, check_title, frames
from pgtop_conn.recording.codec.numbers import Damaged
from pgtop_conn.recording.codec.totals import mark_unpacked, totals_count, totals_unpacked
from pgtop_conn.view.format import iso

THIS_IS_A_RECORDING = "this is a recording"
#: All items of a block together: a recorder ends it at 2 MiB, before the next one.
BLOCK_MOST = ITEM_MOST + 4 * 2**20
#: Moments of a block are fewer.
BLOCK_MOMENTS_MOST = 2**32
#: Bytes of JSON beside the moments: what a block is about.
ABOUT_MOST = 2**16
#: Moments whose totals are packed together are no more.
TOTALS_MOST = 256

_Unpack = Callable[[int], Sequence[Totals]]


class Recording:
    """Opened with Recording.open(), also by `with`. poll() gives one moment after the other, from `position` on."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        #: The index of the moment that the next poll() gives.
        self.position = 0
        #: None where the file is whole; else a sentence that says what is missing, from what time and byte on.
        self.ends: str | None = None
        #: Whether literals were masked in any of it.
        self.redacted = False
        self._descriptor = descriptor
        self._closer = weakref.finalize(self, os.close, descriptor)
        self._times = array("d")
        #: Of each moment: where the piece of its block's stream is, and how long.
        self._offsets, self._lengths = array("Q"), array("Q")
        #: Of each block: its first moment.
        self._blocks: list[int] = []
        #: Of each packed series of totals: its first moment, and where it is.
        self._packed: dict[int, tuple[int, int, int]] = {}
        self._marks: list[Mark] = []
        #: Of a block, its first moment that is known to be damaged.
        self._unreadable: dict[int, int] = {}
        self._player = BlockReader(self._items_of)
        self._totals = _Series(self._times, self._packed, self._totals_from)

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Read what is there. Raises BadInput for what is no recording, of another version, or has no moment."""
        try:
            with private_files.open_to_read(path) as file:
                recording = cls(path, os.dup(file.fileno()))
                recording._read(file)
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror or error}") from None
        return recording

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def times(self) -> Sequence[float]:
        """Server time of each moment, in the order of the file."""
        return self._times

    @property
    def totals(self) -> Sequence[Totals]:
        """One of each moment, unpacked when they are asked for."""
        return self._totals

    @property
    def marks(self) -> Sequence[Mark]:
        """In the order of the file."""
        return self._marks

    def moment(self, index: int) -> Moment:
        """The moment at `times[index]`. Raises PgtopError where it makes no sense, and IndexError."""
        place = range(len(self._times))[index]
        block = bisect_right(self._blocks, place) - 1
        within = place - self._blocks[block]
        try:
            # What can't be read hides all that follows in its block, which need not be unpacked to find that out.
            if within >= self._unreadable.get(block, BLOCK_MOMENTS_MOST):
                raise Damaged("what is before it is damaged")
            return self._player.moment(block, within)
        except (Damaged, IndexError) as error:
            self._unreadable[block] = min(within, self._unreadable.get(block, within))
            raise self._unread(place, error) from None
        except OSError as error:
            raise self._unread(place, error) from None

    def _unread(self, place: int, error: Exception) -> PgtopError:
        return PgtopError(f"{self.path}: the moment of {_told(self._times[place])} can't be read: {error}")

    async def poll(self) -> Snapshot:
        """The next moment's snapshot. Raises PollFailed where the recording ends."""
        if self.position >= len(self._times):
            raise PollFailed("the recording ends here")
        moment = self.moment(self.position)
        self.position += 1
        return moment.snapshot

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """Nothing is sent."""
        return [Outcome(target, Status.NOT_SENT, THIS_IS_A_RECORDING) for target in targets]

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Nobody here needs to know."""

    async def facts(self) -> Facts:
        """A recording holds none."""
        at = self._times[max(0, min(self.position, len(self._times)) - 1)]
        return Facts(
            at=at,
            refused_unknown=THIS_IS_A_RECORDING,
            memory_unknown=THIS_IS_A_RECORDING,
            troubles=("a recording holds no settings, no refused logins and nothing of the host",),
        )

    async def close(self) -> None:
        """Close the file; safe to call twice."""
        self._close()

    def _close(self) -> None:
        self._closer()
        self._descriptor = -1
        self._player.forget()

    def _read(self, file: BinaryIO) -> None:
        size = os.fstat(self._descriptor).st_size
        begin = check_title(file.read(256), str(self.path))
        gaps: list[tuple[Gap, int]] = []
        reading = _Reading()
        for found in frames(file, begin, size):
            if isinstance(found, Gap):
                gaps.append((found, len(self._times)))
                reading.broken = True
            elif found.kind == FrameKind.MARK:
                self._take_mark(found)
            elif found.kind == FrameKind.BLOCK:
                reading = _Reading(broken=False)
                self._redacted(found)
                self._blocks.append(len(self._times))
            elif not reading.broken and found.kind == FrameKind.MOMENT:
                self._take_moment(found, reading)
            elif not reading.broken:
                self._take_totals(found, reading)
        if not self._times:
            raise BadInput(f"{self.path} holds no moment that can be read")
        # A block without a moment would be found in place of the one that holds it.
        ends = [*self._blocks[1:], len(self._times)]
        self._blocks = [first for first, end in zip(self._blocks, ends, strict=True) if first < end]
        self.ends = self._ends(gaps)

    def _take_moment(self, found: FileFrame, reading: _Reading) -> None:
        (at,) = TIME.unpack_from(found.payload)
        if not isfinite(at):
            reading.broken = True
            return
        self._times.append(at)
        self._offsets.append(found.offset + HEAD.size + TIME.size)
        self._lengths.append(len(found.payload) - TIME.size)
        reading.without_totals += 1

    def _take_totals(self, found: FileFrame, reading: _Reading) -> None:
        if totals_count(found.payload) == reading.without_totals <= TOTALS_MOST:
            first = len(self._times) - reading.without_totals
            self._packed[first] = (reading.without_totals, found.offset + HEAD.size, len(found.payload))
        reading.without_totals = 0

    def _take_mark(self, found: FileFrame) -> None:
        try:
            self._marks.append(mark_unpacked(found.payload))
        except Damaged:
            return

    def _redacted(self, found: FileFrame) -> None:
        if len(found.payload) > ABOUT_MOST:
            return
        try:
            about = json.loads(found.payload)
        except (ValueError, RecursionError):
            return
        self.redacted |= isinstance(about, dict) and about.get("redacted") is True

    def _ends(self, gaps: Sequence[tuple[Gap, int]]) -> str | None:
        if not gaps:
            return None
        (gap, moments) = gaps[0]
        missing = sum(gap.length for gap, _ in gaps)
        after = f"after {_told(self._times[moments - 1])}" if moments else "at its beginning"
        text = f"damaged or cut off {after}, at byte {gap.offset}: {missing} bytes can't be read"
        if moments < len(self._times):
            return f"{text}; it goes on at {_told(self._times[moments])}"
        return f"{text}, and it ends there"

    def _items_of(self, block: int) -> Sequence[tuple[float, bytes]]:
        """The items of a block as far as they can be unpacked."""
        first = self._blocks[block]
        last = self._blocks[block + 1] if block + 1 < len(self._blocks) else len(self._times)
        unpacker, left = zlib.decompressobj(-15), BLOCK_MOST
        items: list[tuple[float, bytes]] = []
        for place in range(first, last):
            piece = os.pread(self._descriptor, self._lengths[place], self._offsets[place])
            try:
                raw = unpacker.decompress(piece, min(left, ITEM_MOST + LENGTH.size))
                (length,) = LENGTH.unpack_from(raw)
            except (zlib.error, struct.error):
                break
            if length != len(raw) - LENGTH.size or unpacker.unconsumed_tail:
                break
            left -= len(raw)
            items.append((self._times[place], raw[LENGTH.size :]))
            if left <= 0:
                break
        return items

    def _totals_from(self, first: int) -> list[Totals]:
        """The totals that are packed from this moment on; those of one moment are added up where none are."""
        count, offset, length = self._packed.get(first, (0, 0, 0))
        if count:
            try:
                return totals_unpacked(os.pread(self._descriptor, length, offset))
            except (Damaged, OSError):
                del self._packed[first]
        snapshot = self.moment(first).snapshot
        return [Totals.of(snapshot, SlotBudget.of(snapshot))]


class _Series(Sequence[Totals]):
    """The totals of every moment, each unpacked once, with those that it was packed with."""

    def __init__(self, times: Sequence[float], packed: Mapping[int, tuple[int, int, int]], unpacked: _Unpack) -> None:
        self._times = times
        self._packed = packed
        self._unpacked = unpacked
        self._known: dict[int, Totals] = {}

    def __len__(self) -> int:
        return len(self._times)

    @overload
    def __getitem__(self, index: int) -> Totals: ...

    @overload
    def __getitem__(self, index: slice) -> list[Totals]: ...

    def __getitem__(self, index: int | slice) -> Totals | list[Totals]:
        if isinstance(index, slice):
            return [self._one(place) for place in range(len(self))[index]]
        return self._one(range(len(self))[index])

    def _one(self, place: int) -> Totals:
        if place not in self._known:
            first = place
            while first > place - TOTALS_MOST and first not in self._packed and first >= 0:
                first -= 1
            if first not in self._packed or first + self._packed[first][0] <= place:
                first = place
            for later, totals in enumerate(self._unpacked(first), first):
                self._known.setdefault(later, totals)
            if place not in self._known:
                # They were damaged, and only the first of them was added up.
                return self._one(place)
        return self._known[place]


@dataclass(slots=True)
class _Reading:
    """Where reading is in a block; `broken` until the next one begins."""

    broken: bool = True
    #: Moments since the last totals.
    without_totals: int = 0


def _told(at: float) -> str:
    """A time in words; one that no calendar has is a number."""
    try:
        return f"{iso(at)[:19].replace('T', ' ')} UTC"
    except (OverflowError, ValueError, OSError):
        return f"second {at:g}"
