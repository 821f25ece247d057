"""What was known at a moment of a tape: at once from the totals up to it, and in full from the sessions before it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from operator import attrgetter

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import OTHERS, Moment, Tape, Totals
from pgtop_conn.model.history.observation import Counts, Observation
from pgtop_conn.model.history.seek import nearest_before
from pgtop_conn.model.history.trend import GROUPS_EVERY_S, GROUPS_KEPT

#: Half an hour of polls every 2 s, as many as a history keeps.
RESTORED = 900

_USED = attrgetter("used")


def restored(counts: Counts, totals: Sequence[Totals], count: int) -> Observation:
    """As if the first `count` had been polled, without reading their sessions; what follows is taken in by `counts`.

    It knows no groups but applications, and no counters: reliving() does.
    """
    found = Observation(counts)
    counted = _counted(totals, count)
    recent = next((index for index in reversed(counted) if index <= count - RESTORED), 0)
    if recent:
        # The first one tells of a restart, the highest one of the peak.
        _add(found, totals[0])
        _add(found, max(islice(totals, recent), key=_USED))
    for one in totals[recent:count]:
        _add(found, one)
    return found


def reliving(counts: Counts, tape: Tape, shown: Moment, index: int) -> Iterator[Observation]:
    """The same up to `shown`, which is the tape's at `index`, with every moment that its rates are made of.

    One of them is read at each step; what the last step gives is whole.
    """
    since = max(_counted(tape.totals, index + 1)[-GROUPS_KEPT:][0], index - RESTORED)
    found = restored(counts, tape.totals, since)
    found.knows(shown.snapshot, shown.leaks)
    for totals in tape.totals[since : index + 1]:
        moment = shown if totals.at == shown.snapshot.taken_at else _moment(tape, totals.at)
        if moment is None:
            _add(found, totals)
        else:
            groups = partial(counts, moment.snapshot.backends)
            started_at, counters = moment.snapshot.server.started_at, moment.snapshot.counters
            found.history.add(totals.at, totals.used, groups, started_at=started_at, counters=counters)
            found.habits.add(moment.snapshot)
        yield found


def _moment(tape: Tape, at: float) -> Moment | None:
    """The moment of this time; None where it can't be read, or has left the tape meanwhile."""
    index = nearest_before(tape.times, at)
    try:
        return tape.moment(index) if tape.times[index] == at else None
    except PgtopError:
        return None


def _counted(totals: Sequence[Totals], count: int) -> list[int]:
    """Where a history of these counts its groups: what begins elsewhere has other rates."""
    found: list[int] = []
    before: Totals | None = None
    counted_at = 0.0
    for index, one in enumerate(islice(totals, count)):
        anew = before is None or one.at < before.at or one.started_at != before.started_at
        if anew or one.at - counted_at >= GROUPS_EVERY_S:
            found.append(index)
            counted_at = one.at
        before = one
    return found


def _add(found: Observation, one: Totals) -> None:
    def apps() -> Mapping[Hashable, int]:
        return {(("app", app),): count for app, count in one.apps.items() if app != OTHERS}

    found.history.add(one.at, one.used, apps, started_at=one.started_at)
