"""BlockReader: any moment of a chain of blocks, made of the items before it in its block; a step either way is cheap.

Sessions that are the same in one moment and the next one asked for are the same objects, as they are in live polls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.snapshot import Backend
from pgtop_conn.recording.codec.decoder import Decoder, State, moment_of
from pgtop_conn.recording.codec.rows import Row

#: Between two places in a block from where reading can go on without what is before.
STOP_EVERY = 16


@dataclass(frozen=True, slots=True)
class _Stop:
    """A place in a block: how many items were read, and what was known then."""

    count: int
    state: State
    lengths: tuple[int, ...]


class BlockReader:
    """`items_of(block)` gives the times and items of a block; a block that still grows is asked for again."""

    def __init__(self, items_of: Callable[[int], Sequence[tuple[float, bytes]]]) -> None:
        self._items_of = items_of
        self._block: int | None = None
        self._items: Sequence[tuple[float, bytes]] = ()
        self._decoder = Decoder()
        self._count = 0
        self._stops: list[_Stop] = []
        self._made: dict[int, tuple[Row, Backend]] = {}
        self._last: Moment | None = None

    def moment(self, block: int, place: int) -> Moment:
        """The moment at this place of the block. Raises Damaged, or IndexError where there is none."""
        try:
            self._go_to(block, place)
            moment = moment_of(self._decoder.state, self._made, self._last.snapshot if self._last else None)
        except BaseException:
            self.forget()
            raise
        rows = self._decoder.state.rows
        self._made = {id(row): (row, one) for row, one in zip(rows, moment.snapshot.backends, strict=True)}
        self._last = moment
        return moment

    def forget(self) -> None:
        """Give the memory back: what was read of the block, and what was made of it."""
        self.__init__(self._items_of)  # type: ignore[misc]

    def _go_to(self, block: int, place: int) -> None:
        if block != self._block:
            self._block, self._items = block, self._items_of(block)
            self._decoder, self._count, self._stops = Decoder(), 0, []
        elif place >= len(self._items):
            self._items = self._items_of(block)
        if not 0 <= place < len(self._items):
            raise IndexError(place)
        if place < self._count - 1:
            self._go_back(place)
        while self._count <= place:
            taken_at, item = self._items[self._count]
            self._decoder.apply(taken_at, item)
            self._count += 1
            if self._count % STOP_EVERY == 0 and (not self._stops or self._stops[-1].count < self._count):
                self._stops.append(_Stop(self._count, self._decoder.state, self._decoder.tables.lengths()))

    def _go_back(self, place: int) -> None:
        stop = next((one for one in reversed(self._stops) if one.count <= place + 1), None)
        if stop is None:
            self._decoder, self._count = Decoder(), 0
            return
        self._decoder.state = stop.state
        self._decoder.tables.cut(stop.lengths)
        self._count = stop.count
