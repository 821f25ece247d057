"""What to do about a finding: texts to copy, with this server's numbers, valid on its version. Nothing is ever run.

Add a cause: a function in REMEDIES. Emergency steps come first, in order, then what keeps it from coming back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from pgtop_conn.model.causes.sessions import DUMPS
from pgtop_conn.model.causes.severity import FILLS_SHARE, leaked_pids, plural
from pgtop_conn.model.facts import Override
from pgtop_conn.model.findings import Case, Cause, Effect, Finding, Remedy, RemedyKind
from pgtop_conn.model.leaks.pool_statements import listens
from pgtop_conn.model.leaks.rules import Certainty, Mistake
from pgtop_conn.model.quoting import diagnose_command, shown, shown_app
from pgtop_conn.model.redaction.literals import shape
from pgtop_conn.model.remedies.code_fixes import FIXES, example
from pgtop_conn.model.remedies.connection_limits import database_limit, raised_limit, role_limit
from pgtop_conn.model.remedies.driver_settings import driver_settings
from pgtop_conn.model.remedies.drivers import recognised
from pgtop_conn.model.remedies.emergency import (
    aged,
    end_matching,
    end_one,
    largest,
    number_in,
    pool_filter,
    step,
    text_of,
    whole,
)
from pgtop_conn.model.remedies.pools import sessions_of, untouchable
from pgtop_conn.model.remedies.reserved_slots import authenticating, reserve, walsenders, way_in
from pgtop_conn.model.remedies.server_settings import applied, for_role, server_wide
from pgtop_conn.model.snapshot import ACTIVE, IDLE, TRANSACTION_STATES, Backend

#: Durations as PostgreSQL shows them, and their seconds.
DURATIONS: tuple[tuple[str, int], ...] = (
    *(("30s", 30), ("1min", 60), ("2min", 120), ("5min", 300), ("10min", 600), ("15min", 900), ("30min", 1800)),
    *(("1h", 3600), ("2h", 7200), ("4h", 14_400), ("8h", 28_800), ("1d", 86_400)),
)
#: A pool's own ways to retire an idle session take up to half an hour; a shorter timeout would surprise it.
LEAST_IDLE_S = 1800.0
#: A verdict that is open after a short watch is decided by then as a rule.
WATCH_LONGER_S = 60
#: A pool is seen to use its sessions in turn when so many were taken up again, and so many for each that it has.
IN_TURN_LEAST = 5
IN_TURN_SHARE = 1.0


def remedies_for(finding: Finding, case: Case) -> tuple[Remedy, ...]:
    """Emergency steps first, then what keeps it from coming back."""
    return applied(tuple(REMEDIES[finding.cause](finding, case)))


def at_least(seconds: float) -> str:
    """The shortest of DURATIONS that is not below.

    >>> at_least(0), at_least(61), at_least(1e9)
    ('30s', '2min', '1d')
    """
    return next((shown for shown, length in DURATIONS if length >= seconds), DURATIONS[-1][0])


def _leak(finding: Finding, case: Case) -> Iterator[Remedy]:
    app, role, database = (text_of(finding, name) for name in ("app", "role", "database"))
    if text_of(finding, "verdict") == Certainty.SUSPECTED:
        yield from _suspected(finding, case)
        return
    reason = untouchable(case, role)
    if reason is None:
        leaked = len(finding.sessions) or whole(finding, "idle_over")
        wanted = f"leak:yes {pool_filter(app=app, role=role, database=database)}"
        keys = f"Press l (leaks only), go to {shown_app(app)}, then x (terminate)"
        yield from end_matching(case, wanted, keys, f"frees up to {leaked} slots at once", leaked)
    else:
        yield step(
            f"Restart the application {shown_app(app)}", f"role {shown(role)} {reason}: it is not ended from here"
        )
    yield from _code(finding, case, app)
    yield from role_limit(case, role, finding.sessions)
    yield from database_limit(case, database, finding.sessions)
    yield from _idle_sessions(finding, case, role, database)
    if any(one.state in TRANSACTION_STATES for one in _sessions(finding, case)):
        yield from for_role(case, "idle_in_transaction_session_timeout", role, database)
    yield from _vanished_clients(case, role)
    yield from way_in(case)


def _suspected(finding: Finding, case: Case) -> Iterator[Remedy]:
    """What to do before it is known: nothing is ended, and leak:yes chooses none of them."""
    yield step(
        f"Look again: {diagnose_command(WATCH_LONGER_S)}",
        "pools that replace their sessions, and processes with a session each, look the same for a while; leak:yes"
        " chooses none of these sessions until it is known",
    )
    fix = FIXES.get(text_of(finding, "mistake"), FIXES[Mistake.NOT_RELEASED])
    advice = fix.advice.format(statement=text_of(finding, "statement") or "nothing")
    yield step(
        f"If {shown_app(text_of(finding, 'app'))} is known not to come back to them: {advice}",
        "if it is a leak, only the code ends it",
        Effect.NEW_SESSIONS,
    )
    yield from way_in(case)


def _code(finding: Finding, case: Case, app: str) -> Iterator[Remedy]:
    """What to change in the application, with an example where its driver is known.

    No size of its pool: what a pool that leaks or starves uses says nothing of what it needs.
    """
    fix = FIXES.get(text_of(finding, "mistake"), FIXES[Mistake.NOT_RELEASED])
    statement = text_of(finding, "statement") or "nothing"
    sessions = _sessions(finding, case)
    lasting = "the server fills again until the code is fixed: terminating sessions buys time"
    yield step(
        f"In {shown_app(app)}: {fix.advice.format(statement=statement)}",
        f"{fix.why.format(statement=statement)}; {lasting}",
        Effect.NEW_SESSIONS,
    )
    driver, told_by = recognised(app, sessions)
    code = example(driver.name, text_of(finding, "mistake")) if driver is not None else ""
    if driver is not None and code:
        yield Remedy(RemedyKind.DRIVER, code, Effect.NEW_SESSIONS, f"{driver.name}, recognised {told_by}")


def _client_wait(finding: Finding, case: Case) -> Iterator[Remedy]:
    apps, roles = largest(finding, "by_app"), largest(finding, "by_role")
    count, sessions = whole(finding, "count"), _sessions(finding, case)
    ordinary = [role for role in roles if untouchable(case, role) is None]
    why = f"{count} sessions hold a slot while their clients do something else"
    if ordinary or not roles:
        wanted = f"wait:Client {aged('query_age', sessions, case)}{_only(apps)} state:active"
        yield from end_matching(case, wanted, f"Press / and type {wanted}, then x (terminate) on the group", why, count)
    fix = FIXES[Mistake.UNREAD_RESULT]
    for app in apps[:2]:
        own = [one for one in sessions if one.app == app]
        statement = shape(own[0].query) if own else "nothing"
        yield step(f"In {shown_app(app)}: {fix.advice.format(statement=statement)}", fix.why, Effect.NEW_SESSIONS)
        driver, told_by = recognised(app, own)
        code = example(driver.name, Mistake.UNREAD_RESULT) if driver is not None else ""
        if driver is not None and code:
            yield Remedy(RemedyKind.DRIVER, code, Effect.NEW_SESSIONS, f"{driver.name}, recognised {told_by}")
    yield from _vanished_clients(case, ordinary[0] if ordinary else "")


def _idle_sessions(finding: Finding, case: Case, role: str, database: str) -> Iterator[Remedy]:
    habit_s = number_in(finding, "habit_s") or 0.0
    if case.snapshot.server.version_num < 140_000:
        text = "End forgotten idle sessions on the client's side: this version has no idle_session_timeout (14 has it)"
        yield step(text, "only the pool, or a job that runs the command above, can do it on this server")
        return
    because = f"its own habit is to take a session up again within {habit_s:.0f} s" if habit_s else ""
    waiting = sum(1 for one in sessions_of(case) if one.role == role and listens(one.query))
    if waiting:
        because += f"{'; ' if because else ''}it would end the {waiting} sessions that LISTEN, too"
    value = at_least(max(LEAST_IDLE_S, 4 * habit_s))
    yield from for_role(case, "idle_session_timeout", role, database, value=value, because=because)


def _vanished_clients(case: Case, role: str) -> Iterator[Remedy]:
    """Keepalives, where clients come over a network at all."""
    own = [one for one in sessions_of(case) if one.role == role] or list(sessions_of(case))
    if own and all(one.client == "local" for one in own):
        return
    roles = (role,) if role else ()
    for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"):
        yield from server_wide(case, name, roles=roles)


def _traffic(finding: Finding, case: Case) -> Iterator[Remedy]:
    apps = largest(finding, "by_app")
    active = [one for one in sessions_of(case) if one.state == ACTIVE]
    text = "Press b (blockers), then sort by query age: rule out one session behind which all others wait"
    yield step(
        text, f"{whole(finding, 'active')} sessions are active; ended one by one they come back with the next request"
    )
    if apps:
        own = [one for one in active if one.app == apps[0]]
        wanted = " ".join(filter(None, (pool_filter(app=apps[0]), "state:active", aged("query_age", own, case))))
        text = f"Press / and type {wanted}, then c (cancel) on what is not needed"
        yield step(text, "a cancel frees no slot, but what was waiting for the same work gets on")
        yield step(
            f"Let {shown_app(apps[0])} take in less: its load balancer, queue or job scheduler",
            "the load comes from outside; freed slots fill again until it falls",
        )
    for role in _roles_of(active):
        yield from role_limit(case, role)
        yield from for_role(case, "statement_timeout", role, value=at_least(4 * _longest_s(case, role, active)))
    yield from server_wide(case, "client_connection_check_interval", roles=_roles_of(active))
    yield from driver_settings(case, apps[:2])
    yield from way_in(case)
    yield step(
        "Put a pooler in front: its section is in the sizing below",
        "it lets more clients in than there are slots, and queues them where waiting costs nothing",
        Effect.NEW_SESSIONS,
    )


def _longest_s(case: Case, role: str, active: Iterable[Backend]) -> float:
    """The longest statement of a role that runs now, a quarter minute at the least."""
    ages = (one.query_s(case.snapshot.taken_at) or 0.0 for one in active if one.role == role)
    return max(15.0, *ages, 15.0)


def _roles_of(backends: Iterable[Backend], most: int = 2) -> tuple[str, ...]:
    """The roles with the most of these sessions."""
    return tuple(role for role, _ in Counter(one.role for one in backends if one.role).most_common(most))


def _sessions(finding: Finding, case: Case) -> list[Backend]:
    wanted = set(finding.sessions)
    return [one for one in case.snapshot.backends if one.pid in wanted]


def _blocker(finding: Finding, case: Case) -> Iterator[Remedy]:
    pid, role, database = whole(finding, "pid"), text_of(finding, "role"), text_of(finding, "database")
    state, frees = text_of(finding, "state"), whole(finding, "frees")
    behind = "1 session waits" if frees == 1 else f"{frees} sessions wait"
    if not pid:
        yield step(
            "Find the prepared transaction in pg_prepared_xacts, and COMMIT PREPARED or ROLLBACK PREPARED it",
            f"{behind} for a transaction that no session holds",
        )
        return
    then = "" if untouchable(case, role) else ", then x (terminate)"
    yield step(
        f"Press b (blockers), go to {pid}, look at its query{then}",
        f"{behind} behind it, each in its slot",
    )
    yield from end_one(case, pid, f"lets {plural(frees, 'waiting session')} go on")
    if state in TRANSACTION_STATES:
        yield from for_role(case, "idle_in_transaction_session_timeout", role, database)
    elif state == ACTIVE:
        length = at_least(max(60.0, (number_in(finding, "state_s") or 0.0) / 2))
        yield from for_role(case, "statement_timeout", role, database, value=length)
    waiters = [one for one in _sessions(finding, case) if one.pid != pid] or _waiting(case)
    for waiter in _roles_of(waiters):
        yield from for_role(case, "lock_timeout", waiter)
    yield from for_role(case, "transaction_timeout", role, database)


def _waiting(case: Case) -> list[Backend]:
    return [one for one in sessions_of(case) if one.blocked_by]


def _idle_in_transaction(finding: Finding, case: Case) -> Iterator[Remedy]:
    apps, roles = largest(finding, "by_app"), largest(finding, "by_role")
    count = whole(finding, "count")
    ordinary = [role for role in roles if untouchable(case, role) is None]
    why = f"{count} sessions hold transactions open, the oldest for {whole(finding, 'oldest_s')} s"
    if ordinary or not roles:
        age = aged("state_age", _sessions(finding, case), case)
        wanted = f"state:in-transaction,aborted {age}{_only(apps) or _but_dumps(case)}"
        keys = f"Press / and type {wanted}, then x (terminate) on the group"
        yield from end_matching(case, wanted, keys, f"{why}; what they have not committed is rolled back", count)
    else:
        reasons = ", ".join(f"role {shown(role)} {untouchable(case, role)}" for role in roles)
        yield step("Have them committed or rolled back by whoever runs them", f"{why}; {reasons}")
    yield from server_wide(case, "idle_in_transaction_session_timeout", roles=ordinary)
    for role in ordinary:
        if any(one.role == role for one in _overrides(case, "idle_in_transaction_session_timeout")):
            for database in _databases_of(case, role):
                yield from for_role(case, "idle_in_transaction_session_timeout", role, database)
    for role in ordinary[:2]:
        yield from for_role(case, "transaction_timeout", role)
    for app in apps[:2]:
        yield step(
            f"In {shown_app(app)}: commit or roll back in a finally block, use autocommit for reads, call nothing slow"
            " (HTTP, mail) while a transaction is open",
            "a timeout ends the session; only the code keeps it from getting there",
            Effect.NEW_SESSIONS,
        )


def _only(apps: Collection[str]) -> str:
    """The term for one application, where it is the only one."""
    return "".join(f" {pool_filter(app=app)}" for app in apps) if len(apps) == 1 else ""


def _but_dumps(case: Case) -> str:
    """The term that leaves those alone that keep a transaction open on purpose, where there are any."""
    return f" !app:{','.join(sorted(DUMPS))}" if any(one.app in DUMPS for one in sessions_of(case)) else ""


def _overrides(case: Case, name: str) -> list[Override]:
    return [one for one in case.facts.overrides if one.name == name and one.role]


def _databases_of(case: Case, role: str) -> list[str]:
    """The databases a role is connected to, the first two by name; one without a name where it is in none."""
    return sorted({one.database for one in sessions_of(case) if one.role == role})[:2] or [""]


def _oversized_pool(finding: Finding, case: Case) -> Iterator[Remedy]:
    app, role, database = (text_of(finding, name) for name in ("app", "role", "database"))
    count, peak = whole(finding, "count"), whole(finding, "peak_active")
    # Where it is about many small pools together, no application is named.
    many = finding.evidence.get("app") is None
    which = "the pools of the largest applications" if many else f"the pool of {shown_app(app)}"
    watched_s, reused = whole(finding, "watched_s"), whole(finding, "reused")
    # Only what was seen to be taken up again is known to be in order.
    known = reused >= max(IN_TURN_LEAST, IN_TURN_SHARE * count)
    told = (
        f"its sessions were taken up again {reused} times, so terminating them only makes the pool open new ones"
        if known
        else f"whether all of its sessions are given back is not known yet: watched for {watched_s} s"
    )
    yield step(
        f"Make {which} smaller",
        f"{count} sessions for {peak} that were active at once in {watched_s} s; {told}",
        Effect.NEW_SESSIONS,
    )
    yield from driver_settings(case, None if many else (app,))
    yield from role_limit(case, role)
    yield from database_limit(case, database)


def _role_limit(finding: Finding, case: Case) -> Iterator[Remedy]:
    yield from _at_limit(finding, case, "role")


def _database_limit(finding: Finding, case: Case) -> Iterator[Remedy]:
    yield from _at_limit(finding, case, "database")


def _at_limit(finding: Finding, case: Case, kind: str) -> Iterator[Remedy]:
    name, limit, used = text_of(finding, "name"), whole(finding, "limit"), whole(finding, "used")
    wanted = pool_filter(**{kind: name})
    held = [one for one in sessions_of(case) if (one.role if kind == "role" else one.database) == name]
    resting = [one for one in held if one.state == IDLE]
    idle = " ".join(filter(None, ("state:idle", aged("idle", resting, case), wanted)))
    reason = untouchable(case, name) if kind == "role" else None
    if not resting:
        working = f"{kind} {shown(name)} uses {used} of {limit}, and none of them is idle: each is needed"
        yield step(f"Press / and type {wanted}: look at what they do", working)
    elif used and reason is None:
        why = f"{kind} {shown(name)} uses {used} of {limit}; each idle session that ends lets one login in"
        yield from end_matching(case, idle, f"Press / and type {idle}, then x (terminate) on the group", why, used)
    lost = len(leaked_pids(case).intersection(one.pid for one in held))
    leaks = lost > 0 and lost >= FILLS_SHARE * len(held)
    raised = () if leaks else raised_limit(case, kind, name, limit, used)
    yield from raised
    if reason is not None:
        yield step(f"Ask whoever administers role {shown(name)} for a higher limit", f"it {reason}")
    elif leaks:
        yield step(
            f"Leave the limit of {kind} {shown(name)} at {limit}: end what is leaked",
            f"{lost} of its {len(held)} sessions look leaked, and a higher limit would be taken by more of them",
        )
    elif not raised:
        yield step(
            f"Leave the limit of {kind} {shown(name)} at {limit}: the server has no slots to back a higher one",
            f"{case.budget.ordinary_free} slots are free for ordinary roles",
        )
    yield from driver_settings(case, [app for app, _ in Counter(one.app for one in held).most_common(2)])


def _reconnect_storm(finding: Finding, case: Case) -> Iterator[Remedy]:
    apps = largest(finding, "by_app")
    rate = number_in(finding, "per_second") or 0.0
    named = ", ".join(shown_app(app) for app in apps) or "the applications"
    restarted_s, lifetime_s = number_in(finding, "restarted_s"), number_in(finding, "lifetime_s")
    after = f" after the server's restart {restarted_s:.0f} s ago" if restarted_s is not None else ""
    yield step(
        f"Let {named} connect again with growing pauses and jitter, and hold back half of the instances until it calms",
        f"{rate:.1f} logins a second{after}; each costs a process, and fails while no slot is free",
    )
    if lifetime_s is not None:
        yield step(
            f"Use one pool in each process of {named} instead of a connection for each request",
            f"sessions live about {lifetime_s:.1f} s" if lifetime_s >= 0.1 else "sessions live for a moment",
            Effect.NEW_SESSIONS,
        )
    yield from driver_settings(case, apps[:2])
    stormy = [one for one in sessions_of(case) if one.app in apps]
    for role in _roles_of(stormy):
        yield from role_limit(case, role)
    yield from server_wide(case, "authentication_timeout")
    yield from server_wide(case, "client_connection_check_interval", roles=_roles_of(stormy))
    yield from server_wide(case, "log_connections")
    yield from server_wide(case, "log_disconnections")


REMEDIES: Mapping[Cause, Callable[[Finding, Case], Iterable[Remedy]]] = {
    Cause.LEAK: _leak,
    Cause.TRAFFIC: _traffic,
    Cause.BLOCKER: _blocker,
    Cause.IDLE_IN_TRANSACTION: _idle_in_transaction,
    Cause.CLIENT_WAIT: _client_wait,
    Cause.OVERSIZED_POOL: _oversized_pool,
    Cause.ROLE_LIMIT: _role_limit,
    Cause.DATABASE_LIMIT: _database_limit,
    Cause.RESERVE: reserve,
    Cause.AUTHENTICATING: authenticating,
    Cause.WALSENDERS: walsenders,
    Cause.RECONNECT_STORM: _reconnect_storm,
}
