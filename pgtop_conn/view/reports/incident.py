"""The incident report: what a diagnosis saw, what was done about it and what to apply, as Markdown. Pure.

Add a section: a function from Report to lines, and an entry in SECTIONS; one that has nothing to say gives none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pgtop_conn.model.facts import REFUSALS
from pgtop_conn.model.findings import Case, Effect, Finding, Remedy, RemedyKind
from pgtop_conn.model.instants import utc
from pgtop_conn.model.redaction.literals import shown
from pgtop_conn.model.signalling.journal import Entry
from pgtop_conn.model.snapshot import HIDDEN_STATE
from pgtop_conn.view import findings, format
from pgtop_conn.view.charts import text_chart
from pgtop_conn.view.reports.markdown import code, fence, prose, table
from pgtop_conn.view.status.server_lines import server_name
from pgtop_conn.view.table.groups import GROUPINGS, Group, group, rate_key

#: A history of less says too little of what came before: the curve of beginnings is drawn beside it.
SHORT_HISTORY_S = 600.0
#: How far back signals of the journal belong to this incident.
ACTIONS_S = 86_400.0
GROUPS, SESSIONS, ACTIONS = 10, 12, 40
QUERY_LENGTH = 500
#: What signals of one line share.
ALIKE = ("os_user", "client_host", "database_role", "action", "role", "app", "chosen_by", "reason")

LANGUAGES: Mapping[RemedyKind, str] = {
    RemedyKind.SQL: "sql",
    RemedyKind.PGBOUNCER: "ini",
    RemedyKind.DRIVER: "text",
    RemedyKind.STEP: "text",
}


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that a report is made of."""

    case: Case
    findings: Sequence[Finding]
    sizing: Sequence[Remedy] = ()
    #: Signals to this server, oldest first; None where the journal could not be read.
    actions: Sequence[Entry] | None = ()
    redact: bool = True
    filter_text: str = ""
    #: Of this program.
    version: str = ""


def report(about: Report) -> str:
    """The whole report; the same for the same input."""
    lines = [line for section in SECTIONS for line in section(about)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _title(about: Report) -> list[str]:
    snapshot = about.case.snapshot
    server = snapshot.server
    kind = "standby" if server.in_recovery else "primary"
    pooled = ", through a pooler" if server.pooled else ""
    provider = f", {prose(server.provider)}" if server.provider else ""
    return [
        f"# Connections of {code(server_name(snapshot))}, {utc(snapshot.taken_at)}",
        "",
        f"PostgreSQL {prose(server.version)}, {kind}{pooled}{provider}; database {code(server.database)},"
        f" seen as role {code(server.role)}.",
        "",
    ]


def _verdict(about: Report) -> list[str]:
    cautions = [line for one in findings.cautions(about.case) for line in (f"**Mind:** {prose(one)}.", "")]
    if not about.findings:
        return ["**Verdict:** " + findings.nothing_found(about.case), "", *cautions]
    top, *others = about.findings
    more = f" ({len(others)} more below)" if others else ""
    return [f"**Verdict ({top.severity}, {_words(top)}):** {prose(top.summary)}{more}", "", *cautions]


def _numbers(about: Report) -> list[str]:
    budget = about.case.budget
    trend = about.case.observation.history.trend(budget)
    upto = "" if budget.exact else "at most "
    rows = [
        ("Slots in use", f"{upto}{budget.used} of {budget.max} ({budget.level})"),
        ("Further logins of ordinary roles", str(budget.ordinary_free)),
        ("Kept for reserved roles, for superusers", f"{budget.reserved}, {budget.superuser_reserved}"),
    ]
    if trend is not None:
        rate = "not known" if trend.per_minute is None else f"{trend.per_minute:+.1f} a minute"
        full = "" if trend.seconds_to_full is None else f"; full in about {format.duration(trend.seconds_to_full)}"
        rows.append(("Growth", rate + full))
        rows.append(("Peak while watched", f"{trend.peak} at {utc(trend.peak_at)}"))
    rows.append(("States", ", ".join(f"{count} {prose(state)}" for state, count in budget.states.items()) or "–"))
    rows.append(("Logging in", str(budget.authenticating)))
    rows.append(("Walsenders", f"{budget.walsenders_used} of {budget.walsenders_max}"))
    rows += [
        (f"Limit of {limit.kind} {code(limit.name)}", f"{limit.used} of {limit.limit}") for limit in budget.limits[:5]
    ]
    return ["## The numbers", "", *table(("", "Now"), rows)]


def _over_time(about: Report) -> list[str]:
    case = about.case
    points = case.observation.history.points()
    budget = case.budget
    marks = [(budget.capacity, "ordinary logins are refused from here")]
    lines = ["## Slots in use over time", ""]
    if len(points) > 1:
        lines += [f"Watched for {format.duration(findings.watched_s(case))}, {len(points)} polls.", ""]
        lines += fence("\n".join(text_chart.chart(points, budget.max, marks)), "text")
    if findings.watched_s(case) < SHORT_HISTORY_S:
        begun = text_chart.beginnings(case.snapshot.backends, case.snapshot.taken_at)
        if begun:
            lines += ["Sessions that are still here, by when they began: a lower bound of how many there were.", ""]
            lines += fence("\n".join(text_chart.chart(begun, budget.max, marks)), "text")
    return lines if len(lines) > 2 else []


def _groups(about: Report) -> list[str]:
    case = about.case
    found = group(case.clients, GROUPINGS["app"], case.snapshot.taken_at, case.budget.used)
    if not found:
        return []
    titles = ("Application", "Sessions", "Share", "Per minute", "Active", "Idle", "In transaction", "Oldest idle")
    rows = [_group_row(about, one) for one in found[:GROUPS]]
    rest = [f"{len(found) - GROUPS} more applications hold {sum(g.count for g in found[GROUPS:])} sessions.", ""]
    lines = ["## Who holds the slots", "", *table(titles, rows, frozenset(range(1, 8)))]
    return lines + rest * (len(found) > GROUPS)


def _group_row(about: Report, found: Group) -> list[str]:
    rate = about.case.observation.history.per_minute(rate_key(found))
    hidden = HIDDEN_STATE in found.states
    states = ["?", "?", "?"] if hidden else [str(found.active), str(found.idle), str(found.in_transaction)]
    name = next(iter(found.key.values()))
    return [
        code(name) if name else found.name,
        str(found.count),
        f"{100 * found.share:.0f} %",
        "?" if rate is None else f"{rate:+.1f}",
        *states,
        format.duration(found.oldest_idle_s) or ("?" if hidden else "–"),
    ]


def _leaks(about: Report) -> list[str]:
    leaks = about.case.observation.leaks(about.case.snapshot)
    if not leaks:
        return []
    lines = ["## Leaks", ""]
    for leak in leaks:
        lines += [f"- {prose(leak.sentence)} ({len(leak.sessions)} sessions, score {leak.score:.2f})"]
    return [*lines, ""]


def _findings(about: Report) -> list[str]:
    lines = ["## Findings", ""] if about.findings else []
    for number, found in enumerate(about.findings, 1):
        lines += [f"### {number}. {_words(found).capitalize()} ({found.severity})", "", prose(found.summary), ""]
        rows = [(prose(name), code(value)) for name, value in findings.evidence(found)]
        lines += table(("Evidence", ""), rows) if rows else []
        lines += _sessions(about, found)
    return lines


def _sessions(about: Report, found: Finding) -> list[str]:
    snapshot = about.case.snapshot
    by_pid = {backend.pid: backend for backend in snapshot.backends}
    named = [by_pid[pid] for pid in found.sessions if pid in by_pid]
    if not named:
        return []
    rows = [
        (
            str(backend.pid),
            code(backend.role),
            code(backend.app),
            code(backend.client),
            prose(backend.state or "?"),
            format.duration(backend.state_s(snapshot.taken_at)) or "?",
            code(shown(backend.query, redact=about.redact)[:QUERY_LENGTH]),
        )
        for backend in named[:SESSIONS]
    ]
    titles = ("PID", "Role", "Application", "Client", "State", "For", "Last statement")
    lines = table(titles, rows, frozenset({0, 5}))
    more = len(found.sessions) - len(rows)
    return [*lines, *([f"{more} more: {', '.join(map(str, found.sessions[SESSIONS:200]))}", ""] if more > 0 else [])]


def _actions(about: Report) -> list[str]:
    lines = ["## What was done", ""]
    if about.actions is None:
        return [*lines, "The journal of this account could not be read.", ""]
    if not about.actions:
        return [*lines, "Nothing was signalled to this server from this account in the last 24 hours.", ""]
    alike = [list(entries) for _key, entries in groupby(about.actions, _alike)]
    rows = [_action_row(entries) for entries in alike[-ACTIONS:]]
    titles = ("Asked (UTC)", "Who", "Signal", "Sessions", "Role", "Application", "Outcome", "Chosen by", "Why")
    before = sum(len(entries) for entries in alike[:-ACTIONS])
    lines += [f"{before} earlier signals are in the journal.", ""] * (before > 0)
    return [*lines, *table(titles, rows), *_around(about)]


def _alike(one: Entry) -> tuple[str, ...]:
    """Signals in a row that have all this in common are one line."""
    return (one.told, *(one.word(name) for name in ALIKE))


def _action_row(entries: Sequence[Entry]) -> list[str]:
    one = entries[0]
    pids = [entry.word("pid") for entry in entries]
    more = ", …" if len(pids) > SESSIONS else ""
    return [
        one.word("at")[:19].replace("T", " "),
        code(f"{one.word('os_user')}@{one.word('client_host')} as {one.word('database_role') or '?'}"),
        prose(one.word("action")),
        f"{len(pids)}: {', '.join(pids[:SESSIONS])}{more}",
        code(one.word("role")),
        code(one.word("app")),
        prose(one.told),
        code(one.word("chosen_by")),
        code(one.word("reason")),
    ]


def _around(about: Report) -> list[str]:
    """The slots in use at the first and after the last signal, as the journal keeps them."""
    before = [(one.asked_at, one.slots_before) for one in about.actions or () if one.slots_before is not None]
    after = [(one.settled_at, one.slots_after) for one in about.actions or () if one.slots_after is not None]
    if not before or not after:
        return []
    used_before = min(before, key=lambda found: found[0] or 0.0)[1] or 0
    used_after = max(after, key=lambda found: found[0] or 0.0)[1] or 0
    room = about.case.budget.capacity
    free_before, free_after = max(0, room - used_before), max(0, room - used_after)
    return [
        f"Slots in use {used_before} before the first and {used_after} after the last of them;"
        f" room for ordinary logins {free_before} before, {free_after} after.",
        "",
    ]


def _refused(about: Report) -> list[str]:
    facts = about.case.facts
    counters = about.case.snapshot.counters
    lines = ["## Refused logins", ""]
    if facts.refused is None:
        lines += [f"Not known: {prose(facts.refused_unknown)}.", ""]
    elif not facts.refused:
        lines += [f"None in the last 24 hours, says {prose(facts.refused_source) or 'the server log'}.", ""]
    else:
        ordered = sorted(facts.refused, key=lambda one: (one.hour, one.kind))
        rows = [(hour(one.hour), prose(f"{REFUSALS.get(one.kind, one.kind)} …"), str(one.count)) for one in ordered]
        lines += [f"Counted in {prose(facts.refused_source) or 'the server log'}.", ""]
        lines += table(("Hour (UTC)", "Text (53300)", "Logins"), rows, frozenset({2}))
    if counters is not None and counters.fatal is not None:
        lines += [
            f"Sessions since the counters were reset: {counters.fatal} ended by a fatal error,"
            f" {counters.abandoned} abandoned by their client, {counters.killed} terminated."
            " Refused logins are not among them.",
            "",
        ]
    return lines


#: How the blocks of what to apply are titled.
APPLY: Mapping[Effect, str] = {
    Effect.NOW: "Now",
    Effect.RELOAD: "After a reload",
    Effect.RESTART: "After a restart of the server",
    Effect.NEW_SESSIONS: "For new sessions only",
}


def _apply(about: Report) -> list[str]:
    lines = ["## What to apply", "", "Nothing of this was run.", ""]
    for effect, remedies in findings.by_effect(about.findings):
        lines += [f"### {APPLY[effect]}", ""]
        for remedy in remedies:
            lines += _remedy(remedy)
    return lines if about.findings else []


def _remedy(remedy: Remedy) -> list[str]:
    if remedy.kind is RemedyKind.STEP and "\n" not in remedy.text.strip():
        return [f"- {prose(remedy.text)}" + (f": {prose(remedy.why)}" if remedy.why else ""), ""]
    why = [prose(remedy.why), ""] if remedy.why else []
    return [*why, *fence(remedy.text, LANGUAGES[remedy.kind])]


def _sizing(about: Report) -> list[str]:
    lines = ["## Sizing", ""] if about.sizing else []
    for remedy in about.sizing:
        lines += [f"*{findings.EFFECTS[remedy.takes_effect].capitalize()}.*", "", *_remedy(remedy)]
    return lines


def _unknown(about: Report) -> list[str]:
    sentences = list(findings.unknowns(about.case, about.filter_text))
    return ["## What is not known", "", *(f"- {prose(one)}" for one in sentences), ""] if sentences else []


def _made(about: Report) -> list[str]:
    case = about.case
    polls = len(case.observation.history.points())
    literals = "Literals of statements are masked." if about.redact else "Statements are shown as they were."
    return [
        "## How this was made",
        "",
        f"pgtop-conn {about.version} on PostgreSQL {prose(case.snapshot.server.version)}:"
        f" {polls} {'poll' if polls == 1 else 'polls'} over {format.duration(findings.watched_s(case)) or '0s'};"
        f" settings, limits and the log were read once. {literals} Times are UTC, of the server's clock.",
        "",
    ]


SECTIONS: tuple[Callable[[Report], list[str]], ...] = (
    _title,
    _verdict,
    _numbers,
    _over_time,
    _groups,
    _leaks,
    _findings,
    _actions,
    _refused,
    _apply,
    _sizing,
    _unknown,
    _made,
)


def _words(found: Finding) -> str:
    return str(found.cause).replace("_", " ")


def hour(at: float) -> str:
    """An instant to its hour, in UTC; the whole of it where no calendar has it."""
    return utc(at).removesuffix(" UTC").rpartition(":")[0] or utc(at)
