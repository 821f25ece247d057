"""What was known at a moment of a tape, from the totals up to it: history, peak, and the growth of applications."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from operator import attrgetter

from pgtop_conn.model.moments import OTHERS, Totals
from pgtop_conn.model.observation import Counter, Observation

#: Half an hour of polls every 2 s, as many as a history keeps.
RESTORED = 900

_USED = attrgetter("used")


def restored(counts: Counter, totals: Sequence[Totals], count: int) -> Observation:
    """As if the first `count` had been polled, without reading their sessions; what follows is taken in by `counts`."""
    found = Observation(counts)
    recent = max(0, count - RESTORED)
    if recent:
        _add(found, max(islice(totals, recent), key=_USED))
    for one in totals[recent:count]:
        _add(found, one)
    return found


def _add(found: Observation, one: Totals) -> None:
    def apps() -> Mapping[Hashable, int]:
        return {(("app", app),): count for app, count in one.apps.items() if app != OTHERS}

    found.history.add(one.at, one.used, apps, started_at=one.started_at)
