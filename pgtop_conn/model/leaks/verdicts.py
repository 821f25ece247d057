"""Verdicts: a leak that was found stays one until its sessions are used again or gone, whatever else changes.

Growth ends, a server fills, slots are freed, others come and go: none of this clears a verdict. Feed track() with every
poll and ask judged() when a verdict is wanted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pgtop_conn.model.leaks.births import Life, lives
from pgtop_conn.model.leaks.rules import (
    LEAST_SISTER,
    LEAST_TRANSACTIONS,
    Certainty,
    Evidence,
    Instance,
    LeakWatch,
    Mistake,
    beyond,
    instances,
    judge,
)
from pgtop_conn.model.leaks.staircase import Staircase, last_use, rests, staircase
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot

#: From this number on, passed-over sessions of one instance that end between two polls ended together: a deployment,
#: a kill.
TOGETHER = 3
#: A session that is replaced ends this long before or after its successor begins, in seconds.
REPLACED_S = 2.0
#: Events older than this, in seconds of the server's clock, no longer count, nor do those before the last REMEMBERED.
REMEMBERED_S = 900.0
REMEMBERED = 200
#: Instances that are remembered without a session of theirs: an application may give every session a name of its own.
EMPTY_INSTANCES = 500


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What is said of one instance. `since` is when it was found first; None for what is only suspected."""

    instance: Instance
    evidence: Evidence
    since: float | None
    #: The sessions that are leaked, or suspected, oldest use first.
    sessions: tuple[Life, ...]


@dataclass(slots=True, eq=False)
class _Record:
    """What is remembered of one instance."""

    watched_since: float
    #: Passed-over sessions of the last verdict and when each was last used.
    tracked: dict[BackendKey, float] = field(default_factory=dict)
    #: The leaked ones among them.
    leaked: dict[BackendKey, float] = field(default_factory=dict)
    found_at: float | None = None
    #: The last evidence that proved it.
    proof: Evidence | None = None
    #: When a session was used again or ended, and how long it was unused before.
    returned: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    ended: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def watch(self, members: Sequence[Backend], at: float, sisters: int) -> LeakWatch:
        """What was seen lately."""
        for seen in (self.returned, self.ended):
            while seen and seen[0][0] < at - REMEMBERED_S:
                seen.popleft()
        # Where one ends for each that begins the pool replaces them; a rest that is cleared away is not replaced.
        since = self.ended[0][0] - REPLACED_S if self.ended else at
        born = sum((backend.key.backend_start or 0.0) > since for backend in members)
        return LeakWatch(
            self.watched_since,
            born,
            sisters,
            tuple(gap for _, gap in self.returned),
            tuple(gap for _, gap in self.ended),
        )


class Verdicts:
    """What is said of each pool of one server."""

    def __init__(self) -> None:
        self._records: dict[Instance, _Record] = {}
        self._watched_since: float | None = None
        self._last_at = 0.0
        self._started_at: float | None = None
        self._signalled: set[BackendKey] = set()

    def signalled(self, keys: Iterable[BackendKey]) -> None:
        """Sessions that we ended ourselves: that they go says nothing of their pool."""
        self._signalled.update(keys)

    def track(self, snapshot: Snapshot) -> None:
        """Take in one poll. A restart of the server, or an earlier poll than the last, begins again."""
        at, started_at = snapshot.taken_at, snapshot.server.started_at
        if self._watched_since is None or at < self._last_at or started_at != self._started_at:
            self._records.clear()
            self._signalled.clear()
            self._watched_since, self._started_at = at, started_at
        self._last_at = at
        for record in self._records.values():
            if record.tracked:
                self._compare(record, snapshot)
        self._signalled.intersection_update(snapshot.by_key)

    def _compare(self, record: _Record, snapshot: Snapshot) -> None:
        """Notice which passed-over sessions were used again, and which ended."""
        at = snapshot.taken_at
        gone: dict[BackendKey, float] = {}
        for key, used in list(record.tracked.items()):
            backend = snapshot.by_key.get(key)
            if backend is None:
                gone[key] = max(0.0, at - used)
            elif _is_used(backend, used, at):
                record.returned.append((at, max(0.0, at - used)))
            else:
                continue
            del record.tracked[key]
            record.leaked.pop(key, None)
        alone = [unused_s for key, unused_s in gone.items() if key not in self._signalled]
        if len(alone) < TOGETHER:
            record.ended.extend((at, unused_s) for unused_s in alone)

    def judged(self, snapshot: Snapshot) -> tuple[list[Verdict], list[Verdict]]:
        """What is found in the poll that was taken in last, and what is suspected."""
        found: list[Verdict] = []
        suspected: list[Verdict] = []
        groups, at = instances(snapshot), snapshot.taken_at
        stairs = {one: staircase(members, at) for one, members in groups.items() if len(members) >= LEAST_TRANSACTIONS}
        sisters = _sisters(stairs)
        for instance, members in groups.items():
            record = self._records.get(instance)
            if record is None:
                record = _Record(self._watched_since or at)
            watch = record.watch(members, at, sisters.get(instance, 0))
            verdict = self._judge(instance, members, stairs.get(instance), watch, record, at)
            if record.tracked or record.returned or record.ended:
                self._records[instance] = record
            if verdict is not None:
                (suspected if verdict.since is None else found).append(verdict)
        self._forget(groups)
        return found, suspected

    def _judge(
        self,
        instance: Instance,
        members: Sequence[Backend],
        stairs: Staircase | None,
        watch: LeakWatch,
        record: _Record,
        at: float,
    ) -> Verdict | None:
        evidence = None
        if stairs is not None:
            record.tracked |= {life.backend.key: life.used for life in stairs.left_alone}
            evidence = judge(stairs, watch)
        if evidence is not None and evidence.certainty is Certainty.FOUND:
            record.leaked |= {life.backend.key: life.used for life in evidence.sessions}
            record.tracked |= record.leaked
            record.found_at = at if record.found_at is None else record.found_at
            record.proof = evidence
        proof = record.proof
        if proof is not None:
            lost = self._still_lost(record, members, watch, at)
            least = LEAST_TRANSACTIONS if proof.mistake is Mistake.OPEN_TRANSACTION else 1
            if len(lost) >= least:
                record.leaked = {life.backend.key: life.used for life in lost}
                return Verdict(instance, proof, record.found_at, lost)
            record.leaked.clear()
            record.found_at = record.proof = None
        if evidence is None or evidence.certainty is Certainty.FOUND:
            return None
        return Verdict(instance, evidence, None, tuple(evidence.sessions))

    def _still_lost(self, record: _Record, members: Sequence[Backend], watch: LeakWatch, at: float) -> tuple[Life, ...]:
        """The leaked sessions that are there and unused, those first that were used first."""
        present = lives([(one, one.key.backend_start or 0.0, last_use(one, at)) for one in members])
        lost = beyond([life for life in present if life.backend.key in record.leaked], watch, at)
        return tuple(sorted(lost, key=lambda life: (life.used, life.backend.pid)))

    def _forget(self, groups: dict[Instance, list[Backend]]) -> None:
        """Instances without a session that were met first, when there are too many of them."""
        empty = [instance for instance in self._records if instance not in groups]
        for instance in empty[: max(0, len(empty) - EMPTY_INSTANCES)]:
            del self._records[instance]


def _sisters(stairs: Mapping[Instance, Staircase | None]) -> dict[Instance, int]:
    """For each instance the steps of those of its pool at other addresses."""
    steps = {one: len(found.steps) for one, found in stairs.items() if found and len(found.steps) >= LEAST_SISTER}
    pools: Counter[tuple[str, str, str]] = Counter()
    for one, count in steps.items():
        pools[one.app, one.role, one.database] += count
    return {one: pools[one.app, one.role, one.database] - count for one, count in steps.items()}


def _is_used(backend: Backend, used: float, at: float) -> bool:
    """Whether the session did something since: `used` is when it was last used before."""
    if not rests(backend, at):
        return True
    # Not state_change: a keep-alive moves it.
    return backend.query_start is not None and backend.query_start > used
