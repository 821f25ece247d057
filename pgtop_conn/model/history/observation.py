"""Observation: what the polls of one server say together: its history, the habits of its applications, its leaks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.history.trend import History
from pgtop_conn.model.leaks.detection import find_leaks
from pgtop_conn.model.leaks.habits import Habits
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.leaks.verdicts import Verdicts
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Backend, BackendKey, Snapshot

Counts = Callable[[Sequence[Backend]], Mapping[Hashable, int]]

#: Seconds of the server's clock that a verdict on leaks lasts. It is told from sessions that are idle for far longer,
#: and to find it at every poll of 2,000 sessions is a third of what a refresh costs.
LEAKS_EVERY_S = 5.0
#: A verdict from a short watch lasts this share of it: whoever looks for some seconds is told by the last of them.
WATCHED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Found:
    """What looked leaked at one instant of the server, and what that was told from."""

    of: Snapshot
    at: float
    #: Seconds of the server's clock that it lasts.
    lasting_s: float
    started_at: float | None
    leaks: tuple[Leak, ...]
    suspects: tuple[Leak, ...]
    sessions: tuple[Backend, ...]

    def lasts(self, snapshot: Snapshot) -> bool:
        """Whether it says the same of a later poll: young, of this run of the server, and each session still idles."""
        if snapshot is self.of:
            return True
        if not 0.0 <= snapshot.taken_at - self.at < self.lasting_s:
            return False
        return snapshot.server.started_at == self.started_at and all(_idles_on(one, snapshot) for one in self.sessions)


def _idles_on(before: Backend, snapshot: Snapshot) -> bool:
    now = snapshot.by_key.get(before.key)
    if now is before:
        return True
    return now is not None and (now.state, now.used_at) == (before.state, before.used_at)


class Observation:
    """`counts` gives the sessions of every group (view.groups.group_counts); the application's is (("app", name),)."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.history = History()
        self.habits = Habits()
        self._verdicts = Verdicts()
        self._leaks: tuple[Snapshot, tuple[Leak, ...]] | None = None
        self._found: _Found | None = None
        #: The snapshot that knows() told about.
        self._known: Snapshot | None = None
        self._used = 0
        #: When the first poll was taken.
        self._since: float | None = None

    def add(self, snapshot: Snapshot, budget: SlotBudget) -> None:
        """Take in one poll; `budget` is counted from it."""
        self._used = budget.used
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
        if snapshot.server.door != HOST_DOOR:
            self._verdicts.track(snapshot)
            # At its own pace, whether or not somebody asks: who is passed over now may be used by the next poll.
            self._verdict(snapshot)

    def knows(self, snapshot: Snapshot, leaks: tuple[Leak, ...]) -> None:
        """What looked leaked in this snapshot when it was polled: kept with it, not found again."""
        self._leaks = (snapshot, leaks)
        self._known = snapshot

    def signalled(self, keys: Iterable[BackendKey]) -> None:
        """Sessions that we ended ourselves: that they go says nothing of their pools."""
        self._verdicts.signalled(keys)

    def watched_s(self, snapshot: Snapshot) -> float:
        """Seconds on the server's clock since the first poll."""
        return 0.0 if self._since is None else max(0.0, snapshot.taken_at - self._since)

    def growth_of(self, app: str) -> float | None:
        """Sessions per minute of one application; None while there is too little history."""
        return self.history.per_minute((("app", app),))

    def leaks(self, snapshot: Snapshot) -> tuple[Leak, ...]:
        """What is leaked in this snapshot, worst first. Process titles tell too little for it.

        Found again when the last verdict is LEAKS_EVERY_S old, or as old as a tenth of the watch, or when a session
        that looked leaked has ended or was used; otherwise the last verdict stands, with the figures it was found with.
        """
        if snapshot.server.door == HOST_DOOR:
            return ()
        if self._leaks is None or self._leaks[0] is not snapshot:
            self._leaks = (snapshot, self._verdict(snapshot).leaks)
        return self._leaks[1]

    def suspects(self, snapshot: Snapshot) -> tuple[Leak, ...]:
        """What may be leaked and may have another reason, worst first; no filter chooses by it."""
        if snapshot.server.door == HOST_DOOR:
            return ()
        return self._verdict(snapshot).suspects

    def refresh(self, snapshot: Snapshot) -> None:
        """Find leaks in this snapshot even where the last verdict would stand: all figures are of one moment."""
        if snapshot.server.door == HOST_DOOR or snapshot is self._known:
            return
        if self._found is None or self._found.of is not snapshot:
            self._found = self._find(snapshot)
            self._leaks = (snapshot, self._found.leaks)

    def _verdict(self, snapshot: Snapshot) -> _Found:
        if self._found is None or not self._found.lasts(snapshot):
            self._found = self._find(snapshot)
        return self._found

    def _find(self, snapshot: Snapshot) -> _Found:
        watched_s = self.watched_s(snapshot)
        leaks, suspects = find_leaks(snapshot, self._verdicts, self.habits, self.growth_of, self._used, watched_s)
        sessions = tuple(snapshot.by_key[key] for leak in (*leaks, *suspects) for key in leak.sessions)
        lasting_s = min(LEAKS_EVERY_S, WATCHED_SHARE * watched_s)
        return _Found(snapshot, snapshot.taken_at, lasting_s, snapshot.server.started_at, leaks, suspects, sessions)
