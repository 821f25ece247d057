"""kill: cancel or terminate every session that matches a filter, by the same planner and guards as the screen."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from pgtop_conn.commands.common.exit_codes import DONE, NOT_ALL, REFUSED
from pgtop_conn.commands.common.observe import UNTIL_STABLE, Watch, look
from pgtop_conn.commands.common.rich_lines import capturing_console
from pgtop_conn.commands.kill.options import Order
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.filters.language import NO_TAGS, Tags
from pgtop_conn.model.quoting import filter_value
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import Ask, Plan, make_plan
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Backend, BackendKey, Snapshot
from pgtop_conn.model.source import WHATEVER, Action, Outcome, Source, Status, Target
from pgtop_conn.model.text import one_line
from pgtop_conn.monitor.campaign import PER_SECOND, Campaign, Progress, as_wanted
from pgtop_conn.terminal.console import overwrite
from pgtop_conn.terminal.interrupts import ended_by
from pgtop_conn.view import format
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.table.columns import STATE_SHORT

DEFAULTS = Settings()

#: Keys of the filter language that compare how long something has been so.
AGES = ("idle", "state_age", "xact", "query_age")

#: Columns of a table that goes to a file or a pipe, where a reason is better whole than folded.
WIDE = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """Text for stdout and for stderr, and the exit code."""

    code: int
    out: str
    err: str = ""


async def kill(
    source: Source, order: Order, policy: Policy, settings: Settings = DEFAULTS, watch: Watch = UNTIL_STABLE
) -> Answer:
    """Plan on a fresh look; unless it is a dry run or refused, carry it out and say how each session ended.

    Raises BadInput for a filter on labels where nobody can have one: negated it would match everybody.
    """
    seen, tags = await look(source, order.wanted, settings, watch)
    if order.busy and seen.server.door == HOST_DOOR:
        raise BadInput("--busy needs to see applications, which the host door can't")
    policy = replace(policy, headless=True, include_cautioned=order.include_cautioned)
    if order.wanted.mentions("source") and not tags.labelled:
        raise BadInput("source: nobody has a label: no managed service is recognised and the configuration has none")
    # One poll's word on leaks is no ground for a kill, not even by a bare word that is looked for everywhere.
    plan = plan_of(order, seen, policy, tags if order.wanted.mentions("leak") else Tags(tags.source))
    count = len(plan.targets)
    if not plan.chosen:
        aged = any(order.wanted.mentions(key) for key in AGES) and seen.server.door == HOST_DOOR
        why = ": by the host door ages count from our first look on, which was this one" if aged else ""
        return Answer(DONE, _told(order, plan, seen, plan.headroom_after), f"no session matches the filter{why}")
    if not count:
        code, why = _nobody(order, plan)
        return Answer(code, _told(order, plan, seen, plan.headroom_after), why)
    too_many = f"{plans.plural(count, 'session')} planned, which is more than --max {order.most}"
    unspelled = _unspelled(order, plan)
    unnamed = f"by this door a role is named in the filter: role:{','.join(map(filter_value, unspelled))}"
    if order.dry_run:
        refusals = [why for why, holds in ((too_many, count > order.most), (unnamed, unspelled)) if holds]
        note = f"without --dry-run this is refused: {'; '.join(refusals)}" if refusals else ""
        note += _cautioned(plan, "; " if note else "")
        return Answer(DONE, _told(order, plan, seen, plan.headroom_after), note)
    if count > order.most:
        why = f"refused: {too_many}; nothing was sent"
        return Answer(REFUSED, _told(order, plan, seen, plan.headroom_after), why)
    if unspelled:
        why = f"refused: {unnamed}; nothing was sent"
        return Answer(REFUSED, _told(order, plan, seen, plan.headroom_after), why)
    campaign = _campaign(source, order, plan, policy)
    # Ctrl-C stops between two signals, a second one also the waiting for ends. Kept until the report is made, so that
    # one more does not take it away.
    with ended_by(lambda _number: campaign.stop()):
        return await _after(source, order, plan, seen, await campaign.run())


def _nobody(order: Order, plan: Plan) -> tuple[int, str]:
    """Exit code and reason where every match is left alone."""
    if all(item.target.key in plan.kept for item in plan.excluded):
        return DONE, f"every match is one of the newest {len(plan.kept)} that are kept"
    why = f"refused: {_all_of(plan)} excluded, nothing was sent{_cautioned(plan, '; ')}"
    if not plan.cautioned:
        return REFUSED, why
    return (DONE if order.dry_run else NOT_ALL), why


def _unspelled(order: Order, plan: Plan) -> list[str]:
    """Roles whose names would be typed on the screen, and that the filter doesn't name."""
    if plan.ask is not Ask.TYPE_ROLE:
        return []
    return sorted({item.target.role for item in plan.planned} - order.wanted.spells("role"))


def plan_of(order: Order, seen: Snapshot, policy: Policy, tags: Tags = NO_TAGS) -> Plan:
    """Whoever matches the whole filter, judged as in bulk however few they are; `tags` are of this snapshot."""
    chosen_by = f"filter {order.wanted.text}"
    chosen = [
        _bound(backend, chosen_by, order, seen.taken_at)
        for backend in seen.backends
        if order.wanted.matches(backend, seen.taken_at, tags)
    ]
    return make_plan(order.action, chosen, seen, policy, bulk=True, keep_newest=order.keep_newest)


def _bound(backend: Backend, chosen_by: str, order: Order, at: float) -> Target:
    busy = order.busy and backend.is_busy(at)
    return Target.of(backend, f"{chosen_by}{WHATEVER}" if busy else chosen_by, order.reason, busy=busy)


def _campaign(source: Source, order: Order, plan: Plan, policy: Policy) -> Campaign:
    return Campaign(
        source,
        source.poll,
        plan,
        policy,
        per_second=order.per_second or PER_SECOND,
        escalate_after_s=order.escalate_after_s,
        patience_s=order.patience_s,
        report=_show_progress if sys.stderr.isatty() else None,
    )


def _show_progress(progress: Progress) -> None:
    """One line on the terminal that writes over itself."""
    known = len(progress.outcomes)
    # A terminal that is gone must not end what is being sent.
    overwrite(f"{progress.phase}: {progress.sent} of {progress.total} signalled, end of {known} known")
    if known == progress.total:
        overwrite("")


async def _after(source: Source, order: Order, plan: Plan, seen: Snapshot, outcomes: tuple[Outcome, ...]) -> Answer:
    """What became of each, and the headroom as a last look measures it."""
    errors = []
    headroom: int | None = None
    try:
        after = await source.poll()
        relation = plan.place.relation(after)
        if relation.tells:
            headroom = SlotBudget.of(after).ordinary_free
        else:
            errors.append(f"the headroom afterwards is not known: {relation}")
    except PgtopError as error:
        errors.append(f"the headroom afterwards is not known: {error}")
    failed = [outcome for outcome in outcomes if not as_wanted(plan.action, outcome)]
    unknown = [outcome for outcome in failed if outcome.status is Status.UNKNOWN]
    if len(failed) > len(unknown):
        errors.append(f"{len(failed) - len(unknown)} of {plans.plural(len(outcomes), 'session')} did not end as wanted")
    if unknown:
        errors.append(f"the end of {len(unknown)} of {plans.plural(len(outcomes), 'session')} is unknown")
    errors += dict.fromkeys(outcome.note for outcome in outcomes if outcome.note)
    errors += [_cautioned(plan)] if plan.cautioned else []
    code = NOT_ALL if failed or plan.cautioned else DONE
    return Answer(code, _told(order, plan, seen, headroom, outcomes), "; ".join(errors))


def _told(order: Order, plan: Plan, seen: Snapshot, headroom: int | None, outcomes: tuple[Outcome, ...] = ()) -> str:
    if order.as_json:
        return json.dumps(document(order, plan, headroom, outcomes), ensure_ascii=False, indent=2) + "\n"
    return _table(order, plan, seen, headroom, outcomes)


def document(order: Order, plan: Plan, headroom: int | None, outcomes: tuple[Outcome, ...] = ()) -> dict[str, object]:
    """The JSON of PRODUCT.md; an outcome is null where nothing was sent."""
    ends = {outcome.target.key: outcome.status for outcome in outcomes}
    return {
        "action": str(order.action),
        "dry_run": order.dry_run,
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


def _table(order: Order, plan: Plan, seen: Snapshot, headroom: int | None, outcomes: tuple[Outcome, ...]) -> str:
    """The plan, or what became of it, for people."""
    width = None if sys.stdout.isatty() else WIDE
    console = capturing_console(width)
    ends = {outcome.target.key: outcome for outcome in outcomes}
    done = "cancelled" if order.action is Action.CANCEL else "terminated"
    with console.capture() as captured:
        if plan.planned:
            console.print(_text("TO BE SIGNALLED" if order.dry_run else "TARGETS", "bold"))
            console.print(_targets(plan, seen, ends))
            for caution in plans.cautions(plan):
                console.print(_text("".join(cell.text for cell in caution)))
        if plan.excluded:
            console.print(_text("LEFT ALONE", "bold"))
            console.print(_excluded(plan))
        if outcomes:
            console.print(_text(plans.summary(order.action, outcomes)))
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


def _cautioned(plan: Plan, before: str = "") -> str:
    """How many a caution has left out, and what would take them in; "" for none."""
    if not plan.cautioned:
        return ""
    return (
        f"{before}{plans.plural(plan.cautioned, 'session')} left out for a caution: --include-cautioned takes them in"
    )


def _all_of(plan: Plan) -> str:
    count = len(plan.excluded)
    return "the only match is" if count == 1 else f"all {count} matches are"
