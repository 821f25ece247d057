"""Plan: what a signal would do to whom, and what it would leave alone and why. Pure; nothing is sent from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pgtop_conn.model.signalling.guards import Care, Judgement, Policy, judge, left_for_caution, refused
from pgtop_conn.model.signalling.server_identity import Place, place_of
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, BackendKey, Server, Snapshot
from pgtop_conn.model.source import Action, Target

GONE = "gone since it was selected"
#: What the reason of a session that is no longer what was chosen begins with.
CHANGED = "changed since it was selected: "
WRITTEN = "its transaction has written"


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
    #: Names of the guards that spoke, and what they ask for at most.
    guards: frozenset[str] = frozenset()
    care: Care = Care.ALLOW


@dataclass(frozen=True, slots=True)
class Excluded:
    """A session the plan leaves alone, with every reason; `dropped` when it went or changed after the choice."""

    target: Target
    reasons: tuple[str, ...]
    dropped: bool = False
    #: Left alone only because nobody is there to be asked about it, or because it is not asked about in bulk.
    cautioned: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of headroom are further logins of an ordinary role, before and after."""

    action: Action
    chosen: tuple[Target, ...]
    bulk: bool
    planned: tuple[Planned, ...]
    excluded: tuple[Excluded, ...]
    ask: Ask
    #: What must be typed: "y", the number of targets, or the name of each role once, with blanks between.
    answer: str
    headroom_before: int
    headroom_after: int
    #: The server that the choice was made on.
    place: Place
    #: Those of the choice that began last and are left alone for it; decided once, so that a renewal keeps the same.
    kept: frozenset[BackendKey] = frozenset()

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(item.target for item in self.planned)

    @property
    def cautioned(self) -> int:
        """How many are left alone only because nobody could be asked about them."""
        return sum(item.cautioned for item in self.excluded)

    @property
    def cautions(self) -> dict[str, int]:
        """Each caution and how many targets it is about, most first."""
        return dict(Counter(caution for item in self.planned for caution in item.cautions).most_common())

    @property
    def exclusions(self) -> dict[str, int]:
        """Each reason and how many sessions it excludes, most first."""
        return dict(Counter(reason for item in self.excluded for reason in item.reasons[:1]).most_common())

    def renewed(self, snapshot: Snapshot, policy: Policy) -> Plan:
        """The same choice judged by a newer snapshot, which may also take in what it left alone before."""
        return make_plan(self.action, self.chosen, snapshot, policy, bulk=self.bulk, kept=self.kept, place=self.place)

    def narrowed(self, snapshot: Snapshot, policy: Policy) -> Plan:
        """The plan on a newer snapshot: what left or changed is excluded, and what is excluded never comes back."""
        newer = make_plan(self.action, self.targets, snapshot, policy, bulk=self.bulk, kept=self.kept, place=self.place)
        return replace(newer, chosen=self.chosen, excluded=(*self.excluded, *newer.excluded))


def make_plan(
    action: Action,
    chosen: Sequence[Target],
    snapshot: Snapshot,
    policy: Policy,
    *,
    bulk: bool | None = None,
    keep_newest: int = 0,
    kept: frozenset[BackendKey] = frozenset(),
    place: Place | None = None,
) -> Plan:
    """Judge every chosen session on this snapshot. `bulk` defaults to whether more than one was chosen.

    `keep_newest` leaves alone so many of the choice, those that began last, whatever else is known of them; `kept`
    names those for which an earlier plan has decided so. `place` is the server that the choice was made on, this one
    where it is not given: on another one nobody of them is looked for.
    """
    place = place or place_of(snapshot)
    elsewhere = _elsewhere(place, snapshot)
    bulk = len(chosen) > 1 if bulk is None else bulk
    kept |= _newest(chosen, snapshot, keep_newest)
    planned: list[Planned] = []
    excluded: list[Excluded] = []
    for target in dict.fromkeys(chosen):
        backend = snapshot.by_key.get(target.key)
        dropped = elsewhere or (_absence(target, snapshot) if backend is None else _change(target, backend))
        if backend is None or dropped:
            excluded.append(Excluded(target, (dropped,), dropped=True))
            continue
        judged = _judged(action, target, backend, snapshot, policy, bulk=bulk, kept=kept)
        if isinstance(judged, Planned):
            planned.append(judged)
        else:
            excluded.append(judged)
    budget = SlotBudget.of(snapshot)
    freed = sum(1 for item in planned if item.backend.is_client) if action is Action.TERMINATE else 0
    ask, answer = _confirmation(planned, budget, policy)
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
        place=place,
        kept=kept,
    )


def _elsewhere(place: Place, snapshot: Snapshot) -> str:
    """Why this snapshot tells nothing of who was chosen; "" where it does."""
    relation = place.relation(snapshot)
    return "" if relation.tells else str(relation)


def _judged(
    action: Action,
    target: Target,
    backend: Backend,
    snapshot: Snapshot,
    policy: Policy,
    *,
    bulk: bool,
    kept: frozenset[BackendKey],
) -> Planned | Excluded:
    """What the guards say of a session that is still what was chosen."""
    verdict = judge(backend, snapshot, policy, bulk=bulk)
    reasons = refused(action, backend, verdict)
    if target.key in kept:
        return Excluded(target, (*reasons, f"one of the newest {len(kept)} that are kept"))
    if reasons:
        cautioned = reasons == verdict.reasons and left_for_caution(backend, snapshot, policy, bulk=bulk)
        return Excluded(target, reasons, cautioned=cautioned)
    allowed = _allowed(target, verdict, snapshot.server)
    return Planned(allowed, backend, verdict.reasons, verdict.names, verdict.care)


def _allowed(target: Target, verdict: Judgement, server: Server) -> Target:
    """The target with what its confirmation covers, which the server asks for again."""
    return replace(
        target,
        server_start=server.started_at,
        allow_superuser="superuser" in verdict.names,
        allow_replication="replication" in verdict.names,
        allow_unknown_role="role" in verdict.names,
        allow_namesake="namesake" in verdict.names,
    )


def _newest(chosen: Sequence[Target], snapshot: Snapshot, count: int) -> frozenset[BackendKey]:
    """Those of the choice that began last and are still there; a hidden beginning is guarded anyway."""
    began = [
        (target.key.backend_start, target.key)
        for target in dict.fromkeys(chosen)
        if target.key.backend_start is not None and target.key in snapshot.by_key
    ]
    return frozenset(key for _, key in sorted(began)[-count:]) if count > 0 else frozenset()


def _absence(target: Target, snapshot: Snapshot) -> str:
    """Why a chosen session's identity is not in the snapshot."""
    return f"{CHANGED}hidden from us" if snapshot.hides(target.key) else GONE


def _change(target: Target, backend: Backend) -> str:
    """What is different about a session since it was chosen, or ''."""
    if target.still_is(backend):
        return ""
    if target.busy:
        return f"{CHANGED}{WRITTEN if backend.wrote else 'its role or its application is another one'}"
    if target.state != backend.state:
        return f"{CHANGED}{target.state} → {backend.state}"
    if target.query_start != backend.query_start:
        return f"{CHANGED}a new query"
    return f"{CHANGED}it has been used"


def _confirmation(planned: Sequence[Planned], budget: SlotBudget, policy: Policy) -> tuple[Ask, str]:
    """The confirmation that matches the risk."""
    count = len(planned)
    if any(item.care is Care.TYPE_ROLE for item in planned):
        return Ask.TYPE_ROLE, " ".join(dict.fromkeys(item.target.role for item in planned))
    if count > 1 and (count > policy.type_count_above or count * 2 > budget.used):
        return Ask.TYPE_COUNT, str(count)
    return Ask.YES, "y"
