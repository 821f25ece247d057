"""Who waits for whom: the graph of a snapshot's lock waits, its roots first, and what ending one of them frees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgtop_conn.model.snapshot import Backend, Snapshot

#: pg_blocking_pids() names 0 for a prepared transaction, which has no session.
PREPARED = 0


def blocker_name(pid: int) -> str:
    """As it is shown.

    >>> blocker_name(4711), blocker_name(PREPARED)
    ('4711', 'a prepared transaction')
    """
    return "a prepared transaction" if pid == PREPARED else str(pid)


@dataclass(frozen=True, slots=True)
class WaitLink:
    """One session of a tree of waits; `depth` 0 is a root, which waits for nobody."""

    pid: int
    #: None for a prepared transaction, and for a blocker that has left since.
    backend: Backend | None
    depth: int
    #: Sessions that could go on if this one ended, through others as well.
    freed: int


def chains(snapshot: Snapshot) -> list[WaitLink]:
    """Roots with the most to free first, each followed by those that wait for it; every session once.

    pg_blocking_pids() of a queue for one row lock names the whole queue and the real holder only sometimes, so the
    graph is walked: a root is a blocker that is not itself waiting. A ring (a deadlock about to be found) has no
    root; its lowest pid stands for one.
    """
    waits = {b.pid: b.blocked_by for b in snapshot.backends if b.blocked_by}
    by_pid = {backend.pid: backend for backend in snapshot.backends}
    lists: dict[int, list[int]] = {}
    for waiter in sorted(waits):
        for pid in set(waits[waiter]):
            lists.setdefault(pid, []).append(waiter)
    waiters = {pid: tuple(found) for pid, found in lists.items()}
    freed = {pid: _freed(pid, waits, waiters) for pid in waiters if pid not in waits}
    roots = sorted(freed, key=lambda pid: (-freed[pid], pid))
    found: list[WaitLink] = []
    seen: set[int] = set()
    for start in (*roots, *sorted(waits)):
        if start not in seen:
            links = _walk(start, waiters, by_pid, freed.get(start, 0), seen)
            found.extend(links)
    return found


Waits = dict[int, tuple[int, ...]]


def _walk(root: int, waiters: Waits, by_pid: dict[int, Backend], freed: int, seen: set[int]) -> Iterator[WaitLink]:
    """Depth first without recursion: a queue may be longer than Python's stack."""
    pending = [(root, 0)]
    seen.add(root)
    while pending:
        pid, depth = pending.pop()
        yield WaitLink(pid, by_pid.get(pid), depth, 0 if depth else freed)
        # A waiter that names several blockers hangs under the one it was reached from first.
        below = [waiter for waiter in waiters.get(pid, ()) if waiter not in seen]
        seen.update(below)
        pending += [(waiter, depth + 1) for waiter in reversed(below)]


def _freed(root: int, waits: Waits, waiters: Waits) -> int:
    """Sessions that wait for nobody else than the root and those it frees."""
    remaining: dict[int, int] = {}
    free = [root]
    for pid in free:
        for waiter in waiters.get(pid, ()):
            remaining[waiter] = remaining.get(waiter, len(set(waits[waiter]))) - 1
            if not remaining[waiter] and waiter != root:
                free.append(waiter)
    return len(free) - 1
