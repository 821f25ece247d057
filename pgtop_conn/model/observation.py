"""Observation: what the polls of one server say together: its history, the habits of its applications, its leaks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.habits import Habits
from pgtop_conn.model.history import History
from pgtop_conn.model.leaks import Leak, find_leaks
from pgtop_conn.model.slots import Level, SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Backend, Snapshot

Counter = Callable[[Sequence[Backend]], Mapping[Hashable, int]]

#: Seconds of the server's clock that a verdict on leaks lasts. It is told from sessions that are idle for far longer,
#: and to find it at every poll of 2,000 sessions is a third of what a refresh costs.
LEAKS_EVERY_S = 5.0
#: A verdict from a short watch lasts this share of it: whoever looks for some seconds is told by the last of them.
WATCHED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Found:
    """What looked leaked at one instant of the server, and what that was told from."""

    at: float
    #: Seconds of the server's clock that it lasts.
    lasting_s: float
    started_at: float | None
    level: Level | None
    leaks: tuple[Leak, ...]
    sessions: tuple[Backend, ...]

    def lasts(self, snapshot: Snapshot, level: Level | None) -> bool:
        """Whether it says the same of a later poll: young, of this run of the server, and each session still idles."""
        if not 0.0 <= snapshot.taken_at - self.at < self.lasting_s or level is not self.level:
            return False
        return snapshot.server.started_at == self.started_at and all(_idles_on(one, snapshot) for one in self.sessions)


def _idles_on(before: Backend, snapshot: Snapshot) -> bool:
    now = snapshot.by_key.get(before.key)
    if now is before:
        return True
    return now is not None and (now.state, now.state_change) == (before.state, before.state_change)


class Observation:
    """`counts` gives the sessions of every group (view.groups.group_counts); the application's is (("app", name),)."""

    def __init__(self, counts: Counter) -> None:
        self._counts = counts
        self.history = History()
        self.habits = Habits()
        self._leaks: tuple[Snapshot, tuple[Leak, ...]] | None = None
        self._found: _Found | None = None
        self._level: Level | None = None
        #: When the first poll was taken.
        self._since: float | None = None

    def add(self, snapshot: Snapshot, budget: SlotBudget) -> None:
        """Take in one poll; `budget` is counted from it."""
        self._level = budget.level
        if self._since is None:
            self._since = snapshot.taken_at
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
        """What looks leaked in this snapshot, worst first. Process titles tell too little for it.

        Found anew when the last verdict is LEAKS_EVERY_S old, or as old as a tenth of the watch, when the level of the
        slots has changed, or a session that looked leaked has ended or was used; otherwise the last verdict stands, its
        figures those of when it was found.
        """
        if snapshot.server.door == HOST_DOOR:
            return ()
        if self._leaks is None or self._leaks[0] is not snapshot:
            if self._found is None or not self._found.lasts(snapshot, self._level):
                self._found = self._find(snapshot)
            self._leaks = (snapshot, self._found.leaks)
        return self._leaks[1]

    def _find(self, snapshot: Snapshot) -> _Found:
        leaks = find_leaks(snapshot, self.habits, self.growth_of)
        sessions = tuple(snapshot.by_key[key] for leak in leaks for key in leak.sessions)
        watched_s = 0.0 if self._since is None else max(0.0, snapshot.taken_at - self._since)
        lasting_s = min(LEAKS_EVERY_S, WATCHED_SHARE * watched_s)
        return _Found(snapshot.taken_at, lasting_s, snapshot.server.started_at, self._level, leaks, sessions)
