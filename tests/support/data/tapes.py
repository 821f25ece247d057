"""A tape of moments in a list: for screens, which need no file to step through."""

from __future__ import annotations

from collections.abc import Sequence

from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot


class ListTape:
    """Keeps whole moments."""

    def __init__(self, snapshots: Sequence[Snapshot] = ()) -> None:
        self.moments: list[Moment] = []
        self.totals: list[Totals] = []
        self.marks: list[Mark] = []
        self.rested = 0
        for snapshot in snapshots:
            self.take(snapshot)

    def take(self, snapshot: Snapshot, leaks: tuple[Leak, ...] = ()) -> None:
        self.add(Moment(snapshot, leaks), Totals.of(snapshot, SlotBudget.of(snapshot)))

    def add(self, moment: Moment, totals: Totals) -> None:
        self.moments.append(moment)
        self.totals.append(totals)

    def mark(self, mark: Mark) -> None:
        self.marks.append(mark)

    def rest(self) -> None:
        self.rested += 1

    @property
    def times(self) -> list[float]:
        return [one.snapshot.taken_at for one in self.moments]

    def moment(self, index: int) -> Moment:
        return self.moments[index]
