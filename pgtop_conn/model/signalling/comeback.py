"""They came back: new sessions of the same role, application and client after some were terminated. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pgtop_conn.model.signalling.server_identity import Place, Relation, place_of
from pgtop_conn.model.slots import may_hold_slot
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Target

#: New sessions within so many seconds of the kill count as the same ones coming back.
COMEBACK_WITHIN_S = 60.0

Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Comeback:
    """`count` of the `killed` sessions came back within `seconds` (server clock), from these clients by count.

    `roles` maps each role they came back as to the sessions it has now: what a limit below would refuse. Superusers are
    not among them, since no limit stops those.
    """

    killed: int
    count: int
    seconds: float
    clients: tuple[tuple[str, int], ...]
    roles: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class ComebackWatch:
    """Follows one kill. `began` is the server time and `known` the sessions of the snapshot before it.

    `killed` may be replaced while more of them end.
    """

    killed: Sequence[Target]
    began: float
    known: frozenset[BackendKey]
    #: The server that they were ended on.
    place: Place
    #: The kind and the beginning of each session that came.
    _seen: dict[BackendKey, tuple[Kind, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, killed: Sequence[Target], before: Snapshot, elapsed_s: float = 0.0) -> ComebackWatch:
        """Begin with the sessions that were ended and the last snapshot from before, taken so many seconds ago."""
        return cls(tuple(killed), before.taken_at + elapsed_s, frozenset(before.by_key), place_of(before))

    def observe(self, snapshot: Snapshot) -> Comeback | None:
        """What came back so far, per kind never more than was ended; None while nothing did.

        Another server's sessions are others, and after a restart everybody comes back, killed or not: None.
        """
        if self.place.relation(snapshot) is not Relation.SAME:
            return None
        kinds = Counter(_kind(target.role, target.app, target.client) for target in self.killed)
        for backend in snapshot.backends:
            kind = _kind(backend.role, backend.app, backend.client)
            if backend.key in self.known or backend.key in self._seen or kind not in kinds:
                continue
            start = backend.key.backend_start
            if start is None or not self.began <= start <= self.began + COMEBACK_WITHIN_S:
                continue
            self._seen[backend.key] = kind, start
        # The first to come back count, so that whoever comes later moves neither the number nor the time.
        starts = {
            kind: sorted(start for other, start in self._seen.values() if other == kind)[:ended]
            for kind, ended in kinds.items()
        }
        counted = {kind: len(found) for kind, found in starts.items() if found}
        if not counted:
            return None
        clients: Counter[str] = Counter()
        for (_, _, client), count in counted.items():
            clients[client] += count
        exempt = {role.name for role in snapshot.roles.values() if role.superuser}
        roles = {role for role, _, _ in counted} - exempt
        now = Counter(backend.role for backend in snapshot.backends if may_hold_slot(backend) and backend.role in roles)
        return Comeback(
            killed=len(self.killed),
            count=sum(counted.values()),
            seconds=max(found[-1] for found in starts.values() if found) - self.began,
            clients=tuple(clients.most_common()),
            roles=tuple((role, now[role]) for role in sorted(roles)),
        )

    def over(self, at: float) -> bool:
        """Whether nothing more can count."""
        return at > self.began + COMEBACK_WITHIN_S


def _kind(role: str, app: str, client: str) -> Kind:
    return (role, app, client)
