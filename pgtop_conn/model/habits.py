"""Habits: how each application uses its sessions, learnt from the polls: how often it takes one up, or drops one."""

from __future__ import annotations

from dataclasses import dataclass

from pgtop_conn.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Pool:
    """Sessions that belong together: one application of one role in one database."""

    app: str
    role: str
    database: str


@dataclass(frozen=True, slots=True)
class Habit:
    """What was seen of one pool while it was watched; counts, and seconds."""

    watched_s: float = 0.0
    #: Sessions that began and that ended meanwhile.
    arrivals: int = 0
    departures: int = 0
    #: Idle sessions that were taken up again, and how long those had been idle (median; None: none was).
    reuses: int = 0
    gap_s: float | None = None
    #: The most sessions that were active, or in a transaction, at once, and the most there were.
    peak_active: int = 0
    peak: int = 0


NO_HABIT = Habit()


class Habits:
    """Fed with every poll."""

    def add(self, snapshot: Snapshot) -> None:
        """Take in one poll."""

    def of(self, pool: Pool) -> Habit:
        """What is known of one pool."""
        return NO_HABIT
