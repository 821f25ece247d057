"""Moments: what is kept of each poll, to step back in time, to replay, to report, and to tell capacity from history.

Totals are small and kept of every moment; the moment itself, with every session, is made only when it is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import IDLE_STATES, TRANSACTION_STATES, Snapshot

#: Applications that are counted by name; what the rest have together is counted under OTHERS.
MOST_APPS = 20
OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Totals:
    """What one poll adds up to: enough for charts, trends, reports and capacity without reading the sessions."""

    #: Server time (Snapshot.taken_at).
    at: float
    #: Slots, as SlotBudget counts them; `exact` is False where `used` is an upper bound.
    used: int
    exact: bool
    max: int
    ordinary_free: int
    ordinary_capacity: int
    #: Sessions that take a slot by state, as SlotBudget.states.
    states: Mapping[str, int]
    #: Sessions that take a slot by application, most first; "" has none.
    apps: Mapping[str, int]
    #: "role reporting" or "database shop" to (used, limit), of those that have a limit.
    limits: Mapping[str, tuple[int, int]]
    #: The longest time in an idle state, in seconds; None where nobody is known to be idle.
    oldest_idle_s: float | None
    #: Idle in a transaction, aborted ones among them.
    in_transaction: int
    #: When the server began, where that is known: tells a restart.
    started_at: float | None

    @classmethod
    def of(cls, snapshot: Snapshot, budget: SlotBudget) -> Totals:
        """Add up one poll; `budget` is counted from it."""
        holders = snapshot.holders
        idle_since = [one.state_change for one in holders if one.state in IDLE_STATES and one.state_change is not None]
        return cls(
            at=snapshot.taken_at,
            used=budget.used,
            exact=budget.exact,
            max=budget.max,
            ordinary_free=budget.ordinary_free,
            ordinary_capacity=budget.capacity,
            states=dict(budget.states),
            apps=_largest(Counter(map(attrgetter("app"), holders))),
            limits={f"{limit.kind} {limit.name}": (limit.used, limit.limit) for limit in budget.limits},
            oldest_idle_s=max(0.0, snapshot.taken_at - min(idle_since)) if idle_since else None,
            in_transaction=sum(budget.states.get(state, 0) for state in TRANSACTION_STATES),
            started_at=snapshot.server.started_at,
        )


def _largest(counts: Mapping[str, int]) -> dict[str, int]:
    """The largest by name, the rest under OTHERS."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ranked[:MOST_APPS])
    if rest := sum(count for _, count in ranked[MOST_APPS:]):
        kept[OTHERS] = kept.get(OTHERS, 0) + rest
    return kept


@dataclass(frozen=True, slots=True)
class Mark:
    """A signal that was sent, for the marks of a history and for what was done."""

    #: Server time of the newest poll when it was settled.
    at: float
    #: As source.Action and source.Status say.
    action: str
    pid: int
    role: str
    app: str
    outcome: str
    chosen_by: str


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One poll as it was shown."""

    snapshot: Snapshot
    leaks: tuple[Leak, ...]


class Tape(Protocol):
    """Moments that are kept, oldest first: of recording.Ring in memory, and of recording.Recording in a file."""

    @property
    def times(self) -> Sequence[float]:
        """Server time of each kept moment."""
        ...

    @property
    def totals(self) -> Sequence[Totals]:
        """One of each kept moment, in the same order."""
        ...

    @property
    def marks(self) -> Sequence[Mark]:
        """In the order of time."""
        ...

    def moment(self, index: int) -> Moment:
        """The moment at `times[index]`, with every session. Raises PgtopError where it can't be read any more."""
        ...


class Keeper(Protocol):
    """Whatever moments and marks are given to as they come: a ring, and the writer of a recording."""

    def add(self, moment: Moment, totals: Totals) -> None:
        """The newest moment. Raises PgtopError where it can't be kept; what was kept before stays."""
        ...

    def mark(self, mark: Mark) -> None:
        """A signal that was sent and settled. Raises as add() does."""
        ...


class KeepingTape(Tape, Keeper, Protocol):
    """What is kept as it comes and can be looked at meanwhile: a ring."""

    def rest(self) -> None:
        """Nothing is looked at any more."""
        ...
