"""Source: where snapshots come from and where signals go. The only abstract type of the program.

Implemented by postgres.Session, by sources.Journaled around any other, and by the tests' fake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pgtop_conn.model.facts import Facts
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot


class Action(StrEnum):
    """What may be asked of a session: pg_cancel_backend or pg_terminate_backend."""

    CANCEL = "cancel"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Target:
    """A session as it was when it was chosen. The server re-checks all of it in the statement that signals."""

    key: BackendKey
    backend_type: str
    role: str
    database: str
    app: str
    client: str
    state: str | None
    state_change: float | None
    query_start: float | None
    wrote: bool
    #: When the server that it was judged on was started; on another one its absence tells nothing. None: unknown.
    server_start: float | None = None
    #: What was confirmed for this one; without it the server-side guard leaves such a session alone.
    allow_superuser: bool = False
    allow_replication: bool = False
    allow_unknown_role: bool = False
    allow_namesake: bool = False
    #: What a pooler appended to `app`.
    app_host: str = ""
    #: Bound to who it is, its role and its application, whatever it runs by then: for an application with statements
    #: so short that none of them is there long enough to be chosen.
    busy: bool = False
    #: How it came to be chosen, for the journal: "the cursor", "marks", "group app=web", "filter idle>10m".
    chosen_by: str = ""
    #: Why, in the user's own words, for the journal; optional.
    reason: str = ""

    @classmethod
    def of(cls, backend: Backend, chosen_by: str = "", reason: str = "", *, busy: bool = False) -> Target:
        """Bind a row, now."""
        return cls(
            key=backend.key,
            backend_type=backend.backend_type or "",
            role=backend.role,
            database=backend.database,
            app=backend.app,
            client=backend.client,
            state=backend.state,
            state_change=backend.state_change,
            query_start=backend.query_start,
            wrote=backend.wrote,
            app_host=backend.app_host,
            busy=busy,
            chosen_by=chosen_by,
            reason=reason,
        )

    def still_is(self, backend: Backend) -> bool:
        """Whether the row is the same session in the same state with the same query, or what `busy` asks of it."""
        if self.busy:
            names = (self.role, self.app, self.app_host)
            same = self.key == backend.key and names == (backend.role, backend.app, backend.app_host)
            return same and (self.wrote or not backend.wrote)
        return (
            self.key == backend.key
            and self.state == backend.state
            and self.state_change == backend.state_change
            and self.query_start == backend.query_start
            and self.wrote == backend.wrote
        )


#: Behind how a session was chosen that is bound by `busy`.
WHATEVER = ", whatever it runs"
#: The detail of a GONE that no signal of ours brought about.
BEFORE = "before it was signalled"


class Status(StrEnum):
    """How one target ended, or what is known of it so far."""

    #: The server sent the signal; nothing is known of its effect yet.
    SIGNALLED = "signalled"
    GONE = "gone"
    #: The query that was cancelled is no longer running.
    CANCELLED = "cancelled"
    #: Another state, a new query or a recycled pid: nothing was sent.
    CHANGED = "changed"
    #: The server refused, or the statement failed; `detail` says how.
    DENIED = "denied"
    #: Signalled, and 10 s later it is still there.
    STILL_THERE = "still there"
    #: Signalled, and its end could be neither seen nor ruled out; `detail` says why.
    UNKNOWN = "unknown"
    #: The user stopped before its turn came, or it could not be looked at again; `detail` says which.
    NOT_SENT = "not sent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One target and how it ended; `detail` is cleaned text (the server's refusal, a wait event) or ''."""

    target: Target
    status: Status
    detail: str = ""
    #: What the user must hear whatever the end is, e.g. that the journal could not be written.
    note: str = ""


class Source(Protocol):
    """One poll at a time: callers never ask two questions at once."""

    async def poll(self) -> Snapshot:
        """Read the server once. Raises SourceLost, PollFailed or ConnectError; may be called again after each."""
        ...

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """Signal each target by a statement of its own; one Outcome each, in order. One refusal stops no other."""
        ...

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Take note of how a session ended that was signalled. Whoever signals calls it, once for each signal."""
        ...

    async def facts(self) -> Facts:
        """What a diagnosis asks beyond the polls. Never raises for a part that can't be read: Facts says why."""
        ...

    async def close(self) -> None:
        """End the session; safe to call twice."""
        ...
