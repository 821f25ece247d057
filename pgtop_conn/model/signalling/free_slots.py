"""Free N slots: the least harmful sessions to terminate, each with the reason it was picked. Pure.

Only sessions that are safe are ever picked: idle outside a transaction for a while, without a lock, and allowed in bulk
by every guard without a question: none holds a backup, a lock or a cursor, or listens. It reports when fewer
than N are safe, and never takes others instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import ceil

from pgtop_conn.model.history.trend import FLAT_PER_MINUTE
from pgtop_conn.model.signalling.guards import Care, Policy, judge
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import IDLE, Backend, BackendKey, Snapshot

#: A session that was used a moment ago belongs to a pool that works.
SAFE_IDLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Pick:
    """A session and why it is among the least harmful."""

    backend: Backend
    why: str


@dataclass(frozen=True, slots=True)
class Freeing:
    """The picks, least harmful first; fewer than `wanted` when no more can be had safely."""

    wanted: int
    picks: tuple[Pick, ...]
    #: Safe sessions in all, the picked ones included.
    safe: int

    @property
    def missing(self) -> int:
        return self.wanted - len(self.picks)


def slots_to(budget: SlotBudget, percent: float) -> int:
    """How many slots to free so that at most `percent` of what ordinary roles may use is in use."""
    return max(0, ceil(budget.used - budget.capacity * percent / 100.0))


def free_slots(
    wanted: int,
    snapshot: Snapshot,
    policy: Policy,
    per_minute: Callable[[str], float | None],
    struck: Collection[BackendKey] = (),
    leaked: Collection[BackendKey] = (),
    among: Callable[[Backend], bool] = lambda _backend: True,
) -> Freeing:
    """Pick up to `wanted` sessions; `per_minute` is the growth of an application, `struck` are never picked.

    `among` says which sessions may be picked at all. What looks leaked first, then what was never used, then those of
    the fastest-growing application, then of the largest, the longest idle first.
    """
    safe = [b for b in snapshot.backends if b.key not in struck and among(b) and is_safe(b, snapshot, policy)]
    sizes: dict[str, int] = {}
    for backend in snapshot.backends:
        if backend.is_client:
            sizes[backend.app] = sizes.get(backend.app, 0) + 1
    growth = {app: max(0.0, per_minute(app) or 0.0) for app in sizes}

    def harm(backend: Backend) -> tuple[bool, bool, float, int, float, int]:
        growing = growth[backend.app] if growth[backend.app] >= FLAT_PER_MINUTE else 0.0
        idle_s = backend.idle_s(snapshot.taken_at) or 0.0
        unleaked = backend.key not in leaked
        return (unleaked, not backend.never_queried, -growing, -sizes[backend.app], -idle_s, backend.pid)

    ordered = sorted(safe, key=harm)
    picks = (Pick(b, _why(b, growth[b.app], sizes[b.app], b.key in leaked)) for b in ordered[: max(0, wanted)])
    return Freeing(wanted, tuple(picks), len(safe))


def is_safe(backend: Backend, snapshot: Snapshot, policy: Policy) -> bool:
    """Whether ending this session loses nothing that the server knows of."""
    idle_s = backend.idle_s(snapshot.taken_at)
    return (
        backend.is_client
        and backend.state == IDLE
        and idle_s is not None
        and idle_s >= SAFE_IDLE_S
        and not backend.wrote
        and not backend.holds_xmin
        and not backend.blocked_by
        and snapshot.holds_no_lock(backend)
        and judge(backend, snapshot, policy, bulk=True).care is Care.ALLOW
    )


def _why(backend: Backend, per_minute: float, size: int, leaked: bool) -> str:
    """The reason, in the words of the table."""
    app = backend.app or "an unnamed application"
    group = f"{app} holds {size}"
    if per_minute >= FLAT_PER_MINUTE:
        group = f"{app} grows by {per_minute:.1f}/min"
    if leaked:
        return f"looks leaked; {group}"
    return f"never used; {group}" if backend.never_queried else f"idle; {group}"
