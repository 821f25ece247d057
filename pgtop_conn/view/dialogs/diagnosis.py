"""A diagnosis as sections of rows: each finding, refused logins, what was looked at, and sizing as the last one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.facts import OTHER_REFUSAL, REFUSALS, Facts, Memory
from pgtop_conn.model.findings import Case, Cause, Effect, Finding, Remedy, RemedyKind, Severity
from pgtop_conn.model.quoting import filter_value
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.findings import EFFECTS, evidence, undecided, unknowns, watched_s
from pgtop_conn.view.table.columns import Cell

Row = list[Cell]

#: What a cause is called; also what was looked for when nothing is wrong.
CAUSES: Mapping[Cause, str] = {
    Cause.LEAK: "leak",
    Cause.TRAFFIC: "active sessions",
    Cause.BLOCKER: "blocker",
    Cause.IDLE_IN_TRANSACTION: "idle in transaction",
    Cause.CLIENT_WAIT: "waiting for clients",
    Cause.OVERSIZED_POOL: "oversized pool",
    Cause.ROLE_LIMIT: "role limit",
    Cause.DATABASE_LIMIT: "database limit",
    Cause.RESERVE: "reserve",
    Cause.AUTHENTICATING: "logins unfinished",
    Cause.WALSENDERS: "walsenders",
    Cause.RECONNECT_STORM: "reconnect storm",
}

SEVERITY_STYLES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.INFO: "bar"}

EFFECT_STYLES: Mapping[Effect, str] = {
    Effect.NOW: "ok",
    Effect.RELOAD: "bar",
    Effect.RESTART: "warning",
    Effect.NEW_SESSIONS: "protected",
}

KINDS: Mapping[RemedyKind, str] = {
    RemedyKind.SQL: "SQL",
    RemedyKind.PGBOUNCER: "pooler",
    RemedyKind.DRIVER: "driver",
    RemedyKind.STEP: "step",
}

#: Characters of one piece of evidence.
EVIDENCE_AT_MOST = 200
#: Cells of the names on the left of what was looked at.
LABEL_WIDTH = 16


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
    #: What wraps of its rows goes on so many cells further right.
    wrap: int = 2


def sections(case: Case, findings: Sequence[Finding], sizing: Sequence[Remedy], state: str) -> list[Section]:
    """What is wrong, most important first; then the refused logins, what was looked at, and sizing.

    `state` says in words whether settings and log are read.
    """
    found = [_section(finding) for finding in findings] or [_nothing(case)]
    found += [_refused(case.facts)] if case.facts.refused else []
    found.append(_looked_at(case, state))
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
        [_evidence(finding)] if finding.evidence else [],
        finding.remedies,
        (finding.cause, _subject(finding.evidence), first),
        finding,
    )


def _subject(evidence: Mapping[str, object]) -> str:
    """What a finding is about, beside its cause."""
    return "\0".join(str(evidence.get(key, "")) for key in ("app", "role", "database", "name", "pid"))


def _nothing(case: Case) -> Section:
    seconds = watched_s(case)
    watched = f"watched for {format.duration(seconds)}" if seconds >= 1 else "after one look"
    looked = [Cell("Looked for and not found: ", "dim"), Cell(", ".join(CAUSES.values()))]
    title = "nothing is known to be wrong" if undecided(case) else "nothing is wrong"
    return Section("OK", "ok", title, f"no cause was found, {watched}", [looked], identity=("ok",))


def _looked_at(case: Case, state: str) -> Section:
    """What the diagnosis rests on, and what it could not see."""
    facts = case.facts
    settings = f"{len(facts.settings)} read; {len(facts.overrides)} set for a role or a database"
    rows = [
        _fact("sessions", f"watched for {format.duration(watched_s(case))}"),
        _fact("settings", settings if facts.settings else state),
    ]
    if facts.refused is not None:
        none = "" if facts.refused else "none was refused; "
        rows.append(_fact("refused logins", f"{none}{facts.refused_source}"))
    if facts.memory is not None:
        rows.append(_fact("memory", _memory(facts.memory)))
    rows += [_fact("not known", unknown, "warning") for unknown in unknowns(case)]
    return Section("BASIS", "dim", "what was looked at", state, rows, identity=("basis",), wrap=LABEL_WIDTH)


def _memory(memory: Memory) -> str:
    mebibyte = 1024.0 * 1024.0
    each = f"{memory.per_backend / mebibyte:.1f} MB a session (median of {memory.measured})"
    return f"{memory.total / mebibyte:,.0f} MB, {memory.available / mebibyte:,.0f} MB available; {each}"


def _fact(label: str, value: str, style: str = "") -> Row:
    return [Cell(f"{label:<{LABEL_WIDTH}}", "dim"), Cell(one_line(value), style)]


def _refused(facts: Facts) -> Section:
    """Refusals by kind, and hour by hour."""
    refused = facts.refused or ()
    kinds = [(kind, sum(one.count for one in refused if one.kind == kind)) for kind in (*REFUSALS, OTHER_REFUSAL)]
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
    rows += [
        [Cell(f"{kind:<12}", "dim"), Cell(REFUSALS.get(kind, "by SQLSTATE 53300"))] for kind, count in kinds if count
    ]
    total = sum(counts.values())
    logins = "login" if total == 1 else "logins"
    since = f"since {format.iso(facts.refused_since)[:16]}Z" if facts.refused_since else "in 24 h"
    text = f"{total} {logins} refused {since}: {named} ({facts.refused_source})"
    return Section("REFUSED", "warning", "logins", text, rows, identity=("refused",))


def _evidence(finding: Finding) -> Row:
    """Every fact behind the other, so that much fits on a small screen; the row is wrapped."""
    return [
        cell
        for number, (name, value) in enumerate(evidence(finding))
        for cell in (Cell(f"{'   ' if number else ''}{name} ", "dim"), Cell(one_line(value)[:EVIDENCE_AT_MOST]))
    ]


def remedy_rows(number: int, remedy: Remedy) -> list[Row]:
    """What it is and when it takes effect, the text as it is copied, and why."""
    effect = Cell(EFFECTS[remedy.takes_effect], EFFECT_STYLES[remedy.takes_effect])
    rows: list[Row] = [[Cell(f"{number:>2}  ", "count"), Cell(f"{KINDS[remedy.kind]}  ", "title"), effect]]
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
    return f"{key}:{filter_value(value)}" if isinstance(value, str) else ""
