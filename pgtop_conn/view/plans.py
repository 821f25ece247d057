"""A plan and its outcomes in words: the same lines in the confirm dialog and in the headless kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pgtop_conn.model.plan import Ask, Plan, Planned
from pgtop_conn.model.slots import state_of
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.columns import STATE_SHORT, Cell

#: Values named in a break-down before the rest is summed up.
NAMED_AT_MOST = 4


def plural(count: int, noun: str) -> str:
    """'1 session', '3 sessions'."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def title(plan: Plan) -> str:
    """What is about to happen, in one line."""
    verb = "Terminate" if plan.action is Action.TERMINATE else "Cancel the query of"
    if len(plan.planned) == 1:
        target = plan.planned[0].target
        return f"{verb} session {target.key.pid} ({target.role}, {target.app or 'no application name'})?"
    if not plan.planned:
        return "Nothing to signal"
    return f"{verb} {plural(len(plan.planned), 'session')}?"


def breakdown(plan: Plan) -> list[list[Cell]]:
    """How many by application, role, client and state; then the ages."""
    backends = [item.backend for item in plan.planned]
    if len(backends) < 2:
        return []
    facts = (
        ("app", [b.app or "(none)" for b in backends]),
        ("role", [one_line(b.role) for b in backends]),
        ("client", [b.client or "(unknown)" for b in backends]),
        ("state", [state_of(b) for b in backends]),
    )
    return [[Cell(f"{name:<10}", "dim"), Cell(_counted(values))] for name, values in facts]


def ages(plan: Plan, at: float) -> list[Cell]:
    """How long the oldest and the youngest have been in their state."""
    seconds = sorted(s for item in plan.planned if (s := item.backend.state_s(at)) is not None)
    if not seconds:
        return []
    text = format.duration(seconds[-1])
    if len(seconds) > 1:
        text = f"{format.duration(seconds[0])} to {text}"
    return [Cell(f"{'in state':<10}", "dim"), Cell(f"since {text}")]


def session_line(item: Planned, at: float) -> list[Cell]:
    """One session of a plan."""
    backend = item.backend
    state = STATE_SHORT.get(backend.state or "", backend.state or "")
    cells = [
        Cell(f"{backend.pid:>8}  ", "count"),
        Cell(f"{one_line(backend.role)}  {backend.app}  {backend.client}  "),
        Cell(f"{state} {format.duration(backend.state_s(at))}  ", "dim"),
        Cell(one_line(backend.query)[:120], "query"),
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


def headroom(plan: Plan) -> list[Cell]:
    """What the plan gives back."""
    if plan.action is Action.CANCEL:
        return [Cell("A cancel ends the query; the session and its slot stay.", "dim")]
    change = f"{plan.headroom_before} → {plan.headroom_after}"
    return [Cell("Headroom for ordinary roles  ", "dim"), Cell(change, "ok")]


def prompt(plan: Plan) -> str:
    """What the user is asked to do."""
    if plan.ask is Ask.TYPE_ROLE:
        return f"Type the role's name to confirm: {plan.answer}"
    if plan.ask is Ask.TYPE_COUNT:
        return f"Type the number of sessions to confirm: {plan.answer}"
    return "Press y to do it, Esc or n to leave everything as it is"


def summary(action: Action, outcomes: Iterable[Outcome]) -> str:
    """'12 gone, 1 denied (permission denied …)': the outcomes counted, with the first detail of each refusal."""
    grouped: dict[Status, list[Outcome]] = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.status, []).append(outcome)
    parts = []
    for status, members in grouped.items():
        detail = next((outcome.detail for outcome in members if outcome.detail), "")
        parts.append(f"{len(members)} {status}" + (f" ({detail})" if detail else ""))
    return f"{action}: " + (", ".join(parts) or "nothing was sent")


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
        f"SELECT s.pid, {SIGNAL_FUNCTIONS[action]}(s.pid) FROM (SELECT a.pid FROM pg_stat_get_activity({pid:d}) a "
        f"WHERE a.backend_start = to_timestamp({float(started)!r}::float8) AND a.pid <> pg_backend_pid() OFFSET 0) s;"
    )


def _counted(values: Sequence[str]) -> str:
    """'web 12, api 3, 2 others'."""
    most = Counter(values).most_common()
    parts = [f"{value} {count}" for value, count in most[:NAMED_AT_MOST]]
    rest = sum(count for _, count in most[NAMED_AT_MOST:])
    return ", ".join([*parts, f"{rest} others"] if rest else parts)
