"""Totals for tests: histories of any length, and hypothesis strategies of what a recording may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from hypothesis import strategies as st

from pgtop_conn.model.history.moments import OTHERS, Mark, Totals
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IN_TRANSACTION
from tests.support.data.factories import NOW
from tests.support.data.fields import MarkFields, TotalsFields
from tests.support.data.strategies import names

STARTED = NOW - 86_400.0


def make_totals(at: float = NOW, used: int = 10, **overrides: Unpack[TotalsFields]) -> Totals:
    """A poll of a server with 100 slots, 97 of them for ordinary logins; all sessions are idle and of `web`."""
    most = overrides.get("max", 100)
    capacity = overrides.get("ordinary_capacity", max(0, most - 3))
    made = Totals(
        at=at,
        used=used,
        exact=True,
        max=most,
        ordinary_capacity=capacity,
        ordinary_free=max(0, capacity - used),
        states={IDLE: used},
        apps={"web": used},
        limits={},
        oldest_idle_s=60.0,
        in_transaction=0,
        started_at=STARTED,
    )
    return replace(made, **overrides)


def series(
    used: Sequence[int], every_s: float = 2.0, since: float = NOW, **overrides: Unpack[TotalsFields]
) -> list[Totals]:
    """Polls at an even pace."""
    return [make_totals(since + number * every_s, count, **overrides) for number, count in enumerate(used)]


def make_mark(at: float = NOW, **overrides: Unpack[MarkFields]) -> Mark:
    """A session of `web` that was terminated, and gone."""
    made = Mark(at=at, action="terminate", pid=4711, role="app", app="web", outcome="gone", chosen_by="cursor")
    return replace(made, **overrides)


@st.composite
def totals(draw: st.DrawFn, at: float) -> Totals:
    most = draw(st.integers(1, 400))
    states = draw(
        st.dictionaries(st.sampled_from((ACTIVE, IDLE, IN_TRANSACTION, ABORTED, "hidden")), st.integers(0, 90))
    )
    apps = draw(st.dictionaries(st.one_of(names, st.just(OTHERS)), st.integers(0, 90), max_size=8))
    limits = st.tuples(st.integers(0, 40), st.integers(0, 30))
    return make_totals(
        at,
        # More than there are: seen while a limit was lowered, and as an upper bound.
        draw(st.integers(0, most + 20)),
        max=most,
        ordinary_capacity=draw(st.integers(0, most)),
        exact=draw(st.booleans()),
        states=states,
        apps=apps,
        limits=draw(st.dictionaries(names.map(lambda name: f"role {name}"), limits, max_size=3)),
        started_at=draw(st.sampled_from((None, STARTED, STARTED, STARTED + 50))),
    )


@st.composite
def histories(draw: st.DrawFn, min_size: int = 1, max_size: int = 40) -> list[Totals]:
    """Polls in the order of time, with pauses of every length."""
    pauses = draw(
        st.lists(
            st.one_of(st.just(2.0), st.just(60.0), st.floats(0.25, 20_000)),
            min_size=min_size - 1,
            max_size=max_size - 1,
        )
    )
    at, found = NOW, [draw(totals(NOW))]
    for pause in pauses:
        at += pause
        found.append(draw(totals(at)))
    return found


@st.composite
def marks(draw: st.DrawFn, since: float, until: float) -> list[Mark]:
    """Signals before, in and after a history."""
    found = [
        make_mark(
            draw(st.floats(since - 100, until + 100)),
            action=draw(st.sampled_from(("terminate", "cancel"))),
            role=draw(names),
            app=draw(names),
            outcome=draw(st.sampled_from(("gone", "denied", "still there"))),
            chosen_by=draw(names),
            pid=draw(st.integers(1, 9)),
        )
        for _ in range(draw(st.integers(0, 5)))
    ]
    return sorted(found, key=lambda mark: mark.at)
