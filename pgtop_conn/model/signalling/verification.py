"""Verification: what became of signalled sessions, told by the polls that follow, never by the server's word alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgtop_conn.model.signalling.server_identity import Place, Relation
from pgtop_conn.model.snapshot import ACTIVE, BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target

#: After so many seconds on the server's clock a session that is still there is called that.
PATIENCE_S = 10.0


@dataclass(slots=True)
class _Pending:
    action: Action
    target: Target
    #: Server time of the first snapshot after the signal.
    since: float | None = None
    note: str = ""
    #: Where it was signalled; None where that is not known.
    place: Place | None = None

    def late(self, at: float, patience_s: float) -> bool:
        """Whether it had time enough, counted from the first poll after the signal."""
        self.since = at if self.since is None else self.since
        return at - self.since >= patience_s


class Verification:
    """Follows every SIGNALLED outcome until it ends as gone, cancelled, still there or unknown."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._pending: dict[BackendKey, _Pending] = {}

    @property
    def pending(self) -> int:
        """How many signalled sessions are not settled yet."""
        return len(self._pending)

    def expect(self, action: Action, outcomes: Sequence[Outcome], place: Place | None = None) -> None:
        """Begin to follow those outcomes that were signalled, on the server at `place`."""
        for outcome in outcomes:
            if outcome.status is Status.SIGNALLED:
                self._pending[outcome.target.key] = _Pending(action, outcome.target, note=outcome.note, place=place)

    def abandon(self, why: str) -> list[Outcome]:
        """Follow nobody any more; the end of those who were is unknown."""
        left = [Outcome(pending.target, Status.UNKNOWN, why, pending.note) for pending in self._pending.values()]
        self._pending.clear()
        return left

    def observe(self, snapshot: Snapshot) -> list[Outcome]:
        """Outcomes that this snapshot settles; each target is settled once."""
        settled = []
        for key, pending in list(self._pending.items()):
            outcome = _settle(pending, snapshot, self._patience_s)
            if outcome is not None:
                del self._pending[key]
                settled.append(replace(outcome, note=pending.note))
        return settled


def _settle(pending: _Pending, snapshot: Snapshot, patience_s: float) -> Outcome | None:
    target, at = pending.target, snapshot.taken_at
    relation = pending.place.relation(snapshot) if pending.place is not None else Relation.SAME
    if relation is Relation.RESTARTED:
        return Outcome(target, Status.GONE, str(relation))
    if not relation.tells:
        return Outcome(target, Status.UNKNOWN, str(relation))
    backend = snapshot.by_key.get(target.key)
    if backend is None:
        if not snapshot.hides(target.key):
            return Outcome(target, Status.GONE)
        return Outcome(target, Status.UNKNOWN, "hidden from us") if pending.late(at, patience_s) else None
    if pending.action is Action.CANCEL and (backend.state != ACTIVE or backend.query_start != target.query_start):
        return Outcome(target, Status.CANCELLED, f"now {backend.state}" if backend.state != ACTIVE else "a new query")
    if not pending.late(at, patience_s):
        return None
    return Outcome(target, Status.STILL_THERE, f"waits on {backend.wait}" if backend.wait else "does not wait")
