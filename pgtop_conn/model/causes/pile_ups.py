"""Pile-ups: sessions that wait for one lock holder, what ending it frees, and a sentence for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgtop_conn.model.causes.lock_waits import PREPARED, WaitLink, chains
from pgtop_conn.model.causes.severity import name, plural
from pgtop_conn.model.leaks.wording import STATEMENT_LENGTH, cut, span
from pgtop_conn.model.redaction.literals import shape
from pgtop_conn.model.snapshot import Backend, Snapshot

#: So many waiters are a pile-up once one of them has waited for so long; fewer when they have waited longer.
SEVERAL_WAITERS = 3
WAITED_S = 2.0
WAITED_LONG_S = 10.0
#: So many hurt whatever is left of the slots.
MANY_WAITERS = 10


@dataclass(frozen=True, slots=True)
class PileUp:
    """A lock holder (`backend` is None for a prepared transaction) and those that wait for it, through others too."""

    pid: int
    backend: Backend | None
    #: Sessions that could go on if this one alone ended.
    frees: int
    waiters: tuple[int, ...]
    #: Holders that some of the waiters wait for as well.
    partners: int
    #: Server time of the snapshot.
    at: float

    @property
    def many(self) -> bool:
        return len(self.waiters) >= MANY_WAITERS

    @property
    def sessions(self) -> tuple[int, ...]:
        """The holder, if it is a session, then its waiters."""
        return self.waiters if self.backend is None else (self.pid, *self.waiters)

    @property
    def evidence(self) -> Mapping[str, object]:
        """Plain JSON data, as findings.Cause.BLOCKER says."""
        holder = self.backend
        return {
            # A prepared transaction has none.
            "pid": self.pid if self.pid != PREPARED else None,
            "role": holder.role if holder else "",
            "app": holder.app if holder else "",
            "database": holder.database if holder else "",
            "frees": self.frees,
            "state": holder.state if holder else None,
            "state_s": holder.state_s(self.at) if holder else None,
            "statement": cut(shape(holder.query), STATEMENT_LENGTH) if holder else "",
        }

    @property
    def sentence(self) -> str:
        """What ending the holder does."""
        if self.backend is None:
            return f"a prepared transaction holds up {plural(len(self.waiters), 'session')}: rolling it back frees them"
        who = f"{self.pid} ({_described(self.backend, self.at)})"
        if self.frees >= len(self.waiters) or not self.partners:
            return f"terminating {who} frees {plural(self.frees, 'waiter')}"
        others = plural(self.partners, "other")
        return (
            f"{who} and {others} hold up {plural(len(self.waiters), 'session')} between them;"
            f" terminating it alone frees {self.frees or 'none'}"
        )


def _described(holder: Backend, at: float) -> str:
    if holder.hidden:
        return f"{name(holder.role)}, {name(holder.app)}, what it does is hidden from us"
    if not holder.is_client:
        return f"{holder.backend_type or 'no client session'}"
    state, seconds = holder.state or "in an unknown state", holder.state_s(at)
    lasting = f" for {span(seconds)}" if seconds is not None else ""
    return f"{name(holder.role)}, {name(holder.app)}, {state}{lasting}"


def pile_ups(snapshot: Snapshot) -> list[PileUp]:
    """Those worth a word, the most to free first. A ring is none: the server breaks it by itself."""
    links = chains(snapshot)
    waits = {backend.pid: backend for backend in snapshot.backends if backend.blocked_by}
    roots = [index for index, link in enumerate(links) if not link.depth]
    found = []
    for index, following in zip(roots, [*roots[1:], len(links)], strict=False):
        root = links[index]
        if root.pid in waits or (root.backend is None and root.pid != PREPARED):
            continue
        waiters = [waits[link.pid] for link in links[index + 1 : following]]
        if _lasting(waiters, snapshot.taken_at):
            found.append(_pile(root, waiters, waits, snapshot.taken_at))
    return found


def _pile(root: WaitLink, waiters: list[Backend], waits: Mapping[int, Backend], at: float) -> PileUp:
    named = {pid for waiter in waiters for pid in waiter.blocked_by}
    partners = named - waits.keys() - {root.pid}
    return PileUp(root.pid, root.backend, root.freed, tuple(waiter.pid for waiter in waiters), len(partners), at)


def _lasting(waiters: list[Backend], at: float) -> bool:
    """Locks are waited for on every busy server, for a moment."""
    waited_s = max((waiter.state_s(at) or 0.0 for waiter in waiters), default=-1.0)
    return waited_s >= (WAITED_S if len(waiters) >= SEVERAL_WAITERS else WAITED_LONG_S)
