"""A diagnosis as sections of rows: each finding, refused logins, what was looked at, and sizing as the last one.

Add words for a piece of evidence: one entry in LABELS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.facts import REFUSALS, Facts
from pgtop_conn.model.findings import Cause, Effect, Finding, Remedy, RemedyKind, Severity
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.columns import Cell

Row = list[Cell]

#: What a cause is called; also what was looked for when nothing is wrong.
CAUSES: Mapping[Cause, str] = {
    Cause.LEAK: "leak",
    Cause.TRAFFIC: "active sessions",
    Cause.BLOCKER: "blocker",
    Cause.IDLE_IN_TRANSACTION: "idle in transaction",
    Cause.OVERSIZED_POOL: "oversized pool",
    Cause.ROLE_LIMIT: "role limit",
    Cause.DATABASE_LIMIT: "database limit",
    Cause.RESERVE: "reserve",
    Cause.AUTHENTICATING: "logins unfinished",
    Cause.WALSENDERS: "walsenders",
    Cause.RECONNECT_STORM: "reconnect storm",
}

SEVERITY_STYLES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.INFO: "bar"}

EFFECTS: Mapping[Effect, tuple[str, str]] = {
    Effect.NOW: ("takes effect now", "ok"),
    Effect.RELOAD: ("takes effect on a reload", "bar"),
    Effect.RESTART: ("takes effect at a restart", "warning"),
    Effect.NEW_SESSIONS: ("takes effect for new sessions", "protected"),
}

KINDS: Mapping[RemedyKind, str] = {
    RemedyKind.SQL: "SQL",
    RemedyKind.PGBOUNCER: "pooler",
    RemedyKind.DRIVER: "driver",
    RemedyKind.STEP: "step",
}

#: Evidence whose key alone does not say it.
LABELS: Mapping[str, str] = {
    "app": "application",
    "count": "sessions",
    "used": "slots used",
    "idle_over": "idle for long",
    "idle_over_s": "long is over",
    "habit_s": "usual pause",
    "by_app": "by application",
    "by_role": "by role",
    "peak_active": "most active at once",
    "watched_s": "watched for",
    "per_minute": "per minute",
    "holds_xmin": "holds back vacuum",
    "statement_share": "same statement",
    "frees": "ending it frees",
}
NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One entry of the list and what stands below it; `identity` finds it again in the next poll's."""

    word: str
    style: str
    title: str
    summary: str
    rows: Sequence[Row] = ()
    remedies: tuple[Remedy, ...] = ()
    identity: tuple[str, ...] = ()
    finding: Finding | None = None


def sections(
    findings: Sequence[Finding], sizing: Sequence[Remedy], facts: Facts, facts_state: str, watched_s: float
) -> list[Section]:
    """What is wrong, most important first; then the refused logins, what was looked at, and sizing."""
    found = [_section(finding) for finding in findings] or [_nothing(watched_s)]
    found += [_refused(facts)] if facts.refused else []
    found.append(_looked_at(facts, facts_state, watched_s))
    if sizing:
        text = "how large pools and max_connections should be, from what was observed"
        found.append(Section("SIZING", "title", "pools and limits", text, remedies=tuple(sizing), identity=("sizing",)))
    return found


def find_again(wanted: Section, among: Sequence[Section]) -> int | None:
    """Where a section is now: the same cause with the same first session, else the same subject, else the cause."""
    for length in range(len(wanted.identity), 0, -1):
        prefix = wanted.identity[:length]
        for index, section in enumerate(among):
            if section.identity[:length] == prefix:
                return index
    return None


def _section(finding: Finding) -> Section:
    first = str(finding.sessions[0]) if finding.sessions else ""
    return Section(
        finding.severity.upper(),
        SEVERITY_STYLES[finding.severity],
        CAUSES[finding.cause],
        one_line(finding.summary),
        [_evidence(finding.evidence)] if finding.evidence else [],
        finding.remedies,
        (finding.cause, _subject(finding.evidence), first),
        finding,
    )


def _subject(evidence: Mapping[str, object]) -> str:
    """What a finding is about, beside its cause."""
    return "\0".join(str(evidence.get(key, "")) for key in ("app", "role", "database", "name", "pid"))


def _nothing(watched_s: float) -> Section:
    watched = f"in {format.duration(watched_s)} of watching" if watched_s >= 1 else "in one look"
    looked = [Cell("Looked for and not found: ", "dim"), Cell(", ".join(CAUSES.values()))]
    return Section("OK", "ok", "nothing is wrong", f"no cause was found {watched}", [looked], identity=("ok",))


def _looked_at(facts: Facts, state: str, watched_s: float) -> Section:
    """What the diagnosis rests on, and what it could not see."""
    settings = f"{len(facts.settings)} read, {len(facts.overrides)} set for a role or database"
    rows = [
        _fact("sessions", f"watched for {format.duration(watched_s)}"),
        _fact("settings", settings if facts.settings else state),
        _fact("refused logins", _refusals_known(facts)),
        _fact("memory", facts.memory_unknown if facts.memory is None else _memory(facts)),
        *(_fact("not read", trouble, "warning") for trouble in facts.troubles),
    ]
    return Section("BASIS", "dim", "what was looked at", state, rows, identity=("basis",))


def _refusals_known(facts: Facts) -> str:
    if facts.refused is None:
        return facts.refused_unknown
    return facts.refused_source if facts.refused else f"none in 24 h ({facts.refused_source})"


def _memory(facts: Facts) -> str:
    memory = facts.memory
    if memory is None:
        return ""
    mebibyte = 1024.0 * 1024.0
    each = f"{memory.per_backend / mebibyte:.1f} MB a session (median of {memory.measured})"
    return f"{memory.total / mebibyte:,.0f} MB, {memory.available / mebibyte:,.0f} MB available; {each}"


def _fact(label: str, value: str, style: str = "") -> Row:
    return [Cell(f"{label:<16}", "dim"), Cell(one_line(value), style)]


def _refused(facts: Facts) -> Section:
    """Refusals by kind, and hour by hour."""
    refused = facts.refused or ()
    kinds = [(kind, sum(one.count for one in refused if one.kind == kind)) for kind in REFUSALS]
    named = ", ".join(f"{kind} {count}" for kind, count in kinds if count)
    hours = sorted({one.hour for one in refused})
    counts = {hour: sum(one.count for one in refused if one.hour == hour) for hour in hours}
    most = max(counts.values(), default=0)
    rows = [
        [
            Cell(f"{format.iso(hour)[11:16]} UTC  ", "dim"),
            Cell(f"{format.bar(counts[hour] / most if most else 0.0, 20)} ", "bar"),
            Cell(f"{counts[hour]:>5}  ", "count"),
            Cell(", ".join(f"{one.kind} {one.count}" for one in refused if one.hour == hour), "dim"),
        ]
        for hour in hours
    ]
    rows += [[Cell(f"{kind:<12}", "dim"), Cell(REFUSALS[kind])] for kind, count in kinds if count]
    total = sum(counts.values())
    logins = "login" if total == 1 else "logins"
    text = f"{total} {logins} refused in 24 h: {named} ({facts.refused_source})"
    return Section("REFUSED", "warning", "logins", text, rows, identity=("refused",))


def _evidence(evidence: Mapping[str, object]) -> Row:
    """Every fact behind the other, so that much fits on a small screen; the row is wrapped."""
    cells: Row = []
    for key, value in evidence.items():
        cells += [Cell(f"{LABELS.get(key) or key.removesuffix('_s').replace('_', ' ')} ", "dim")]
        cells += [Cell(shown_value(key, value)), Cell("   ")]
    return cells


def shown_value(key: str, value: object) -> str:
    """A piece of evidence as text; the key's ending tells its unit.

    >>> [shown_value(*pair) for pair in (("x_s", 90.0), ("share", 0.514), ("by_app", {"a": 2, "": 1}), ("x", None))]
    ['1m30', '51 %', 'a 2, (none) 1', 'unknown']
    """
    text = str(value)
    if value is None:
        text = "unknown"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, Mapping):
        text = _some([f"{name or '(none)'} {count}" for name, count in value.items()])
    elif isinstance(value, (list, tuple)):
        text = _some([str(one) for one in value])
    elif isinstance(value, (int, float)):
        text = _number(key, float(value))
    return one_line(text) or "(none)"


def _number(key: str, value: float) -> str:
    if key.endswith("_s"):
        return format.duration(value)
    if key.endswith("share"):
        return f"{100 * value:.0f} %"
    if key == "per_minute":
        return f"{value:+.1f}"
    return str(int(value)) if value == int(value) else f"{value:.2f}"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED_AT_MOST} more" if len(texts) > NAMED_AT_MOST else ""
    return ", ".join(texts[:NAMED_AT_MOST]) + more


def remedy_rows(number: int, remedy: Remedy) -> list[Row]:
    """What it is and when it takes effect, the text as it is copied, and why."""
    words, style = EFFECTS[remedy.takes_effect]
    rows: list[Row] = [[Cell(f"{number:>2}  ", "count"), Cell(f"{KINDS[remedy.kind]}  ", "title"), Cell(words, style)]]
    rows += [[Cell(f"    {line.expandtabs(4)}")] for line in remedy.text.rstrip().split("\n")]
    return [*rows, [Cell("    "), Cell(one_line(remedy.why), "dim")]] if remedy.why else rows


Evidence = Mapping[str, object]


def _app(evidence: Evidence) -> str:
    return _term("app", evidence.get("app"))


def _pool(evidence: Evidence) -> str:
    keys = (("app", "app"), ("role", "role"), ("db", "database"))
    return " ".join(term for key, name in keys if (term := _term(key, evidence.get(name))))


#: How the sessions of a finding are called in the filter language; others are named by their pids.
FILTERS: Mapping[Cause, Callable[[Evidence], str]] = {
    Cause.LEAK: lambda evidence: f"leak:yes {_pool(evidence)}".strip(),
    Cause.TRAFFIC: lambda _evidence: "state:active",
    Cause.IDLE_IN_TRANSACTION: lambda _evidence: "state:in-transaction,aborted",
    Cause.OVERSIZED_POOL: _pool,
    Cause.ROLE_LIMIT: lambda evidence: _term("role", evidence.get("name")),
    Cause.DATABASE_LIMIT: lambda evidence: _term("db", evidence.get("name")),
    Cause.WALSENDERS: lambda _evidence: "type:walsender",
}


def filter_of(finding: Finding) -> str:
    """A filter that shows the sessions of a finding; '' where it has none."""
    named = FILTERS.get(finding.cause)
    words = named(finding.evidence) if named is not None else ""
    return words or ("pid:" + ",".join(map(str, finding.sessions)) if finding.sessions else "")


def _term(key: str, value: object) -> str:
    """`key:value`, the value in quotes: a name may hold blanks, commas and operators."""
    if not isinstance(value, str):
        return ""
    bare = value.replace("_", "").replace("-", "")
    plain = bare.isascii() and bare.isalnum()
    doubled = value.replace('"', '""')
    return f"{key}:{value}" if plain else f'{key}:"{doubled}"'
