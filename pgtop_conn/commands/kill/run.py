"""kill: cancel or terminate every session that matches a filter, by the same planner and guards as the screen."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from pgtop_conn.commands.common.exit_codes import DONE, NOT_ALL, REFUSED
from pgtop_conn.commands.common.observe import UNTIL_STABLE, Watch, poll_for
from pgtop_conn.commands.kill.options import Options
from pgtop_conn.commands.kill.output import told
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.filters.language import NO_TAGS, Tags
from pgtop_conn.model.quoting import filter_value
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import Ask, Plan, make_plan
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Backend, Snapshot
from pgtop_conn.model.source import WHATEVER, Outcome, Source, Status, Target
from pgtop_conn.monitor.campaign import PER_SECOND, Campaign, Progress, as_wanted
from pgtop_conn.terminal.console import overwrite
from pgtop_conn.terminal.interrupts import ended_by
from pgtop_conn.view.dialogs import plan as plans

DEFAULTS = Settings()

#: Keys of the filter language that compare how long something has been so.
AGES = ("idle", "state_age", "xact", "query_age")


@dataclass(frozen=True, slots=True)
class Answer:
    """Text for stdout and for stderr, and the exit code."""

    code: int
    out: str
    err: str = ""


async def kill(
    source: Source, options: Options, policy: Policy, settings: Settings = DEFAULTS, watch: Watch = UNTIL_STABLE
) -> Answer:
    """Plan on a fresh look; unless it is a dry run or refused, carry it out and say how each session ended.

    Raises BadInput for a filter on labels where nobody can have one: negated it would match everybody.
    """
    seen, tags = await poll_for(source, options.wanted, settings, watch)
    if options.busy and seen.server.door == HOST_DOOR:
        raise BadInput("--busy needs to see applications, which the host door can't")
    policy = replace(policy, headless=True, include_cautioned=options.include_cautioned)
    if options.wanted.mentions("source") and not tags.labelled:
        raise BadInput("source: nobody has a label: no managed service is recognised and the configuration has none")
    # One poll's word on leaks is no ground for a kill, not even by a bare word that is looked for everywhere.
    plan = plan_of(options, seen, policy, tags if options.wanted.mentions("leak") else Tags(tags.source))
    count = len(plan.targets)
    if not plan.chosen:
        aged = any(options.wanted.mentions(key) for key in AGES) and seen.server.door == HOST_DOOR
        why = ": by the host door ages count from our first look on, which was this one" if aged else ""
        return Answer(DONE, told(options, plan, seen, plan.headroom_after), f"no session matches the filter{why}")
    if not count:
        code, why = _nobody(options, plan)
        return Answer(code, told(options, plan, seen, plan.headroom_after), why)
    too_many = f"{plans.plural(count, 'session')} planned, which is more than --max {options.most}"
    unspelled = _unspelled(options, plan)
    unnamed = f"by this door a role is named in the filter: role:{','.join(map(filter_value, unspelled))}"
    if options.dry_run:
        refusals = [why for why, holds in ((too_many, count > options.most), (unnamed, unspelled)) if holds]
        note = f"without --dry-run this is refused: {'; '.join(refusals)}" if refusals else ""
        note += _cautioned(plan, "; " if note else "")
        return Answer(DONE, told(options, plan, seen, plan.headroom_after), note)
    if count > options.most:
        why = f"refused: {too_many}; nothing was sent"
        return Answer(REFUSED, told(options, plan, seen, plan.headroom_after), why)
    if unspelled:
        why = f"refused: {unnamed}; nothing was sent"
        return Answer(REFUSED, told(options, plan, seen, plan.headroom_after), why)
    campaign = _campaign(source, options, plan, policy)
    # Ctrl-C stops between two signals, a second one also the waiting for ends. Kept until the report is made, so that
    # one more does not take it away.
    with ended_by(lambda _number: campaign.stop()):
        return await _after(source, options, plan, seen, await campaign.run())


def _nobody(options: Options, plan: Plan) -> tuple[int, str]:
    """Exit code and reason where every match is left alone."""
    if all(item.target.key in plan.kept for item in plan.excluded):
        return DONE, f"every match is one of the newest {len(plan.kept)} that are kept"
    why = f"refused: {_all_of(plan)} excluded, nothing was sent{_cautioned(plan, '; ')}"
    if not plan.cautioned:
        return REFUSED, why
    return (DONE if options.dry_run else NOT_ALL), why


def _unspelled(options: Options, plan: Plan) -> list[str]:
    """Roles whose names would be typed on the screen, and that the filter doesn't name."""
    if plan.ask is not Ask.TYPE_ROLE:
        return []
    return sorted({item.target.role for item in plan.planned} - options.wanted.spells("role"))


def plan_of(options: Options, seen: Snapshot, policy: Policy, tags: Tags = NO_TAGS) -> Plan:
    """Every session that matches the whole filter, judged as many even where it is one; `tags` are of this snapshot."""
    chosen_by = f"filter {options.wanted.text}"
    chosen = [
        _bound(backend, chosen_by, options, seen.taken_at)
        for backend in seen.backends
        if options.wanted.matches(backend, seen.taken_at, tags)
    ]
    return make_plan(options.action, chosen, seen, policy, bulk=True, keep_newest=options.keep_newest)


def _bound(backend: Backend, chosen_by: str, options: Options, at: float) -> Target:
    busy = options.busy and backend.is_busy(at)
    return Target.of(backend, f"{chosen_by}{WHATEVER}" if busy else chosen_by, options.reason, busy=busy)


def _campaign(source: Source, options: Options, plan: Plan, policy: Policy) -> Campaign:
    return Campaign(
        source,
        source.poll,
        plan,
        policy,
        per_second=options.per_second or PER_SECOND,
        escalate_after_s=options.escalate_after_s,
        patience_s=options.patience_s,
        report=_show_progress if sys.stderr.isatty() else None,
    )


def _show_progress(progress: Progress) -> None:
    """One line on the terminal that writes over itself."""
    known = len(progress.outcomes)
    # A terminal that is gone must not end what is being sent.
    overwrite(f"{progress.phase}: {progress.sent} of {progress.total} signalled, end of {known} known")
    if known == progress.total:
        overwrite("")


async def _after(source: Source, options: Options, plan: Plan, seen: Snapshot, outcomes: tuple[Outcome, ...]) -> Answer:
    """What became of each, and the headroom as a last poll measures it."""
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
    return Answer(code, told(options, plan, seen, headroom, outcomes), "; ".join(errors))


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
