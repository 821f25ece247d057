"""Observation: what the polls of one server say together: its history, the habits of its applications, its leaks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from pgtop_conn.model.habits import Habits
from pgtop_conn.model.history import History
from pgtop_conn.model.leaks import Leak, find_leaks
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Backend, Snapshot

Counter = Callable[[Sequence[Backend]], Mapping[Hashable, int]]


class Observation:
    """`counts` gives the sessions of every group (view.groups.group_counts); the application's is (("app", name),)."""

    def __init__(self, counts: Counter) -> None:
        self._counts = counts
        self.history = History()
        self.habits = Habits()
        self._leaks: tuple[Snapshot, tuple[Leak, ...]] | None = None

    def add(self, snapshot: Snapshot, budget: SlotBudget) -> None:
        """Take in one poll; `budget` is counted from it."""
        self.history.add(
            snapshot.taken_at,
            budget.used,
            lambda: self._counts(snapshot.backends),
            started_at=snapshot.server.started_at,
            counters=snapshot.counters,
        )
        self.habits.add(snapshot)

    def knows(self, snapshot: Snapshot, leaks: tuple[Leak, ...]) -> None:
        """What looked leaked in this snapshot when it was polled: kept with it, not found again."""
        self._leaks = (snapshot, leaks)

    def growth_of(self, app: str) -> float | None:
        """Sessions per minute of one application; None while there is too little history."""
        return self.history.per_minute((("app", app),))

    def leaks(self, snapshot: Snapshot) -> tuple[Leak, ...]:
        """What looks leaked in this snapshot, worst first; found once a poll. Process titles tell too little for it."""
        if snapshot.server.door == HOST_DOOR:
            return ()
        if self._leaks is None or self._leaks[0] is not snapshot:
            self._leaks = (snapshot, find_leaks(snapshot, self.habits, self.growth_of))
        return self._leaks[1]
