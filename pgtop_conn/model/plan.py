"""Plan: what a signal would do to whom, and what it would leave alone and why. Pure; nothing is sent from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pgtop_conn.model.guards import Care, Policy, judge, refused
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.source import Action, Target

GONE = "gone since it was selected"


class Ask(StrEnum):
    """What the user does to confirm a plan."""

    YES = "yes"
    TYPE_COUNT = "count"
    TYPE_ROLE = "role"


@dataclass(frozen=True, slots=True)
class Planned:
    """A session the plan would signal; `cautions` are reasons to think twice, not to refuse."""

    target: Target
    backend: Backend
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A session the plan leaves alone, with every reason; `dropped` when it went or changed after the choice."""

    target: Target
    reasons: tuple[str, ...]
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of headroom are further logins of an ordinary role, before and after."""

    action: Action
    chosen: tuple[Target, ...]
    bulk: bool
    planned: tuple[Planned, ...]
    excluded: tuple[Excluded, ...]
    ask: Ask
    #: What must be typed: "y", the number of targets, or a role's name.
    answer: str
    headroom_before: int
    headroom_after: int

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(item.target for item in self.planned)

    @property
    def cautions(self) -> dict[str, int]:
        """Each caution and how many targets it is about, most first."""
        return dict(Counter(caution for item in self.planned for caution in item.cautions).most_common())

    @property
    def exclusions(self) -> dict[str, int]:
        """Each reason and how many sessions it excludes, most first."""
        return dict(Counter(reason for item in self.excluded for reason in item.reasons[:1]).most_common())

    def renewed(self, snapshot: Snapshot, policy: Policy) -> Plan:
        """The same choice judged by a newer snapshot; what was never planned stays out."""
        return make_plan(self.action, self.chosen, snapshot, policy, bulk=self.bulk)


def make_plan(
    action: Action, chosen: Sequence[Target], snapshot: Snapshot, policy: Policy, *, bulk: bool | None = None
) -> Plan:
    """Judge every chosen session on this snapshot. `bulk` defaults to whether more than one was chosen."""
    bulk = len(chosen) > 1 if bulk is None else bulk
    planned: list[Planned] = []
    excluded: list[Excluded] = []
    care = Care.ALLOW
    for target in dict.fromkeys(chosen):
        backend = snapshot.by_key.get(target.key)
        if backend is None:
            excluded.append(Excluded(target, (GONE,), dropped=True))
        elif not target.still_is(backend):
            excluded.append(Excluded(target, (_change(target, backend),), dropped=True))
        else:
            verdict = judge(backend, snapshot, policy, bulk=bulk)
            reasons = refused(action, backend, verdict)
            if reasons:
                excluded.append(Excluded(target, reasons))
                continue
            allowed = replace(
                target,
                allow_superuser="superuser" in verdict.names,
                allow_replication="replication" in verdict.names,
            )
            planned.append(Planned(allowed, backend, verdict.reasons))
            care = max(care, verdict.care)
    budget = SlotBudget.of(snapshot)
    freed = sum(1 for item in planned if item.backend.is_client) if action is Action.TERMINATE else 0
    ask, answer = _confirmation(planned, care, budget, policy)
    return Plan(
        action=action,
        chosen=tuple(chosen),
        bulk=bulk,
        planned=tuple(planned),
        excluded=tuple(excluded),
        ask=ask,
        answer=answer,
        headroom_before=budget.ordinary_free,
        headroom_after=budget.ordinary_free_after(freed),
    )


def _change(target: Target, backend: Backend) -> str:
    """What is different about a session since it was chosen."""
    if target.state != backend.state:
        return f"changed since it was selected: {target.state} → {backend.state}"
    if target.query_start != backend.query_start:
        return "changed since it was selected: a new query"
    return "changed since it was selected: it has been used"


def _confirmation(planned: Sequence[Planned], care: Care, budget: SlotBudget, policy: Policy) -> tuple[Ask, str]:
    """The confirmation that matches the risk."""
    count = len(planned)
    if care is Care.TYPE_ROLE and count:
        return Ask.TYPE_ROLE, planned[0].target.role
    if count > 1 and (count > policy.type_count_above or count * 2 > budget.used):
        return Ask.TYPE_COUNT, str(count)
    return Ask.YES, "y"
