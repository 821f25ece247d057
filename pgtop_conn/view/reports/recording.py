"""The report of a recording, before it is Markdown or a page: sections of sentences, lists, tables and charts. Pure.

Add a section: a function from Story to blocks, and an entry in SECTIONS; one that has nothing to say gives none.
Names and queries, which others chose, are Named: what writes them keeps them from being anything but text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby

from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.history.timeline import gaps, restarts
from pgtop_conn.model.history.usage import Growth, Usage, sentences
from pgtop_conn.model.instants import moment
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.leaks.wording import span
from pgtop_conn.model.redaction.literals import shown
from pgtop_conn.model.slots import CRITICAL_PERCENT, WARNING_PERCENT, Level, may_hold_slot
from pgtop_conn.model.snapshot import Backend
from pgtop_conn.view import format
from pgtop_conn.view.status.server_lines import server_name

APPS, SESSIONS, ACTIONS, LIMITS, PAUSES = 12, 12, 40, 20, 20
QUERY_LENGTH = 500
#: A signal is settled within seconds: from how long before that, and until how long after, the use is looked for.
BEFORE_S, AFTER_S = 30.0, 90.0
#: Where no poll is so near, the last one before counts if it is no further away.
FAR_BEFORE_S = 90.0
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Named:
    """A name, a query or another text that somebody chose."""

    text: str


#: Words of our own, in which names may stand, or a name alone.
Text = str | Named


@dataclass(frozen=True, slots=True)
class Says:
    """A paragraph."""

    text: str
    strong: str = ""


@dataclass(frozen=True, slots=True)
class Lists:
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportTable:
    """`right` are the columns of numbers."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Chart:
    """The history, stacked by a key of stacks.STACKS."""

    by: str


@dataclass(frozen=True, slots=True)
class HourChart:
    """Use by hour of the day."""


Block = Says | Lists | ReportTable | Chart | HourChart


@dataclass(frozen=True, slots=True)
class ReportSection:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """Everything that the report of a recording is made of. `totals` are in the order of time, and at least one."""

    totals: Sequence[Totals]
    marks: Sequence[Mark]
    usage: Usage
    #: None where the sessions of that moment can't be read any more.
    at_peak: Moment | None = None
    at_end: Moment | None = None
    #: Where the recording is damaged, a sentence each.
    damage: tuple[str, ...] = ()
    redact: bool = True
    #: Per cent of the ordinary slots that the levels begin at.
    warning: float = WARNING_PERCENT
    critical: float = CRITICAL_PERCENT
    #: Of this program.
    version: str = ""


def title(story: Story) -> str:
    """What it is about."""
    server = server_name(story.at_end.snapshot) if story.at_end else "an unknown server"
    return f"Connections of {server}"


def sections(story: Story) -> list[ReportSection]:
    """Those that have something to say, in order."""
    found = (ReportSection(title, tuple(section(story))) for title, section in SECTIONS.items())
    return [one for one in found if one.blocks]


def _summary(story: Story) -> list[Block]:
    found = story.usage
    tight = [f"{span(seconds)} {words}" for level, words, seconds in _levels(story) if level is not Level.OK]
    level = f"It was {_listed(tight)}." if tight else "It was never close to the limit."
    blocks: list[Block] = [
        Says(f"{_server(story)} From {when(found.first_at)} to {when(found.last_at)} UTC, {found.polls} polls."),
        Says(f"{_upto(found.exact)}{found.peak} of {found.max} slots at {when(found.peak_at)}. {level}", "Peak:"),
        Says(f"{sentences(found)[0]}.", "Capacity:"),
    ]
    blocks += [Says(f"{one}.", "Mind:") for one in story.damage]
    return blocks


def _server(story: Story) -> str:
    if story.at_end is None:
        return "Which server it was can't be read any more."
    server = story.at_end.snapshot.server
    kind = "standby" if server.in_recovery else "primary"
    provider = f", {server.provider}" if server.provider else ""
    pooled = ", seen through a pooler" if server.pooled else ""
    return f"PostgreSQL {server.version}, {kind}{provider}{pooled}, seen as role {server.role}."


def _levels(story: Story) -> list[tuple[Level, str, float]]:
    """Each level that it was at for a while, in words, and for how long."""
    words = {
        Level.OK: "with room enough",
        Level.WARNING: f"at the warning level ({story.warning:g} % of the ordinary slots)",
        Level.CRITICAL: f"at the critical level ({story.critical:g} %)",
        Level.FULL: "full: ordinary logins were refused",
    }
    return [(level, text, story.usage.level_s[level]) for level, text in words.items() if story.usage.level_s[level]]


def _over_time(story: Story) -> list[Block]:
    found = story.usage
    rows: list[tuple[Text, ...]] = [
        (words.capitalize(), span(seconds), _share(seconds, found.observed_s)) for _, words, seconds in _levels(story)
    ]
    blocks: list[Block] = [Chart("state"), Chart("app")]
    if rows:
        blocks.append(
            ReportTable(("How close to the limit", "For", "Share of the time"), tuple(rows), frozenset({1, 2}))
        )
    return blocks


def _peak(story: Story) -> list[Block]:
    one = max(story.totals, key=lambda one: one.used)
    apps = ", ".join(f"{_app(app)} {count}" for app, count in list(one.apps.items())[:APPS])
    states = ", ".join(f"{state} {count}" for state, count in one.states.items())
    blocks: list[Block] = [
        Says(f"{_upto(one.exact)}{one.used} of {one.max} slots at {when(one.at)}; {one.ordinary_free} further logins"
             " of ordinary roles would have succeeded."),
        Lists(tuple(f"{name}: {text}" for name, text in (("By application", apps), ("By state", states)) if text)),
    ]  # fmt: skip
    if story.at_peak is not None:
        blocks += _sessions(story, story.at_peak)
    return blocks


def _sessions(story: Story, moment: Moment) -> list[Block]:
    """Those that did least with their slot: open transactions first, then the longest in their state."""
    at = moment.snapshot.taken_at
    waiting = [
        one
        for one in moment.snapshot.backends
        if may_hold_slot(one) and (one.xact_s(at) is not None or one.idle_s(at) is not None)
    ]

    def patience(one: Backend) -> tuple[bool, float]:
        return one.xact_s(at) is not None, one.xact_s(at) or one.idle_s(at) or 0.0

    rows = [
        (
            str(one.pid),
            Named(one.role),
            Named(one.app),
            Named(one.client),
            one.state or "?",
            format.duration(one.state_s(at)) or "?",
            format.duration(one.xact_s(at)) or "–",
            Named(shown(one.query, redact=story.redact)[:QUERY_LENGTH]),
        )
        for one in sorted(waiting, key=patience, reverse=True)[:SESSIONS]
    ]
    if not rows:
        return []
    titles = ("PID", "Role", "Application", "Client", "State", "For", "Transaction", "Last statement")
    said = Says("At the peak these held their slot for longest without giving it back, open transactions first.")
    return [said, ReportTable(titles, tuple(rows), frozenset({0, 5, 6}))]


def _grown(story: Story) -> list[Block]:
    found = [one for one in story.usage.growth if one.change or one.change is None]
    if not found:
        return [Says("No application held more or fewer sessions at the end than at the beginning.")]
    titles = ("Application", "First poll", "Last poll", "Most", "Change", "Per hour")
    rows = tuple(_growth_row(one) for one in found[:APPS])
    more = len(found) - APPS
    rest: list[Block] = [Says(f"{more} more changed less.")] if more > 0 else []
    return [ReportTable(titles, rows, frozenset(range(1, 6))), *rest]


def _growth_row(one: Growth) -> tuple[Text, ...]:
    def known(number: int | None) -> str:
        return "?" if number is None else str(number)

    change = "?" if one.change is None else f"{one.change:+d}"
    rate = "?" if one.per_hour is None else f"{one.per_hour:+.1f}"
    return (Named(one.app) if one.app else "(no name)", known(one.first), known(one.last), str(one.most), change, rate)


def _limits(story: Story) -> list[Block]:
    found = [one for one in story.usage.limits if one.most]
    if not found:
        return []
    rows = tuple(
        (Named(one.name), str(one.limit), str(one.most), when(one.most_at), span(one.full_s) if one.full_s else "–")
        for one in found[:LIMITS]
    )
    return [ReportTable(("Limit of", "Limit", "Most used", "When first", "Full for"), rows, frozenset({1, 2, 4}))]


def _leaks(story: Story) -> list[Block]:
    blocks: list[Block] = []
    peak, end = story.at_peak, story.at_end
    same = peak is not None and end is not None and peak.snapshot.taken_at == end.snapshot.taken_at
    for told, words in ((peak, "At the peak"), (None if same else end, "At the end")):
        if told is not None and told.leaks:
            blocks += [Says(f"{words}, {when(told.snapshot.taken_at)}:"), Lists(tuple(map(_leak, told.leaks)))]
    return blocks


def _leak(leak: Leak) -> str:
    return f"{leak.sentence} ({len(leak.sessions)} sessions, score {leak.score:.2f})"


def _done(story: Story) -> list[Block]:
    if not story.marks:
        return [Says("No signal was sent while this was recorded, by this program.")]
    alike = [list(marks) for _, marks in groupby(story.marks, lambda one: (*_same(one), int(one.at // MINUTE_S)))]
    titles = ("When", "Signal", "Sessions", "Role", "Application", "Outcome", "Chosen by", "In use before", "and after")
    rows = tuple(_action_row(story, marks) for marks in alike[-ACTIONS:])
    blocks: list[Block] = [ReportTable(titles, rows, frozenset({7, 8}))]
    earlier = sum(len(marks) for marks in alike[:-ACTIONS])
    if earlier:
        blocks.insert(0, Says(f"{earlier} earlier signals are left out."))
    return blocks


def _same(one: Mark) -> tuple[str, ...]:
    """Signals in a row that have all this in common, and one minute, are one line."""
    return one.action, one.role, one.app, one.outcome, one.chosen_by


def _action_row(story: Story, marks: Sequence[Mark]) -> tuple[Text, ...]:
    one = marks[0]
    before, after = _around(story.totals, marks[0].at, marks[-1].at)
    pids = ", ".join(str(mark.pid) for mark in marks[:SESSIONS]) + (", …" if len(marks) > SESSIONS else "")
    return (
        when(one.at),
        one.action,
        f"{len(marks)}: {pids}",
        Named(one.role),
        Named(one.app),
        one.outcome,
        Named(one.chosen_by),
        "?" if before is None else str(before),
        "?" if after is None else f"{after}{_fell(before, after)}",
    )


def _fell(before: int | None, after: int) -> str:
    if before is None:
        return ""
    return f" (fell by {before - after})" if after < before else " (did not fall)"


def _around(totals: Sequence[Totals], first: float, last: float) -> tuple[int | None, int | None]:
    """The most in use shortly before, and the least shortly after; None where nobody looked."""

    def index(at: float, find: Callable[..., int]) -> int:
        return find(totals, at, key=lambda one: one.at)

    near = index(first, bisect_left)
    before = [one.used for one in totals[index(first - BEFORE_S, bisect_left) : near]]
    if not before and near and first - totals[near - 1].at <= FAR_BEFORE_S:
        before = [totals[near - 1].used]
    after = [one.used for one in totals[index(last, bisect_left) : index(last + AFTER_S, bisect_right)]]
    return max(before, default=None), min(after, default=None)


def _pauses(story: Story) -> list[Block]:
    restarted = restarts(story.totals)
    again = [
        f"The server was restarted between {when(before)} and {when(after)}, not seen for {span(after - before)}"
        for before, after in restarted
    ]
    away = [
        f"Not seen from {when(before)} to {when(after)}, for {span(after - before)}"
        for before, after in gaps(story.totals)
        if (before, after) not in restarted
    ]
    found = [*again, *away]
    more = [f"{len(found) - PAUSES} more"] * (len(found) > PAUSES)
    return [Lists((*found[:PAUSES], *more))] if found else []


def _capacity(story: Story) -> list[Block]:
    found = story.usage
    rows = (
        ("Peak", f"{_upto(found.exact)}{found.peak}", when(found.peak_at)),
        ("Enough for 95 % of the time", str(found.p95), ""),
        ("Enough for half of the time", str(found.median), ""),
        ("Slots of ordinary logins", str(found.ordinary_capacity), f"of max_connections {found.max}"),
    )
    said = sentences(found)
    blocks: list[Block] = [Says(f"{said[0]}."), ReportTable(("Slots in use", "", ""), rows, frozenset({1}))]
    blocks += [Lists(tuple(said[1:]))] if len(said) > 1 else []
    return [
        *blocks,
        Says("Use by hour of the day (UTC): on average and at most; hours without any are unknown."),
        HourChart(),
    ]


def _made(story: Story) -> list[Block]:
    found = story.usage
    literals = "Literals of statements are masked." if story.redact else "Statements are shown as they were recorded."
    return [
        Says(
            f"pgtop-conn {story.version}, from {found.polls} polls over {span(found.last_at - found.first_at)},"
            f" {span(found.observed_s)} of them observed: a poll stands for the time until the next one, and for none"
            f" before a gap or a restart. {literals} Times are UTC, of the server's clock."
        )
    ]


SECTIONS: dict[str, Callable[[Story], list[Block]]] = {
    "": _summary,
    "Slots in use over time": _over_time,
    "The peak": _peak,
    "Who grew": _grown,
    "Limits": _limits,
    "Leaks": _leaks,
    "What was done": _done,
    "Restarts and gaps": _pauses,
    "Capacity": _capacity,
    "How this was made": _made,
}


def when(at: float) -> str:
    """An instant, to the second."""
    return moment(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _upto(exact: bool) -> str:
    return "" if exact else "at most "


def _app(app: str) -> str:
    return app or "(no name)"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
