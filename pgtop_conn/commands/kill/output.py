"""What kill prints: the plan, or what became of it, as JSON or as a table. Add a key of the JSON: document()."""

from __future__ import annotations

import json
import sys

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from pgtop_conn.commands.common.rich_lines import capturing_console
from pgtop_conn.commands.kill.options import Options
from pgtop_conn.model.signalling.plan import Plan
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.table.columns import STATE_SHORT

#: Columns of a table that goes to a file or a pipe, where a reason is better whole than folded.
WIDE = 200


def told(options: Options, plan: Plan, seen: Snapshot, headroom: int | None, outcomes: tuple[Outcome, ...] = ()) -> str:
    """As JSON or as a table. `headroom` is that for ordinary roles afterwards, None where it is not known."""
    if options.as_json:
        return json.dumps(document(options, plan, headroom, outcomes), ensure_ascii=False, indent=2) + "\n"
    return _table(options, plan, seen, headroom, outcomes)


def document(
    options: Options, plan: Plan, headroom: int | None, outcomes: tuple[Outcome, ...] = ()
) -> dict[str, object]:
    """The JSON; an outcome is null where nothing was sent."""
    ends = {outcome.target.key: outcome.status for outcome in outcomes}
    return {
        "action": str(options.action),
        "dry_run": options.dry_run,
        "targets": [
            {
                "pid": target.key.pid,
                "backend_start": _began(target),
                "role": target.role,
                "app": target.app,
                "outcome": None if ends.get(target.key, Status.NOT_SENT) is Status.NOT_SENT else str(ends[target.key]),
            }
            for target in plan.targets
        ],
        "excluded": [
            {
                "pid": item.target.key.pid,
                "role": item.target.role or None,
                "reasons": list(item.reasons),
                "cautioned": item.cautioned,
            }
            for item in plan.excluded
        ],
        "headroom": {"before": plan.headroom_before, "after": headroom},
    }


def _began(target: Target) -> str | None:
    return format.iso(target.key.backend_start) if target.key.backend_start is not None else None


def _table(options: Options, plan: Plan, seen: Snapshot, headroom: int | None, outcomes: tuple[Outcome, ...]) -> str:
    """The plan, or what became of it, for people."""
    width = None if sys.stdout.isatty() else WIDE
    console = capturing_console(width)
    ends = {outcome.target.key: outcome for outcome in outcomes}
    done = "cancelled" if options.action is Action.CANCEL else "terminated"
    with console.capture() as captured:
        if plan.planned:
            console.print(_text("TO BE SIGNALLED" if options.dry_run else "TARGETS", "bold"))
            console.print(_targets(plan, seen, ends))
            for caution in plans.cautions(plan):
                console.print(_text("".join(cell.text for cell in caution)))
        if plan.excluded:
            console.print(_text("LEFT ALONE", "bold"))
            console.print(_excluded(plan))
        if outcomes:
            console.print(_text(plans.summary(options.action, outcomes)))
        elif plan.planned:
            console.print(_text(f"{plans.plural(len(plan.planned), 'session')} would be {done}"))
        after = "unknown" if headroom is None else headroom
        console.print(_text(f"Headroom for ordinary roles  {plan.headroom_before} → {after}"))
    return captured.get()


def _targets(plan: Plan, seen: Snapshot, ends: dict[BackendKey, Outcome]) -> Table:
    table = _columns("PID", "ROLE", "APP", "CLIENT", "STATE", "FOR", "OUTCOME" if ends else "CAUTION", "QUERY")
    for item in plan.planned:
        backend = item.backend
        end = ends.get(item.target.key)
        last = f"{end.status}{f': {end.detail}' if end.detail else ''}" if end else "; ".join(item.cautions)
        age = format.duration(backend.state_s(seen.taken_at))
        query = Text(one_line(backend.query)[:60], no_wrap=True, overflow="ellipsis")
        state = STATE_SHORT.get(backend.state or "", backend.state or "")
        cells = (str(backend.pid), backend.role, backend.app, backend.client, state, age, last)
        table.add_row(*map(_text, cells), query)
    return table


def _excluded(plan: Plan) -> Table:
    table = _columns("PID", "ROLE", "APP", "CLIENT", "REASON")
    for item in plan.excluded:
        target = item.target
        cells = (str(target.key.pid), target.role, target.app, target.client, "; ".join(item.reasons))
        table.add_row(*map(_text, cells))
    return table


def _columns(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in names:
        # A reason or an outcome is the point of its row and wraps; a query gives way first, on its one line.
        wraps = name in ("REASON", "OUTCOME", "CAUTION", "QUERY")
        justify: JustifyMethod = "right" if name == "PID" else "left"
        table.add_column(name, justify=justify, no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(one_line(text), style=style)
