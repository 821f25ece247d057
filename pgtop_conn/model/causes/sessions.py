"""Causes that sessions are at fault of: leaks, traffic, lock waits, open transactions.

Each is a function from a case to its findings; diagnosis.CAUSES lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pgtop_conn.model.causes.pile_ups import pile_ups
from pgtop_conn.model.causes.severity import (
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
from pgtop_conn.model.findings import Case, Cause, Finding, Severity
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.leaks.wording import span
from pgtop_conn.model.signalling.busy_queries import busy_with
from pgtop_conn.model.slots import Level
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, FASTPATH, TRANSACTION_STATES, Backend, waits_for_client

#: Fewer active sessions are no spike.
LEAST_ACTIVE = 5
#: The share of used slots that active sessions must hold; on a server with room, the share of what ordinary roles have.
ACTIVE_SHARE = 0.25
ACTIVE_SHARE_CALM = 0.5

#: A suspicion explains a server that refuses logins from this share of its slots on.
SUSPECTED_SHARE = 0.25
#: From this number on, sessions that wait for their client are a pattern.
SEVERAL_WAITS = 3
#: An open transaction that does nothing counts from here when there are several, and one alone from there.
IN_TRANSACTION_S = 5.0
SEVERAL_TRANSACTIONS = 3
ONE_TRANSACTION_S = 60.0
#: One that holds back vacuum for so long is a warning on any server.
LONG_TRANSACTION_S = 300.0
#: These keep a transaction open on purpose.
DUMPS = frozenset({"pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup"})


def leak(case: Case) -> Iterator[Finding]:
    """A finding for each pool that loses its sessions, and where slots are short for each that may."""
    for one in case.observation.leaks(case.snapshot):
        yield _leak(case, one, one.sentence, severity(case, len(one.sessions), Severity.WARNING))
    if case.budget.level is Level.OK:
        return
    for one in case.observation.suspects(case.snapshot):
        watched = span(case.observation.watched_s(case.snapshot))
        words = f"{one.sentence}; not known yet to be a leak: watched for {watched}"
        yield _leak(case, one, words, severity(case, len(one.sessions), share=SUSPECTED_SHARE))


def _leak(case: Case, leak: Leak, words: str, how: Severity) -> Finding:
    sessions = tuple(sorted(key.pid for key in leak.sessions))
    return Finding(
        Cause.LEAK, how, words + hidden_note(case), dict(leak.evidence), sessions, weight=float(len(sessions))
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


def client_wait(case: Case) -> Iterator[Finding]:
    """Sessions in the middle of a result that their client neither reads on nor closes."""
    at, leaked = case.snapshot.taken_at, leaked_pids(case)
    found = [one for one in case.clients if waits_for_client(one, at) and not copies(one)]
    if len(found) < SEVERAL_WAITS or leaked.issuperset(one.pid for one in found):
        return
    oldest_s, apps = max(one.state_s(at) or 0.0 for one in found), by_app(found)
    unread = sum(one.wait_event == "ClientWrite" for one in found)
    yield Finding(
        Cause.CLIENT_WAIT,
        severity(case, len(found), Severity.WARNING),
        f"{plural(len(found), 'session')} wait for their client in the middle of a statement, the longest for"
        f" {span(oldest_s)}: {most(apps)}" + hidden_note(case),
        {
            "count": len(found),
            "oldest_s": oldest_s,
            # The others wait for the client to send the rest of a request.
            "unread_results": unread,
            "by_app": apps,
            "by_role": ranked(Counter(one.role for one in found)),
        },
        pids(found),
        weight=float(len(found)),
    )


def copies(backend: Backend) -> bool:
    """Whether the client's pace is what the statement is about."""
    return busy_with(backend.query) == "COPY" or backend.app in DUMPS


def _open(case: Case) -> list[Backend]:
    """Transactions that do nothing, but for those that dump, or that others pile up behind."""
    piled = {pile.pid for pile in pile_ups(case.snapshot)}
    return [
        backend
        for backend in case.clients
        if backend.state in TRANSACTION_STATES
        and backend.pid not in piled
        and backend.app not in DUMPS
        and (backend.state_s(case.snapshot.taken_at) or 0.0) >= IN_TRANSACTION_S
    ]


def idle_in_transaction(case: Case) -> Iterator[Finding]:
    """Transactions that are open and do nothing: they hold slots, locks, and back vacuum.

    Those of a leak are counted with the others, and are no finding by themselves.
    """
    at = case.snapshot.taken_at
    found, leaked = _open(case), leaked_pids(case)
    others = [backend for backend in found if backend.pid not in leaked]
    blocking = {pid for backend in case.snapshot.backends for pid in backend.blocked_by}
    blocks = any(backend.pid in blocking for backend in others)
    several = len(others) >= SEVERAL_TRANSACTIONS
    if not several and _oldest_s(others, at) < ONE_TRANSACTION_S and not blocks:
        return
    aborted = sum(1 for backend in found if backend.state == ABORTED)
    holds_xmin = sum(1 for backend in found if backend.holds_xmin)
    oldest_s = _oldest_s(found, at)
    hurts = (holds_xmin and oldest_s >= LONG_TRANSACTION_S) or blocks
    count, lost, apps = len(found), len(found) - len(others), by_app(found)
    details = [f"the oldest for {span(oldest_s)}"]
    details += [f"{lost} of them leaked"] if lost else []
    details += [f"{aborted} aborted"] if aborted else []
    details += [f"{holds_xmin} hold{'s' if holds_xmin == 1 else ''} back vacuum"] if holds_xmin else []
    verb = "is" if count == 1 else "are"
    yield Finding(
        Cause.IDLE_IN_TRANSACTION,
        severity(case, len(others), Severity.WARNING if hurts or several else Severity.INFO),
        f"{plural(count, 'session')} {verb} idle in a transaction, {', '.join(details)}: {most(apps)}"
        + hidden_note(case),
        {
            "count": count,
            "oldest_s": oldest_s,
            "aborted": aborted,
            "holds_xmin": holds_xmin,
            "leaked": lost,
            "by_app": apps,
            "by_role": ranked(Counter(backend.role for backend in found)),
        },
        pids(found),
        weight=float(len(others)),
    )


def _oldest_s(found: Sequence[Backend], at: float) -> float:
    return max((backend.state_s(at) or 0.0 for backend in found), default=0.0)
