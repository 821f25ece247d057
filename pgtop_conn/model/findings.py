"""Finding, Remedy, Case: the words that a diagnosis is made of. diagnosis.py finds, remedies.py says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.slots import SlotBudget, may_hold_slot
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME, Backend, Snapshot


class Cause(StrEnum):
    """Why slots are gone. The comment names what its evidence holds; times are seconds, shares 0 to 1."""

    #: app, role, database, verdict (rules.Certainty), mistake (rules.Mistake), since_s (None: suspected only), count,
    #: used, per_minute, sessions, idle_over_s, idle_over, passed_over (sessions opened since the oldest was last used),
    #: statement (masked), statement_share, never_queried, in_transaction, unread_results, oldest_idle_s, habit_s,
    #: watched_s, clients, score
    LEAK = "leak"
    #: active, used, share, by_app {app: active}
    TRAFFIC = "traffic"
    #: pid (None: a prepared transaction), role, app, database, frees, state, state_s, statement (masked)
    BLOCKER = "blocker"
    #: count, oldest_s, unread_results, by_app {app: count}, by_role {role: count}
    CLIENT_WAIT = "client_wait"
    #: count, oldest_s, aborted, holds_xmin, leaked, by_app {app: count}, by_role {role: count}
    IDLE_IN_TRANSACTION = "idle_in_transaction"
    #: app, role, database (None: many small pools together), count, peak_active, idle_share, watched_s,
    #: reused (sessions seen to be taken up again), clients {address: sessions}
    OVERSIZED_POOL = "oversized_pool"
    #: name, limit, used, free
    ROLE_LIMIT = "role_limit"
    #: name, limit, used, free
    DATABASE_LIMIT = "database_limit"
    #: superuser_reserved, reserved, provider_reserved {name: slots}, max_connections
    RESERVE = "reserve"
    #: count, oldest_s (None where the server doesn't tell)
    AUTHENTICATING = "authenticating"
    #: used, max
    WALSENDERS = "walsenders"
    #: per_second, lifetime_s (None after a restart), by_app {app: sessions seen to begin},
    #: restarted_s (None: the server did not restart)
    RECONNECT_STORM = "reconnect_storm"


class Severity(StrEnum):
    """How much it matters now."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class RemedyKind(StrEnum):
    """What a remedy's text is."""

    SQL = "sql"
    PGBOUNCER = "pgbouncer"
    DRIVER = "driver"
    STEP = "step"


class Effect(StrEnum):
    """When a remedy takes effect."""

    NOW = "now"
    RELOAD = "reload"
    RESTART = "restart"
    NEW_SESSIONS = "new sessions"


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something to copy; never run by the program. `text` is whole: SQL ends with a semicolon."""

    kind: RemedyKind
    text: str
    takes_effect: Effect
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause. `summary` is one sentence with its numbers; `evidence` is plain JSON data (see Cause)."""

    cause: Cause
    severity: Severity
    summary: str
    evidence: Mapping[str, object]
    sessions: tuple[int, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    #: Slots it explains: what findings of one severity are ordered by.
    weight: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Everything a diagnosis looks at."""

    snapshot: Snapshot
    budget: SlotBudget
    observation: Observation
    facts: Facts = NO_FACTS
    #: Bytes of memory as the user told; None where the host is measured or nothing is known.
    ram: int | None = None
    #: Sessions that hold a slot and are not our own or another pgtop-conn.
    clients: tuple[Backend, ...] = field(default=())

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        budget: SlotBudget,
        observation: Observation,
        facts: Facts = NO_FACTS,
        ram: int | None = None,
    ) -> Case:
        """With the sessions that every cause looks at."""
        holders = (backend for backend in snapshot.backends if may_hold_slot(backend))
        clients = tuple(
            one for one in holders if one.pid != snapshot.server.own_pid and one.app != OWN_APPLICATION_NAME
        )
        return cls(snapshot, budget, observation, facts, ram, clients)
