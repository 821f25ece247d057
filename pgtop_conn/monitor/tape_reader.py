"""TapeReader: a recording whose totals are read ahead, a few at a time, so that no key waits for a day of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Tape, Totals

#: Totals that are read between two looks at the keyboard.
AT_ONCE = 64
NOTHING = Totals(0.0, 0, False, 0, 0, 0, {}, {}, {}, None, 0, None)


class TapeReader:
    """A Tape on one that does not grow. Totals that can't be read are those before them."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._read: list[Totals] = []

    @property
    def times(self) -> Sequence[float]:
        return self._tape.times

    @property
    def marks(self) -> Sequence[Mark]:
        return self._tape.marks

    @property
    def totals(self) -> Sequence[Totals]:
        """All of them; those that were not read yet are read now."""
        self._read_on(len(self.times))
        return self._read

    def moment(self, index: int) -> Moment:
        return self._tape.moment(index)

    async def read_ahead(self) -> None:
        """Read every total while nothing else is to be done."""
        while len(self._read) < len(self.times):
            self._read_on(AT_ONCE)
            await asyncio.sleep(0)

    def _read_on(self, most: int) -> None:
        totals, times = self._tape.totals, self.times
        for index in range(len(self._read), min(len(self._read) + most, len(times))):
            try:
                self._read.append(totals[index])
            except PgtopError:
                self._read.append(replace(self._read[-1] if self._read else NOTHING, at=times[index]))
