"""Emergency steps: which sessions to end first, by identity or by a filter, through the guards. Nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from pgtop_conn.model.findings import Case, Effect, Finding, Remedy, RemedyKind
from pgtop_conn.model.quoting import filter_value, kill_command, shown, timestamp
from pgtop_conn.model.remedies.pools import untouchable
from pgtop_conn.model.signalling.guards import Care, Policy, judge, useless_cancel
from pgtop_conn.model.snapshot import Backend

_GUARDED = "replication, superusers and the provider's own roles are left out by the program itself"
IBM = "IBM Cloud"
#: Durations that a remedy's filter names, the longest first.
_AGES: Sequence[tuple[str, float]] = (
    *(("10m", 600.0), ("5m", 300.0), ("2m", 120.0), ("1m", 60.0), ("30s", 30.0), ("10s", 10.0), ("5s", 5.0)),
)


def step(text: str, why: str, effect: Effect = Effect.NOW) -> Remedy:
    """Something to do by hand."""
    return Remedy(RemedyKind.STEP, text, effect, why)


def sql(text: str, why: str, effect: Effect = Effect.NOW) -> Remedy:
    """A statement that only looks."""
    return Remedy(RemedyKind.SQL, text, effect, why)


def end_matching(case: Case, wanted: str, keys: str, why: str, count: int = 0) -> tuple[Remedy, ...]:
    """The key and the command line for the sessions of a filter; nobody is ended without a second look."""
    most = f" --max {count}" if count > 10 else ""
    repeat = f"{why}; the command takes the connection options too; when its list is right: --yes{most} for --dry-run"
    return (step(keys, f"{why}; {_GUARDED}"), step(kill_command(wanted), repeat), *ibm_note(case))


def ibm_note(case: Case) -> tuple[Remedy, ...]:
    """What IBM offers ends healthy sessions too."""
    if case.snapshot.server.provider != IBM:
        return ()
    text = "Leave kill_all_connections() alone while a narrower step is left"
    why = (
        "IBM Cloud has this function, and it is named here only so that you know it: it ends every session, those that"
        " work included, so this program never calls it"
    )
    return (step(text, why),)


def end_one(case: Case, pid: int, why: str) -> tuple[Remedy, ...]:
    """A statement that ends one session by its identity, unless a guard has something against it."""
    backend = case.snapshot.find(pid)
    if backend is None:
        return (step(f"Look for what replaced session {pid}: it is not there any more", why),)
    verdict = judge(backend, case.snapshot, Policy())
    if verdict.care >= Care.TYPE_ROLE or untouchable(case, backend.role) or backend.key.backend_start is None:
        reasons = "; ".join(verdict.reasons) or f"role {shown(backend.role)} {untouchable(case, backend.role)}"
        return (step(f"Ask whoever runs session {pid} (role {shown(backend.role)}) to end it", f"{why}; {reasons}"),)
    remedies = []
    if useless_cancel(backend) is None:
        cancel = f"{why}; try it first: it ends the statement and leaves the session"
        remedies.append(sql(_signal(backend, "pg_cancel_backend"), cancel))
    mind = f"; mind: {', '.join(verdict.reasons)}" if verdict.reasons else ""
    bound = "bound to the session's beginning, so that a pid used anew is left alone"
    remedies.append(sql(_signal(backend, "pg_terminate_backend"), f"{why}; {bound}{mind}"))
    return tuple(remedies)


def _signal(backend: Backend, function: str) -> str:
    start = backend.key.backend_start
    assert start is not None
    return (
        f"SELECT {function}(a.pid) FROM pg_stat_activity a WHERE a.pid = {backend.pid}"
        f" AND a.backend_start = {timestamp(start)};"
    )


def aged(key: str, sessions: Sequence[Backend], case: Case) -> str:
    """The term of a filter for the longest round duration that most of these sessions are past, so that it matches
    now; "" where that is too short. `key` is query_age, or a term on the time in a state."""
    at = case.snapshot.taken_at
    age_of = Backend.query_s if key == "query_age" else Backend.state_s
    reached = median(age_of(one, at) or 0.0 for one in sessions) if sessions else 0.0
    term = next((text for text, seconds in _AGES if reached > seconds), "")
    return f"{key}>{term}" if term else ""


def pool_filter(*, app: str | None = None, role: str = "", database: str = "") -> str:
    """The terms that name a pool; an empty application is one too, and None is any."""
    terms = [] if app is None else [f"app:{filter_value(app)}"]
    terms += [f"{key}:{filter_value(name)}" for key, name in (("role", role), ("db", database)) if name]
    return " ".join(terms)


def text_of(finding: Finding, name: str) -> str:
    """A text of the evidence; "" where it is not there."""
    value = finding.evidence.get(name)
    return value if isinstance(value, str) else ""


def number_in(finding: Finding, name: str) -> float | None:
    """A number of the evidence; None where it is not there."""
    value = finding.evidence.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(finding: Finding, name: str) -> int:
    """A count of the evidence; 0 where it is not there."""
    return int(number_in(finding, name) or 0)


def largest(finding: Finding, name: str, most: int = 3) -> tuple[str, ...]:
    """The names with the highest counts of a table in the evidence, like by_app."""
    table = finding.evidence.get(name)
    if not isinstance(table, Mapping):
        return ()
    counted = [(key, value) for key, value in table.items() if isinstance(key, str) and isinstance(value, int | float)]
    return tuple(key for key, _ in sorted(counted, key=lambda item: (-item[1], item[0]))[:most])
