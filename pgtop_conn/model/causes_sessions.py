"""Causes that sessions are at fault of: leaks, traffic, lock waits, open transactions.

Each is a function from a case to its findings; diagnosis.CAUSES lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pgtop_conn.model.findings import Case, Cause, Finding, Severity
from pgtop_conn.model.leak_words import span
from pgtop_conn.model.pile_ups import pile_ups
from pgtop_conn.model.slots import Level
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, FASTPATH, TRANSACTION_STATES, Backend
from pgtop_conn.model.weighing import (
    by_app,
    hidden_note,
    leaked_pids,
    most,
    pids,
    plural,
    ranked,
    severity,
    share_of,
)

#: Fewer active sessions are no spike.
LEAST_ACTIVE = 5
#: The share of used slots that active sessions must hold; on a server with room, the share of what ordinary roles have.
ACTIVE_SHARE = 0.25
ACTIVE_SHARE_CALM = 0.5

#: An open transaction that does nothing counts from here when there are several, and one alone from there.
IN_TRANSACTION_S = 5.0
SEVERAL_TRANSACTIONS = 3
ONE_TRANSACTION_S = 60.0
#: One that holds back vacuum for so long is a warning on any server.
LONG_TRANSACTION_S = 300.0
#: These keep a transaction open on purpose.
DUMPS = frozenset({"pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup"})


def leak(case: Case) -> Iterator[Finding]:
    """A finding for each pool that loses its sessions."""
    for one in case.observation.leaks(case.snapshot):
        sessions = tuple(sorted(key.pid for key in one.sessions))
        yield Finding(
            Cause.LEAK,
            severity(case, len(sessions), Severity.WARNING),
            one.sentence + hidden_note(case),
            dict(one.evidence),
            sessions,
            weight=float(len(sessions)),
        )


def traffic(case: Case) -> Iterator[Finding]:
    """Sessions that really work: a session that waits for a lock belongs to its blocker, one for its client to it."""
    working = [
        backend
        for backend in case.clients
        if backend.state in (ACTIVE, FASTPATH)
        and not backend.hidden
        and backend.wait_event_type not in ("Lock", "Client")
    ]
    active, used = len(working), case.budget.used
    calm = case.budget.level is Level.OK
    least = ACTIVE_SHARE_CALM * case.budget.capacity if calm else ACTIVE_SHARE * used
    if active < max(LEAST_ACTIVE, least):
        return
    apps, share = by_app(working), share_of(active, used)
    yield Finding(
        Cause.TRAFFIC,
        severity(case, active),
        f"{active} of {used} slots in use do work at this moment ({int(100 * share)} %): {most(apps)}"
        + hidden_note(case),
        {"active": active, "used": used, "share": share, "by_app": apps},
        pids(working),
        weight=float(active),
    )


def blocker(case: Case) -> Iterator[Finding]:
    """A finding for each session that others pile up behind."""
    for pile in pile_ups(case.snapshot):
        slots = len(pile.sessions)
        calm = Severity.CRITICAL if pile.many else Severity.WARNING
        yield Finding(
            Cause.BLOCKER, severity(case, slots, calm), pile.sentence, pile.evidence, pile.sessions, weight=float(slots)
        )


def _forgotten(case: Case) -> list[Backend]:
    """Transactions that do nothing, but for those that are leaked, that dump, or that others pile up behind."""
    elsewhere = leaked_pids(case) | {pile.pid for pile in pile_ups(case.snapshot)}
    return [
        backend
        for backend in case.clients
        if backend.state in TRANSACTION_STATES
        and backend.pid not in elsewhere
        and backend.app not in DUMPS
        and (backend.state_s(case.snapshot.taken_at) or 0.0) >= IN_TRANSACTION_S
    ]


def idle_in_transaction(case: Case) -> Iterator[Finding]:
    """Transactions that are open and do nothing: they hold slots, locks, and back vacuum."""
    at = case.snapshot.taken_at
    found = _forgotten(case)
    ages = [backend.state_s(at) or 0.0 for backend in found]
    oldest_s = max(ages, default=0.0)
    blocking = {pid for backend in case.snapshot.backends for pid in backend.blocked_by}
    blocks = any(backend.pid in blocking for backend in found)
    if len(found) < SEVERAL_TRANSACTIONS and oldest_s < ONE_TRANSACTION_S and not blocks:
        return
    aborted = sum(1 for backend in found if backend.state == ABORTED)
    holds_xmin = sum(1 for backend in found if backend.holds_xmin)
    hurts = (holds_xmin and oldest_s >= LONG_TRANSACTION_S) or blocks
    count, apps = len(found), by_app(found)
    details = [f"the oldest for {span(oldest_s)}"]
    details += [f"{aborted} aborted"] if aborted else []
    details += [f"{holds_xmin} hold{'s' if holds_xmin == 1 else ''} back vacuum"] if holds_xmin else []
    verb = "is" if count == 1 else "are"
    yield Finding(
        Cause.IDLE_IN_TRANSACTION,
        severity(case, count, Severity.WARNING if hurts or count >= SEVERAL_TRANSACTIONS else Severity.INFO),
        f"{plural(count, 'session')} {verb} idle in a transaction, {', '.join(details)}: {most(apps)}"
        + hidden_note(case),
        {
            "count": count,
            "oldest_s": oldest_s,
            "aborted": aborted,
            "holds_xmin": holds_xmin,
            "by_app": apps,
            "by_role": ranked(Counter(backend.role for backend in found)),
        },
        pids(found),
        weight=float(count),
    )
