"""Ring: the moments that are kept in memory, every one of the last minutes and ever fewer of what is before.

Each tier is a chain of blocks of its own, written as the polls come in: nothing is ever read again to thin it out.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.recording.block_reader import BlockReader
from pgtop_conn.recording.codec.encoder import LENGTH, Encoder
from pgtop_conn.recording.codec.numbers import Damaged
from pgtop_conn.recording.codec.totals import alike

MEMORY_BYTES = 64 * 2**20
#: Seconds between two moments of a tier, and how long they are kept; the last as long as there is room.
TIERS = ((0.0, 600.0), (10.0, 4 * 3600.0), (60.0, float("inf")))
#: Moments of a block, and bytes of it before they are compressed: what its tables of texts may grow to.
BLOCK_MOMENTS = 512
BLOCK_RAW_BYTES = 2**20
MOST_MARKS = 1000
#: What the totals of a moment take, about.
TOTALS_BYTES = 400
#: A poll is due when it is this much early: no interval is exact.
EARLY_S = 0.5


@dataclass(slots=True)
class _Block:
    """Compressed items, one after another, each behind its length."""

    number: int
    encoder: Encoder | None = field(default_factory=Encoder)
    #: None once the block is complete.
    packer: zlib._Compress | None = field(default_factory=lambda: zlib.compressobj(6, zlib.DEFLATED, -15))
    pieces: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    totals: list[Totals] = field(default_factory=list)
    #: Of each moment, how many polls came before it.
    polls: list[int] = field(default_factory=list)
    #: For how long polls had been seen at its newest moment.
    seen_s: float = 0.0
    raw_size: int = 0
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.times) >= BLOCK_MOMENTS or self.raw_size >= BLOCK_RAW_BYTES

    def add(self, moment: Moment, totals: Totals, poll: int, seen_s: float) -> None:
        assert self.encoder is not None
        assert self.packer is not None
        item = self.encoder.encode(moment)
        self._keep(self.packer.compress(LENGTH.pack(len(item)) + item))
        self.raw_size += len(item)
        self.size += TOTALS_BYTES
        self.times.append(moment.snapshot.taken_at)
        self.totals.append(totals)
        self.polls.append(poll)
        self.seen_s = seen_s

    def complete(self) -> None:
        """Nothing is added any more."""
        assert self.packer is not None
        self._keep(self.packer.flush())
        self.pieces = [b"".join(self.pieces)]
        self.packer = self.encoder = None

    def items(self) -> list[tuple[float, bytes]]:
        """What was added, with its times."""
        packed = b"".join(self.pieces)
        if self.packer is not None:
            packed += self.packer.copy().flush()
        raw = zlib.decompressobj(-15).decompress(packed)
        items, at = [], 0
        for taken_at in self.times:
            (length,) = LENGTH.unpack_from(raw, at)
            at += LENGTH.size
            items.append((taken_at, raw[at : at + length]))
            at += length
        return items

    def _keep(self, piece: bytes) -> None:
        if piece:
            self.pieces.append(piece)
            self.size += len(piece)


class _Tier:
    """A chain of blocks; the last one is open."""

    def __init__(self, every_s: float, kept_s: float, numbers: Iterator[int]) -> None:
        self.every_s = every_s
        self.kept_s = kept_s
        self.blocks: deque[_Block] = deque()
        self._numbers = numbers
        self._last_s: float | None = None

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)

    def add(self, moment: Moment, totals: Totals, poll: int, seen_s: float) -> None:
        """Take the moment in if one is due; `seen_s` never falls."""
        if self._last_s is not None and self.every_s and seen_s - self._last_s < self.every_s - EARLY_S:
            return
        self._last_s = seen_s
        if not self.blocks or self.blocks[-1].full:
            if self.blocks:
                self.blocks[-1].complete()
            self.blocks.append(_Block(next(self._numbers)))
        self.blocks[-1].add(moment, totals, poll, seen_s)
        while len(self.blocks) > 1 and seen_s - self.blocks[0].seen_s > self.kept_s:
            self.blocks.popleft()


@dataclass(frozen=True, slots=True)
class _Kept:
    """All that is kept, oldest first: where it is, and what can be told without unpacking it."""

    places: list[tuple[_Block, int]]
    times: list[float]
    totals: list[Totals]


class Ring:
    """A Tape in memory. `add()` each poll; it takes at most `memory` bytes, of which the oldest give way."""

    def __init__(self, memory: int = MEMORY_BYTES) -> None:
        self._memory = memory
        numbers = count()
        self._tiers = [_Tier(every_s, kept_s, numbers) for every_s, kept_s in TIERS]
        self._marks: deque[Mark] = deque(maxlen=MOST_MARKS)
        self._last: Totals | None = None
        self._polls = 0
        #: Seconds that polls were seen for: the server's clock may be put back, by a failover to another one.
        self._seen_s = 0.0
        self._player = BlockReader(self._items_of)
        #: What `times` and the others give, until the next moment.
        self._kept: _Kept | None = None

    def add(self, moment: Moment, totals: Totals) -> None:
        """Keep one poll; `totals` are those of its snapshot."""
        if self._last is not None:
            self._seen_s += max(0.0, totals.at - self._last.at)
        totals = self._last = _sharing(totals, self._last)
        for tier in self._tiers:
            tier.add(moment, totals, self._polls, self._seen_s)
        self._polls += 1
        self._kept = None
        while self.size > self._memory and self._drop_oldest():
            pass

    def mark(self, mark: Mark) -> None:
        """Keep a signal that was sent."""
        self._marks.append(mark)

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(tier.size for tier in self._tiers)

    @property
    def times(self) -> Sequence[float]:
        """Server time of each kept moment, in the order of the polls; the last one is the newest."""
        return self._now().times

    @property
    def totals(self) -> Sequence[Totals]:
        """One of each kept moment, in the same order."""
        return self._now().totals

    @property
    def marks(self) -> Sequence[Mark]:
        """The newest, in the order of time."""
        return list(self._marks)

    def moment(self, index: int) -> Moment:
        """The moment at `times[index]`. Raises IndexError."""
        block, place = self._now().places[index]
        try:
            return self._player.moment(block.number, place)
        except Damaged as error:
            raise PgtopError(f"this moment can't be shown: {error}") from None

    def rest(self) -> None:
        """Give back the memory that looking back has taken; for when the screen is live again."""
        self._player.forget()

    def _now(self) -> _Kept:
        """Of each tier what is older than anything in the tier before it."""
        if self._kept is None:
            kept: list[list[tuple[_Block, int]]] = []
            since = self._polls
            for tier in self._tiers:
                moments = [(block, place) for block in tier.blocks for place in range(len(block.times))]
                kept.append([(block, place) for block, place in moments if block.polls[place] < since])
                since = min((since, *(block.polls[0] for block in tier.blocks)))
            places = list(chain.from_iterable(reversed(kept)))
            self._kept = _Kept(
                places,
                [block.times[place] for block, place in places],
                [block.totals[place] for block, place in places],
            )
        return self._kept

    def _items_of(self, number: int) -> Sequence[tuple[float, bytes]]:
        return next(block for tier in self._tiers for block in tier.blocks if block.number == number).items()

    def _drop_oldest(self) -> bool:
        """Whether there was a block that may go: each tier keeps the one that it writes."""
        for tier in reversed(self._tiers):
            if len(tier.blocks) > 1:
                tier.blocks.popleft()
                return True
        return False


def _sharing(totals: Totals, before: Totals | None) -> Totals:
    """The same, with the counts of the poll before where they are equal, as most are."""
    if before is None:
        return totals
    return replace(
        totals,
        states=before.states if alike(before.states, totals.states) else totals.states,
        apps=before.apps if alike(before.apps, totals.apps) else totals.apps,
        limits=before.limits if alike(before.limits, totals.limits) else totals.limits,
    )
