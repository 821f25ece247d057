"""How the numbers are counted: ours beside what other recipes and consoles show, each difference explained.

Add a recipe: one entry in counts_of().
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pgtop_conn.model.slots import SlotBudget, may_hold_slot
from pgtop_conn.model.snapshot import ACTIVE, HOST_DOOR, Backend, Snapshot
from pgtop_conn.view.status.door_banner import newcomers

#: Wherever backend_type is hidden from our role.
HIDDEN_KIND = "hidden from us"

#: Since 18 a session that still logs in has a row of its own.
STARTING = "starting"


NEWCOMERS = (
    "they take no slot, but the server has processes for only about twice max_connections; each has"
    " authentication_timeout to log in"
)


@dataclass(frozen=True, slots=True)
class Count:
    """One recipe; `figure` is None where our role can't know it; `why` says how it comes to differ from ours."""

    recipe: str
    figure: int | None
    why: str


def counts_of(snapshot: Snapshot, budget: SlotBudget) -> list[Count]:
    """Every recipe for this snapshot, ours first; by the host door ours alone, which nothing else can be asked for."""
    if snapshot.server.door == HOST_DOOR:
        return [
            Count("slots used (this program)", budget.used, _by_titles(snapshot)),
            Count("max_connections", budget.max, f"as its files say; {_reserves(snapshot, budget)}"),
            Count("connections that have not said who they are", newcomers(snapshot), NEWCOMERS),
        ]
    numbackends = snapshot.counters.numbackends if snapshot.counters else None
    visible = sum(backend.is_client for backend in snapshot.backends)
    consoles = visible if snapshot.counted_used is None else None
    return [
        Count("slots used (this program)", budget.used, _ours(snapshot, budget)),
        Count("SHOW max_connections", budget.max, _reserves(snapshot, budget)),
        Count("count(*) FROM pg_stat_activity", len(snapshot.backends), _rows(snapshot, budget)),
        Count("sum(numbackends) FROM pg_stat_database", numbackends, _numbackends(snapshot)),
        Count("count(*) … WHERE state = 'active'", _active(snapshot), _active_differ(snapshot)),
        Count(
            "Amazon CloudWatch DatabaseConnections",
            consoles,
            "client sessions, sampled once a minute: bursts between go unseen",
        ),
        Count("Google Cloud SQL num_backends", numbackends, "sum(numbackends), the provider's own databases included"),
        Count("Azure active_connections", consoles, "all client sessions: 'active' there means open, not running"),
    ]


def _by_titles(snapshot: Snapshot) -> str:
    """How `used` was come by at the host door."""
    if snapshot.counted_exact:
        return "processes of the server whose titles name a client"
    return "processes of the server whose titles name a client, or are cut off or unknown: at most this"


def _active(snapshot: Snapshot) -> int | None:
    """Every row that says so; unknown where rows are hidden from us."""
    if any(backend.hidden for backend in snapshot.backends):
        return None
    return sum(backend.state == ACTIVE for backend in snapshot.backends)


def _active_differ(snapshot: Snapshot) -> str:
    """Which of them are no client's statement."""
    others = Counter(_kind(b) for b in snapshot.backends if b.state == ACTIVE and not b.is_client)
    listed = "".join(f", {count} {kind}" for kind, count in others.most_common())
    return f"running a statement now, our own look{listed} among them"


def _ours(snapshot: Snapshot, budget: SlotBudget) -> str:
    """How `used` was come by."""
    if snapshot.counted_used is None:
        text = "client backends, whoever owns them: what the server itself counts"
    elif snapshot.counted_exact:
        text = "rows are hidden from us; counted by the server's backend ids (17+), exact"
    else:
        text = "rows are hidden from us (16 and older): at most this, parallel and background workers may be in it"
    if snapshot.authenticating:
        text += f"; {snapshot.authenticating} that still log in and have no row, found by their locks"
    return text


def _reserves(snapshot: Snapshot, budget: SlotBudget) -> str:
    """What of max_connections is kept from ordinary roles."""
    server = snapshot.server
    parts = [f"{server.superuser_reserved} for superusers"]
    if server.version_num >= 160000 or server.reserved:
        parts.append(f"{server.reserved} for pg_use_reserved_connections")
    parts += [f"{slots} by {name}" for name, slots in server.provider_reserved.items()]
    return f"{budget.capacity} for ordinary roles; reserved: {', '.join(parts)}"


def _kind(backend: Backend) -> str:
    return HIDDEN_KIND if backend.backend_type is None else backend.backend_type


def _rows(snapshot: Snapshot, budget: SlotBudget) -> str:
    """Which rows hold no slot of max_connections."""
    others = Counter(_kind(b) for b in snapshot.backends if not b.is_client)
    if not others:
        return "the same rows as ours"
    listed = ", ".join(f"{count} {kind}" for kind, count in others.most_common())
    unborn = f", less {snapshot.authenticating} without a row" if snapshot.authenticating else ""
    return f"also {listed}{unborn}"


def _numbackends(snapshot: Snapshot) -> str:
    """What numbackends counts besides client backends, and what it leaves out."""
    extra = [b for b in snapshot.backends if b.database_oid and not may_hold_slot(b)]
    missing = [b for b in snapshot.backends if may_hold_slot(b) and not b.database_oid]
    parts = []
    if extra:
        kinds = Counter(_kind(backend) for backend in extra)
        parts.append("also " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    unborn = len(missing) + snapshot.authenticating
    if unborn:
        parts.append(f"without {unborn} that still log in")
    return "; ".join([*parts, "every process in a database, read up to 5 s ago"])


def cautions(snapshot: Snapshot) -> list[str]:
    """What no count from inside the server can show, for the foot of the screen."""
    server = snapshot.server
    found = []
    if server.pooled:
        found.append("Behind a pooler: these are the pool's server connections; its own clients may wait unseen.")
    if server.in_recovery:
        found.append("A standby: its slots are its own; the primary's are counted on the primary.")
    if server.is_in_the_clear:
        found.append(
            "Our own connection has no TLS: what it shows can be read on the way (sslmode=require asks for it)."
        )
    elif server.tls:
        found.append(f"Our own connection: {server.tls}.")
    found += [f"Of the conninfo: {note}." for note in server.notes]
    found += [f"Our role may not read {line}." for line in server.missing]
    found.append(
        "A login refused with 'sorry, too many clients already' while there is room here means connections that never"
        " finish logging in (port scans, stalled TLS, health checks): they take no slot and no row, but the postmaster"
        " limits them too; they end after authentication_timeout."
    )
    return found
