"""Capacity from history: how much was used, when, for how long it was tight, who grew, and what is left to give away.

Every figure is weighted by time: a poll stands for the time until the next one, and for none where the next one comes
after a gap or a restart. So a history that is thinner where it is older tells the same as one that is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import pairwise
from math import ceil

from pgtop_conn.model.history.moments import OTHERS, Totals
from pgtop_conn.model.history.timeline import in_order, unseen
from pgtop_conn.model.instants import moment
from pgtop_conn.model.leaks.wording import span
from pgtop_conn.model.slots import CRITICAL_PERCENT, WARNING_PERCENT, Level, level_of

#: What is kept free beyond the peak: so many per cent of the ordinary slots, and at least so many slots.
BUFFER_PERCENT = 10
BUFFER_LEAST = 3
#: Less than a day has not seen every hour of it; what was recorded for one ends a little before it is whole.
ENOUGH_S = 86_400.0 - 900.0
#: A growth a minute or an hour is told of histories of at least this length.
RATE_NEEDS_S = 60.0
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Growth:
    """One application over the whole history; None where it was among the many that are not counted by name."""

    app: str
    first: int | None
    last: int | None
    most: int
    #: Sessions an hour, from the first poll to the last; None where either is unknown or the history is too short.
    per_hour: float | None

    @property
    def change(self) -> int | None:
        """From the first poll to the last."""
        return None if self.first is None or self.last is None else self.last - self.first


@dataclass(frozen=True, slots=True)
class Reached:
    """A CONNECTION LIMIT, "role reporting" or "database shop", and the most of it that was used."""

    name: str
    limit: int
    most: int
    most_at: float
    #: Seconds in which nothing of it was left.
    full_s: float

    @property
    def free(self) -> int:
        return max(0, self.limit - self.most)


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the day as it was seen: use on average and at most, over so many seconds of observation."""

    mean: float
    most: int
    seen_s: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a history says of how much is needed. Counts are slots, times seconds on the server's clock."""

    first_at: float
    last_at: float
    polls: int
    #: Time that polls stand for: without gaps, restarts and what came after the last poll.
    observed_s: float
    peak: int
    peak_at: float
    #: The least number of slots that was enough for half, or for 95 %, of the observed time.
    median: int
    p95: int
    #: False where some poll could only count an upper bound.
    exact: bool
    #: Of the newest poll.
    max: int
    ordinary_capacity: int
    #: Adds up to observed_s.
    level_s: Mapping[Level, float]
    #: 0 to 23; an hour of the day that nobody saw has no entry.
    hours: Mapping[int, Hour]
    #: By how much they changed, most first.
    growth: tuple[Growth, ...]
    #: Tightest first.
    limits: tuple[Reached, ...]

    @property
    def buffer(self) -> int:
        """Slots that stay free beyond the peak."""
        return max(BUFFER_LEAST, ceil(self.ordinary_capacity * BUFFER_PERCENT / 100))

    @property
    def spare(self) -> int:
        """Connections that could be given to pools; below 0 so many are missing."""
        return self.ordinary_capacity - self.peak - self.buffer

    @property
    def is_short(self) -> bool:
        """Whether it covers less than a day."""
        return self.observed_s < ENOUGH_S


def usage(
    totals: Sequence[Totals],
    *,
    warning: float = WARNING_PERCENT,
    critical: float = CRITICAL_PERCENT,
    zone: tzinfo = UTC,
) -> Usage | None:
    """Add a history up; hours of the day are those of `zone`. None without any poll."""
    if not totals:
        return None
    polls = in_order(totals)
    weights = _weights(polls)
    observed_s = sum(weights)
    highest = max(polls, key=lambda one: one.used)
    level_s = dict.fromkeys(Level, 0.0)
    for one, weight in zip(polls, weights, strict=True):
        level_s[level_of(one.used, one.ordinary_capacity, warning, critical)] += weight
    median, p95 = _quantiles(polls, weights, (0.5, 0.95))
    return Usage(
        first_at=polls[0].at,
        last_at=polls[-1].at,
        polls=len(polls),
        observed_s=observed_s,
        peak=highest.used,
        peak_at=highest.at,
        median=median,
        p95=p95,
        exact=all(one.exact for one in polls),
        max=polls[-1].max,
        ordinary_capacity=polls[-1].ordinary_capacity,
        level_s=level_s,
        hours=_hours(polls, weights, zone),
        growth=growth(polls),
        limits=_limits(polls, weights),
    )


def _weights(polls: Sequence[Totals]) -> list[float]:
    """The seconds that each poll stands for."""
    away = {before for before, _after in unseen(polls)}
    pauses = [later.at - one.at for one, later in pairwise(polls)]
    return [0.0 if one.at in away else pause for one, pause in zip(polls, pauses, strict=False)] + [0.0]


def _quantiles(polls: Sequence[Totals], weights: Sequence[float], shares: Sequence[float]) -> list[int]:
    """For each share the least use that was enough for so much of the time; every poll counts alike without time."""
    weighted = list(weights) if any(weights) else [1.0] * len(polls)
    ranked = sorted(zip((one.used for one in polls), weighted, strict=True))
    # Added up in the same order as below, so that the last one reaches it exactly.
    whole = 0.0
    for _used, weight in ranked:
        whole += weight
    found = []
    for share in shares:
        reached = 0.0
        for used, weight in ranked:
            reached += weight
            if weight and reached >= share * whole:
                found.append(used)
                break
    return found


def _hours(polls: Sequence[Totals], weights: Sequence[float], zone: tzinfo) -> dict[int, Hour]:
    area, seen, most = [0.0] * 24, [0.0] * 24, [-1] * 24
    plain, count = [0] * 24, [0] * 24
    for one, weight in zip(polls, weights, strict=True):
        at, left = one.at, weight
        hour, rest = _hour(at, zone)
        plain[hour] += one.used
        count[hour] += 1
        while True:
            most[hour] = max(most[hour], one.used)
            part = min(left, rest)
            area[hour] += part * one.used
            seen[hour] += part
            left -= part
            if left <= 0:
                break
            at += part
            hour, rest = (hour + 1) % 24, _HOUR_S
    return {
        hour: Hour(area[hour] / seen[hour] if seen[hour] else plain[hour] / count[hour], most[hour], seen[hour])
        for hour in range(24)
        if most[hour] >= 0
    }


def _hour(at: float, zone: tzinfo) -> tuple[int, float]:
    """The hour of the day, and the seconds until the next one begins."""
    local = moment(at, zone)
    return local.hour, max(_HOUR_S - (local.minute * 60 + local.second + local.microsecond / 1e6), 1e-6)


def growth(polls: Sequence[Totals]) -> tuple[Growth, ...]:
    """Every application that was seen, those that changed most first; `polls` in the order of time."""
    first, last = polls[0], polls[-1]
    most: dict[str, int] = {}
    for one in polls:
        for app, count in one.apps.items():
            if count > most.get(app, -1):
                most[app] = count
    most.pop(OTHERS, None)
    hours = (last.at - first.at) / _HOUR_S
    found = []
    for app, peak in most.items():
        begun, ended = _count(first, app), _count(last, app)
        known = begun is not None and ended is not None and last.at - first.at >= RATE_NEEDS_S
        rate = (ended - begun) / hours if known and begun is not None and ended is not None else None
        found.append(Growth(app, begun, ended, peak, rate))
    return tuple(sorted(found, key=lambda one: (-abs(one.change or 0), -one.most, one.app)))


def _count(one: Totals, app: str) -> int | None:
    """None where it may be among the others."""
    return one.apps.get(app, None if OTHERS in one.apps else 0)


def _limits(polls: Sequence[Totals], weights: Sequence[float]) -> tuple[Reached, ...]:
    """The limits of the newest poll, and how much of them was ever used."""
    most: dict[str, tuple[int, float]] = {}
    full_s: dict[str, float] = {}
    for one, weight in zip(polls, weights, strict=True):
        for name, (used, limit) in one.limits.items():
            if name not in most or used > most[name][0]:
                most[name] = (used, one.at)
            if used >= limit:
                full_s[name] = full_s.get(name, 0.0) + weight
    found = [Reached(name, limit, *most[name], full_s.get(name, 0.0)) for name, (_, limit) in polls[-1].limits.items()]
    return tuple(sorted(found, key=lambda one: (one.free, -one.most, one.name)))


def sentences(found: Usage) -> list[str]:
    """What could be given away, with the arithmetic; what narrows it; and how far it can be trusted."""
    said = [_spare(found)]
    tight = [limit for limit in found.limits if limit.free < max(0, found.spare)]
    said += [f"{one.name} has a limit of its own: {_room(one)}, whatever is free" for one in tight]
    if found.is_short:
        said.append(
            f"{span(found.observed_s)} were watched, less than a day: this is the peak of that time only, and other"
            " hours may need more"
        )
    if not found.exact:
        said.append(
            "Some polls could count only an upper bound, since sessions were hidden: the true peak may be lower"
        )
    return said


def _room(one: Reached) -> str:
    if one.free:
        return f"{one.limit} - {one.most} at its peak = {one.free} more"
    return f"all {one.limit} were used, so no more"


def _spare(found: Usage) -> str:
    floor = ceil(found.ordinary_capacity * BUFFER_PERCENT / 100) < BUFFER_LEAST
    why = f"at least {BUFFER_LEAST}" if floor else f"{BUFFER_PERCENT} % of {found.ordinary_capacity}"
    sum_ = (
        f"{found.ordinary_capacity} slots of ordinary logins (max_connections {found.max} without its reserves)"
        f" - {found.peak} at the peak - {found.buffer} as a buffer ({why}) = {found.spare}"
    )
    if found.spare > 0:
        noun = "connection" if found.spare == 1 else "connections"
        return f"You could give {found.spare} more {noun} to the pools: {sum_}"
    if found.spare == 0:
        return f"Nothing is left to give to the pools: {sum_}"
    return f"Nothing is left to give to the pools, {-found.spare} are missing to a safe distance: {sum_}"
