"""What a diagnosis found, as the JSON of `diagnose --json` and in words: evidence, effects, what could not be known.

Add a sentence about what is not known: one entry in UNKNOWNS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from pgtop_conn.model.causes.severity import most, ranked
from pgtop_conn.model.facts import REFUSALS, Facts
from pgtop_conn.model.findings import Case, Effect, Finding, Remedy
from pgtop_conn.model.history.trend import RATE_NEEDS_S
from pgtop_conn.model.slots import Level
from pgtop_conn.model.snapshot import DISABLED, HIDDEN_STATE, HOST_DOOR, Counters
from pgtop_conn.view import format

Document = dict[str, object]

#: When a remedy takes effect, in words.
EFFECTS: Mapping[Effect, str] = {
    Effect.NOW: "takes effect now",
    Effect.RELOAD: "takes effect after a reload",
    Effect.RESTART: "needs a restart of the server",
    Effect.NEW_SESSIONS: "for new sessions only",
}


def document(case: Case, findings: Sequence[Finding], sizing: Sequence[Remedy], filter_text: str = "") -> Document:
    """`diagnose --json`: times are ISO 8601 in UTC, durations seconds, shares 0 to 1; null is unknown.

    `refused.by_hour` is null where the log can't be read, and `refused.unknown` says why.
    """
    return {
        "taken_at": format.iso(case.snapshot.taken_at),
        "findings": [_finding(found) for found in findings],
        "sizing": [_remedy(remedy) for remedy in sizing],
        "refused": _refused(case.facts, case.snapshot.counters),
        "leaks": [
            {
                "app": leak.pool.app,
                "role": leak.pool.role,
                "database": leak.pool.database,
                "score": round(leak.score, 3),
                "sentence": leak.sentence,
                "evidence": plain_data(leak.evidence),
                "sessions": sorted(key.pid for key in leak.sessions),
            }
            for leak in case.observation.leaks(case.snapshot)
        ],
        "unknown": list(unknowns(case, filter_text)),
    }


def _finding(found: Finding) -> Document:
    return {
        "cause": str(found.cause),
        "severity": str(found.severity),
        "summary": found.summary,
        "evidence": plain_data(found.evidence),
        "sessions": list(found.sessions),
        "remedies": [_remedy(remedy) for remedy in found.remedies],
    }


def _remedy(remedy: Remedy) -> Document:
    return {
        "kind": str(remedy.kind),
        "text": remedy.text,
        "takes_effect": str(remedy.takes_effect),
        "why": remedy.why,
    }


def _refused(facts: Facts, counters: Counters | None) -> Document:
    by_hour = None
    if facts.refused is not None:
        by_hour = [
            {"hour": format.iso(one.hour), "kind": one.kind, "text": REFUSALS.get(one.kind, ""), "count": one.count}
            for one in facts.refused
        ]
    since_reset = None
    if counters is not None:
        since_reset = {"fatal": counters.fatal, "abandoned": counters.abandoned, "killed": counters.killed}
    return {
        "source": facts.refused_source or None,
        "unknown": facts.refused_unknown if by_hour is None else None,
        "by_hour": by_hour,
        "since_reset": since_reset,
    }


def plain_data(value: object) -> object:
    """The same as JSON can hold it: mappings, lists, texts, numbers; what is no such thing as text."""
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_data(item) for item in value]
    if isinstance(value, float):
        return round(value, 4)
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def evidence(found: Finding) -> list[tuple[str, str]]:
    """The evidence as words: name and value; what is not known is left out.

    >>> from pgtop_conn.model.findings import Cause, Severity
    >>> evidence(Finding(Cause.LEAK, Severity.INFO, "", {"oldest_idle_s": 245.0, "idle_share": 0.5, "habit_s": None}))
    [('oldest idle', '4m05'), ('idle share', '50 %')]
    """
    return [
        (_title(name), text)
        for name, value in found.evidence.items()
        if name not in INTERNAL and (value or name not in WHERE_ANY) and (text := _valued(str(name), value)) is not None
    ]


#: How a verdict was reached, for JSON; in words it would only hide the numbers that count.
INTERNAL = frozenset({"points", "full", "per_minute_estimated"})


#: Names of evidence that say too little without their unit.
TITLES: Mapping[str, str] = {
    "state_s": "in that state for",
    "watched_s": "watched for",
    "habit_s": "idle by habit",
    "per_minute": "growth a minute",
    "idle_over_s": "idle longer than",
    "idle_over": "sessions idle longer",
    "restarted_s": "restarted before",
    "since_s": "found before",
    "passed_over": "opened since the oldest was last used",
    "unread_results": "results not read",
    "reused": "taken up again",
}
#: Counts that are worth a word only where there are any.
WHERE_ANY = frozenset({"never_queried", "in_transaction", "unread_results", "holds_xmin", "wrote", "leaked"})


def _title(name: object) -> str:
    return TITLES.get(str(name)) or str(name).removesuffix("_s").replace("_", " ")


def _valued(name: str, value: object) -> str | None:
    if value is None or value == "" or (isinstance(value, Mapping | list | tuple) and not value):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(name, float(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key or '(none)'} {_valued(name, item) or '?'}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def _number(name: str, value: float) -> str:
    if name.endswith("_s"):
        return format.duration(value) or "unknown"
    if name.endswith("share"):
        return f"{100 * value:.0f} %"
    if name == "per_minute":
        return f"{value:+.1f}"
    return f"{value:.0f}" if value.is_integer() else f"{value:.2f}"


def by_effect(findings: Iterable[Finding]) -> list[tuple[Effect, list[Remedy]]]:
    """Every remedy once, by when it takes effect, in the order of the findings."""
    found: dict[Effect, dict[str, Remedy]] = {effect: {} for effect in Effect}
    for finding in findings:
        for remedy in finding.remedies:
            found[remedy.takes_effect].setdefault(remedy.text, remedy)
    return [(effect, list(remedies.values())) for effect, remedies in found.items() if remedies]


def nothing_found(case: Case) -> str:
    """What to say where there is no finding."""
    if case.budget.level is Level.OK and undecided(case):
        return f"Nothing is known to be wrong with the connections that could be seen. Not known: {undecided(case)}."
    if case.budget.level is Level.OK:
        return "Nothing is wrong with the connections that could be seen."
    return f"The level is {case.budget.level}, and no cause was found in what could be seen."


def watched_s(case: Case) -> float:
    """Seconds between the first and the last poll."""
    points = case.observation.history.points()
    return points[-1][0] - points[0][0] if points else 0.0


def _pooled(case: Case) -> str:
    if not case.snapshot.server.pooled:
        return ""
    return (
        "this connection goes through a pooler: the sessions are the pooler's own server connections, so nothing can"
        " be said of the clients behind it (SHOW CLIENTS and SHOW POOLS on its console tell); connect to the server"
        " itself for a diagnosis"
    )


def _by_title(case: Case) -> str:
    if case.snapshot.server.door != HOST_DOOR:
        return ""
    return (
        "we are in by the host door: what sessions ran, since when they are idle, who blocks whom, what roles may do"
        " and the limits of roles and databases can't be asked for, so no leak, pool, blocker or limit is found"
    )


def _hidden(case: Case) -> str:
    hidden = case.budget.states.get(HIDDEN_STATE, 0)
    if not hidden:
        return ""
    return (
        f"what {hidden} of {case.budget.used} sessions do is hidden from role {case.snapshot.server.role}:"
        f" GRANT pg_monitor to it, and what is said of idle time, leaks and blockers is complete"
    )


def _inexact(case: Case) -> str:
    return "" if case.budget.exact else f"the slots in use are an upper bound: at most {case.budget.used}"


def _untracked(case: Case) -> str:
    untracked = sum(1 for backend in case.clients if backend.state == DISABLED)
    return f"track_activities is off for {untracked} sessions: nothing is known of what they do" if untracked else ""


def undecided(case: Case) -> str:
    """Who may lose sessions on a server with room, where that is no finding yet; "" where all is decided."""
    if case.budget.level is not Level.OK:
        return ""
    counts: Counter[str] = Counter()
    for leak in case.observation.suspects(case.snapshot):
        counts[leak.pool.app] += len(leak.sessions)
    if not counts:
        return ""
    return (
        f"whether sessions are leaked ({most(ranked(counts))}): others were opened after their last use;"
        " watching for longer tells"
    )


def _short(case: Case) -> str:
    seconds = watched_s(case)
    if seconds >= RATE_NEEDS_S:
        return ""
    return (
        f"growth, and the habits of the applications: the server was watched for {int(seconds)} s,"
        f" and {RATE_NEEDS_S:.0f} s are the least that tells"
    )


def _refusals(case: Case) -> str:
    return f"which logins were refused: {case.facts.refused_unknown}" if case.facts.refused is None else ""


def _memory(case: Case) -> str:
    if case.facts.memory is not None or case.ram is not None:
        return ""
    return f"the memory of the server: {case.facts.memory_unknown}; pgtop-conn diagnose --ram can be told"


#: Each gives a sentence, or '' where it is known.
UNKNOWNS: tuple[Callable[[Case], str], ...] = (
    _pooled,
    _by_title,
    _hidden,
    _inexact,
    _untracked,
    undecided,
    _short,
    _refusals,
    _memory,
)


def cautions(case: Case) -> list[str]:
    """What puts everything else in doubt, and is therefore said first."""
    return [sentence for tell in (_pooled, _by_title, _hidden) if (sentence := tell(case))]


def unknowns(case: Case, filter_text: str = "") -> Iterable[str]:
    """What the diagnosis could not know, and what it therefore rests on."""
    if filter_text.strip():
        yield f"sessions other than those that match {filter_text.strip()}: they were asked to be left out"
    yield from (sentence for tell in UNKNOWNS if (sentence := tell(case)))
    yield from case.facts.troubles
    yield from case.snapshot.server.missing
