"""Reconnect storms: sessions that come and go in masses, and everybody coming back after a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pgtop_conn.model.causes.severity import by_app, doubtful_pids, most, pids, plural, ranked, severity
from pgtop_conn.model.findings import Case, Cause, Finding, Severity
from pgtop_conn.model.leaks.wording import span
from pgtop_conn.model.snapshot import Backend

#: Sessions a second that begin and end again: a pool's own comings and goings stay below.
STORM_PER_SECOND = 5.0
#: From here on it is a warning on any server.
HEAVY_PER_SECOND = 10.0
#: Where the server doesn't count them, only sessions that live from one poll to the next are seen (13).
SEEN_PER_SECOND = 2.0
SEEN_FOR_S = 5.0
#: Of the sessions that begin, this share ends.
ENDED_SHARE = 0.5

#: An application is named when so many of its sessions were seen to begin and end, and such a share of the most.
LEAST_CHURNED = 2
CHURNED_SHARE = 0.1

#: A restart is of interest for so long, when so many came back, this many of them within one second.
RESTARTED_WITHIN_S = 120.0
LEAST_RETURNED = 10
RETURNED_PER_SECOND = 5


def reconnect_storm(case: Case) -> Iterator[Finding]:
    """After a restart everybody comes at once; without one, somebody uses a session for each request."""
    found = _after_restart(case) or _counted(case) or _seen(case)
    if found is not None:
        yield found


def _after_restart(case: Case) -> Finding | None:
    """Only a restart that was watched: how long ago a server began says nothing of who was there before."""
    at, restarted_at = case.snapshot.taken_at, case.observation.history.restarted_at
    if restarted_at is None or at - restarted_at > RESTARTED_WITHIN_S:
        return None
    returned = [backend for backend in case.clients if backend.key.backend_start is not None]
    per_second = _busiest_second(returned)
    if len(returned) < LEAST_RETURNED or per_second < RETURNED_PER_SECOND:
        return None
    restarted_s, apps = max(0.0, at - restarted_at), by_app(returned)
    return Finding(
        Cause.RECONNECT_STORM,
        severity(case, len(returned), Severity.WARNING),
        f"the server restarted {span(restarted_s)} ago and {plural(len(returned), 'session')} are back,"
        f" {per_second} within one second: {most(apps)}",
        {"per_second": float(per_second), "lifetime_s": None, "by_app": apps, "restarted_s": restarted_s},
        pids(returned),
        weight=float(len(returned)),
    )


def _busiest_second(backends: Sequence[Backend]) -> int:
    """The most logins within one second."""
    starts = sorted(start for backend in backends if (start := backend.key.backend_start) is not None)
    best = first = 0
    for last, start in enumerate(starts):
        while start - starts[first] > 1.0:
            first += 1
        best = max(best, last - first + 1)
    return best


def _counted(case: Case) -> Finding | None:
    """By the server's own count of sessions (14+), less those that are still there."""
    churn = case.observation.history.churn()
    if churn is None or churn.opened is None or churn.over_s <= 0 or churn.opened < STORM_PER_SECOND:
        return None
    at = case.snapshot.taken_at
    young = [one for one in case.clients if (age := one.session_s(at)) is None or age <= churn.over_s]
    ended = churn.opened - len(young) / churn.over_s
    if ended < max(STORM_PER_SECOND, ENDED_SHARE * churn.opened):
        return None
    young = _passing(case, young)
    return _storm(case, churn.opened, len(young) / churn.opened, young)


def _seen(case: Case) -> Finding | None:
    """By the sessions that polls saw begin and end (13 and older)."""
    churn = case.observation.history.churn()
    if churn is not None and churn.opened is not None:
        return None
    arrivals = departures = watched_s = 0.0
    for pool in case.observation.habits.pools():
        habit = case.observation.habits.of(pool)
        arrivals += habit.arrivals
        departures += habit.departures
        watched_s = max(watched_s, habit.watched_s)
    if watched_s < SEEN_FOR_S or departures < ENDED_SHARE * arrivals or departures / watched_s < SEEN_PER_SECOND:
        return None
    at = case.snapshot.taken_at
    young = _passing(case, [one for one in case.clients if (age := one.session_s(at)) is not None and age <= watched_s])
    return _storm(case, arrivals / watched_s, len(young) * watched_s / arrivals, young)


def _storm(case: Case, per_second: float, lifetime_s: float, young: Sequence[Backend]) -> Finding:
    apps = _churners(case) or by_app(young)
    lasting = f"after {span(lifetime_s)} or so" if lifetime_s >= 0.1 else "within a moment"
    return Finding(
        Cause.RECONNECT_STORM,
        severity(case, len(young), Severity.WARNING if per_second >= HEAVY_PER_SECOND else Severity.INFO),
        f"{per_second:.1f} sessions begin every second and end {lasting}"
        + (f": seen to come and go: {most(apps)}" if apps else ""),
        {"per_second": per_second, "lifetime_s": lifetime_s, "by_app": apps, "restarted_s": None},
        pids(young),
        weight=float(len(young)),
    )


def _passing(case: Case, young: Sequence[Backend]) -> list[Backend]:
    """Without those that look leaked: they began, too, and do not end."""
    lost = doubtful_pids(case)
    return [one for one in young if one.pid not in lost]


def _churners(case: Case) -> dict[str, int]:
    """Sessions of each application that polls saw begin and end, whether or not one is there now.

    Who churns is who ends: an application that leaks is not named for the few of its sessions that went.
    """
    lost = doubtful_pids(case)
    leaking = {backend.pool for backend in case.clients if backend.pid in lost}
    others: Counter[str] = Counter()
    leaks: Counter[str] = Counter()
    for pool in case.observation.habits.pools():
        habit = case.observation.habits.of(pool)
        counts = leaks if (pool.app, pool.role, pool.database) in leaking else others
        counts[pool.app] += min(habit.arrivals, habit.departures)
    named = {app: count for app, count in (others if others.total() else leaks).items() if count >= LEAST_CHURNED}
    return ranked({app: count for app, count in named.items() if count >= CHURNED_SHARE * max(named.values())})
