"""A plan and its outcomes in words: the same lines in the confirm dialog and in the headless kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pgtop_conn.model.signalling.limit_relief import Relief, relief
from pgtop_conn.model.signalling.plan import Ask, Plan, Planned
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.model.text import beginning, one_line
from pgtop_conn.view import format
from pgtop_conn.view.dialogs.session_row import pid_cell, who
from pgtop_conn.view.table.columns import STATE_SHORT, Cell

#: Values named in a break-down before the rest is summed up.
NAMED_AT_MOST = 4


def plural(count: int, noun: str) -> str:
    """'1 session', '3 sessions'."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def title(plan: Plan, escalate_after_s: float | None = None) -> str:
    """What is about to happen, in one line; with `escalate_after_s` the plan is the terminate that comes second."""
    if not plan.planned:
        return "Nothing to signal"
    terminate = plan.action is Action.TERMINATE and escalate_after_s is None
    verb = "Terminate" if terminate else "Cancel the query of"
    then = "" if escalate_after_s is None else f", then terminate after {escalate_after_s:g} s"
    if len(plan.planned) == 1:
        target = plan.planned[0].target
        return f"{verb} session {target.key.pid} ({target.role}, {target.app or 'no application name'}){then}?"
    kept = f", all but the newest {len(plan.kept)}" if plan.kept else ""
    return f"{verb} {plural(len(plan.planned), 'session')}{kept}{then}?"


def breakdown(plan: Plan) -> list[list[Cell]]:
    """How many by application, role, client and state; then the ages."""
    backends = [item.backend for item in plan.planned]
    if len(backends) < 2:
        return []
    facts = (
        ("app", [b.app or "(none)" for b in backends]),
        ("role", [one_line(b.role) for b in backends]),
        ("client", [b.client or "(unknown)" for b in backends]),
        ("state", [b.counted_as for b in backends]),
    )
    return [[Cell(f"{name:<10}", "dim"), Cell(_counted(values))] for name, values in facts]


def ages(plan: Plan, at: float) -> list[Cell]:
    """How long the youngest and the oldest have been in their state, and connected."""
    backends = [item.backend for item in plan.planned]
    in_state = _span([b.state_s(at) for b in backends])
    if not in_state:
        return []
    connected = _span([b.session_s(at) for b in backends])
    text = f"since {in_state}" + (f"; connected {connected} ago" if connected else "")
    return [Cell(f"{'in state':<10}", "dim"), Cell(text)]


def _span(ages_s: Sequence[float | None]) -> str:
    """'12s', or '12s to 3h12m' from the youngest to the oldest; '' where nothing is known."""
    known = sorted(age_s for age_s in ages_s if age_s is not None)
    if not known:
        return ""
    youngest, oldest = format.duration(known[0]), format.duration(known[-1])
    return oldest if youngest == oldest else f"{youngest} to {oldest}"


def session_line(item: Planned, at: float) -> list[Cell]:
    """One session of a plan."""
    backend = item.backend
    state = STATE_SHORT.get(backend.state or "", backend.state or "")
    cells = [
        pid_cell(backend.pid),
        Cell(f"{who(backend)}  "),
        Cell(f"{state} {format.duration(backend.state_s(at))}  ", "dim"),
        Cell(beginning(backend.query)[:120], "query"),
    ]
    if item.cautions:
        cells.insert(3, Cell(f"{'; '.join(item.cautions)}  ", "warning"))
    return cells


def cautions(plan: Plan) -> list[list[Cell]]:
    """What to think twice about, with the count of each."""
    return [[Cell(f"! {count} × {caution}", "warning")] for caution, count in plan.cautions.items()]


def exclusions(plan: Plan) -> list[list[Cell]]:
    """What is left alone, with the count of each reason."""
    return [[Cell(f"- {count} left alone: {reason}", "protected")] for reason, count in plan.exclusions.items()]


def headroom(plan: Plan, given: Relief | None = None) -> list[Cell]:
    """What the plan gives back to ordinary roles, and under the tightest limit that any of its targets is under."""
    if plan.action is Action.CANCEL:
        return [Cell("A cancel ends the query; the session and its slot stay.", "dim")]
    cells = [
        Cell("Headroom  ordinary roles ", "dim"),
        Cell(f"{plan.headroom_before} → {plan.headroom_after}", "ok"),
    ]
    if given is not None:
        limit = given.limit
        cells += [
            Cell(f"   {one_line(limit.name)} ", "dim"),
            Cell(f"{given.before} → {given.after}", "ok"),
            Cell(f" ({limit.kind} limit {limit.limit})", "dim"),
        ]
    return cells


def relief_of(plan: Plan, snapshot: Snapshot) -> Relief | None:
    """What the plan gives back under a limit; a cancel gives nothing."""
    if plan.action is Action.CANCEL:
        return None
    return relief([item.backend for item in plan.planned], SlotBudget.of(snapshot))


def prompt(plan: Plan, yes: str = "Ctrl-Y", no: str = "n or Esc") -> str:
    """What the user is asked to do; `yes` and `no` are the keys for it."""
    if plan.ask is Ask.TYPE_ROLE:
        roles = len({item.target.role for item in plan.planned})
        if roles > 1:
            return f"Type the names of the {roles} roles, a blank between, to confirm: {plan.answer}"
        return f"Type the role's name to confirm: {plan.answer}"
    if plan.ask is Ask.TYPE_COUNT:
        return f"Type the number of sessions to confirm: {plan.answer}"
    return f"Press {yes} to {plan.action}, {no} to leave everything as it is"


def summary(action: Action, outcomes: Iterable[Outcome]) -> str:
    """'12 gone, 1 denied (permission denied …)': the outcomes counted, with the first detail of each refusal."""
    return f"{action}: " + (tally(outcomes, details=True) or "nothing was sent")


def tally(outcomes: Iterable[Outcome], *, details: bool = False) -> str:
    """'12 gone, 1 denied', '' for none; with the first detail of each where it is asked for."""
    grouped: dict[Status, list[Outcome]] = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.status, []).append(outcome)
    parts = []
    for status, members in grouped.items():
        detail = next((outcome.detail for outcome in members if outcome.detail), "") if details else ""
        parts.append(f"{len(members)} {status}" + (f" ({detail})" if detail else ""))
    return ", ".join(parts)


#: Cells of the bar of a plan that is being sent.
PROGRESS_WIDTH = 16


def progress(phase: str, done: int, total: int, outcomes: Iterable[Outcome], *, ascii_only: bool) -> list[Cell]:
    """The line below the table while a plan is being sent."""
    bar = format.bar(done / total if total else 1.0, PROGRESS_WIDTH, ascii=ascii_only)
    ended = tally(outcomes)
    return [
        Cell(f" {phase} ", "warning"),
        Cell(bar, "bar"),
        Cell(f" {done}/{total}", "count"),
        Cell("   Esc", "key"),
        Cell(" stops at once", "dim"),
        Cell(f"   {ended}" if ended else "", "dim"),
    ]


#: The functions of the server; the only words besides numbers in a statement that is copied.
SIGNAL_FUNCTIONS = {Action.TERMINATE: "pg_terminate_backend", Action.CANCEL: "pg_cancel_backend"}


def signal_sql(action: Action, target: Target) -> str | None:
    """The statement that signals this session and no other, for copying; None where its identity is hidden.

    Its only literals are numbers. The row is looked for first and the signal function stays out of WHERE, where the
    planner may call it before the other conditions.
    """
    pid, started = target.key
    if started is None:
        return None
    return (
        f"SELECT s.pid, pg_catalog.{SIGNAL_FUNCTIONS[action]}(s.pid) "
        f"FROM (SELECT a.pid FROM pg_catalog.pg_stat_get_activity({pid:d}) a "
        f"WHERE a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp({float(started)!r}::pg_catalog.float8) "
        "AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() OFFSET 0) s;"
    )


def _counted(values: Sequence[str]) -> str:
    """'web 12, api 3, 2 others'."""
    most = Counter(values).most_common()
    parts = [f"{value} {count}" for value, count in most[:NAMED_AT_MOST]]
    rest = sum(count for _, count in most[NAMED_AT_MOST:])
    return ", ".join([*parts, f"{rest} others"] if rest else parts)
