"""Verification: what became of signalled sessions, told by the polls that follow, never by the server's word alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.model.snapshot import ACTIVE, Backend, BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target

#: After so many seconds on the server's clock a session that is still there is called that.
PATIENCE_S = 10.0


@dataclass(slots=True)
class _Pending:
    action: Action
    target: Target
    #: Server time of the first snapshot after the signal.
    since: float | None = None


class Verification:
    """Follows every SIGNALLED outcome until it ends as gone, cancelled, changed or still there."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._pending: dict[BackendKey, _Pending] = {}

    @property
    def pending(self) -> int:
        """How many signalled sessions are not settled yet."""
        return len(self._pending)

    def expect(self, action: Action, outcomes: Sequence[Outcome]) -> None:
        """Begin to follow those outcomes that were signalled."""
        for outcome in outcomes:
            if outcome.status is Status.SIGNALLED:
                self._pending[outcome.target.key] = _Pending(action, outcome.target)

    def observe(self, snapshot: Snapshot) -> list[Outcome]:
        """Outcomes that this snapshot settles; each target is settled once."""
        settled = []
        for key, pending in list(self._pending.items()):
            outcome = _settle(pending, snapshot.by_key.get(key), snapshot.taken_at, self._patience_s)
            if outcome is not None:
                del self._pending[key]
                settled.append(outcome)
        return settled


def _settle(pending: _Pending, backend: Backend | None, at: float, patience_s: float) -> Outcome | None:
    target = pending.target
    if backend is None:
        return Outcome(target, Status.GONE)
    if pending.action is Action.CANCEL and (backend.state != ACTIVE or backend.query_start != target.query_start):
        return Outcome(target, Status.CANCELLED, f"now {backend.state}" if backend.state != ACTIVE else "a new query")
    if pending.since is None:
        pending.since = at
    if at - pending.since < patience_s:
        return None
    return Outcome(target, Status.STILL_THERE, f"waits on {backend.wait}" if backend.wait else "does not wait")
