"""Moments for tests: sequences as polls give them, in which most sessions are the same objects, and a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType

from hypothesis import strategies as st

from pgtop_conn.model.history.moments import Moment, Totals
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.locks import Locks
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, Counters, Snapshot
from pgtop_conn.model.text import clean_query
from tests.support.data.factories import NOW
from tests.support.data.strategies import backends, names, pids, raw_text, servers, snapshots

_counts = st.one_of(st.none(), st.integers(0, 10**12))
_times = st.one_of(st.floats(allow_nan=False), st.integers(0, 10**16).map(lambda us: us / 1e6))
_maybe_times = st.one_of(st.none(), _times)
_evidence = st.dictionaries(
    names, st.one_of(st.none(), st.booleans(), st.integers(0, 999), _times, names, st.dictionaries(names, pids))
)


def totals_of(moment: Moment) -> Totals:
    """What the moment adds up to."""
    return Totals.of(moment.snapshot, SlotBudget.of(moment.snapshot))


def same(one: object, other: object) -> bool:
    """Whether both say the same, field by field, and floats to the bit."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Backend | Snapshot | Leak | Moment | Totals) or type(one).__name__ == "Server":
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name))
            for field in fields(one)  # type: ignore[arg-type]
        )
    return type(one) is type(other) and one == other


@st.composite
def leaks(draw: st.DrawFn, snapshot: Snapshot) -> tuple[Leak, ...]:
    """Pools of some of the sessions that there are."""
    found = []
    for app in draw(st.lists(names, max_size=2, unique=True)):
        keys = [backend.key for backend in snapshot.backends if draw(st.booleans())]
        sessions = {key: draw(names) for key in keys}
        score = draw(st.floats(0, 1))
        found.append(Leak(Pool(app, "app", "shop"), score, draw(names), draw(_evidence), sessions))
    return tuple(found)


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """Any moment."""
    snapshot = draw(snapshots())
    snapshot = replace(
        snapshot,
        taken_at=draw(st.floats(0, 1e11)),
        server=replace(draw(servers()), provider_reserved=MappingProxyType({"rds": 2})),
        authenticating=draw(st.integers(0, 9)),
        counted_exact=draw(st.booleans()),
        counters=draw(st.one_of(st.none(), st.builds(Counters, _times, *(_counts,) * 4, pids, pids))),
        locks=draw(st.one_of(st.none(), st.builds(Locks, _times, st.frozensets(pids)))),
        poll_s=draw(st.floats(0, 100)),
        backends=tuple(
            replace(
                backend,
                xact_start=draw(_maybe_times),
                query_id=draw(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
            )
            for backend in snapshot.backends
        ),
    )
    return Moment(snapshot, draw(leaks(snapshot)))


@st.composite
def following(draw: st.DrawFn, before: Moment) -> Moment:
    """A poll later: some sessions left, some came, some changed; most are the same objects."""
    was = before.snapshot
    kept = [backend for backend in was.backends if draw(st.integers(0, 5))]
    changed = [draw(_changed(backend)) if not draw(st.integers(0, 3)) else backend for backend in kept]
    taken = {backend.pid for backend in changed}
    for came in draw(
        st.lists(backends(pids.filter(lambda pid: pid not in taken)), max_size=2, unique_by=lambda b: b.pid)
    ):
        changed.insert(draw(st.integers(0, len(changed))), came)
    if not draw(st.integers(0, 9)):
        changed.reverse()
    later = replace(
        was,
        taken_at=was.taken_at + draw(st.floats(0, 100)),
        backends=tuple(changed),
        locks=draw(st.sampled_from((was.locks, None, Locks(NOW, frozenset(taken))))),
        counters=draw(st.sampled_from((was.counters, None))),
        poll_s=draw(st.floats(0, 1)),
        authenticating=draw(st.integers(0, 2)),
    )
    kept_leaks = before.leaks if draw(st.booleans()) else draw(leaks(later))
    return Moment(later, kept_leaks)


@st.composite
def _changed(draw: st.DrawFn, backend: Backend) -> Backend:
    return replace(
        backend,
        state=draw(st.sampled_from(("idle", "active", None))),
        query=draw(raw_text.map(clean_query)),
        query_start=draw(_maybe_times),
        state_change=draw(_maybe_times),
        app=draw(st.sampled_from((backend.app, "other"))),
        blocked_by=tuple(draw(st.lists(pids, max_size=2, unique=True))),
    )


@st.composite
def sequences(draw: st.DrawFn, most: int = 6) -> list[Moment]:
    """Some polls of one server, one after another."""
    found = [draw(moments())]
    for _ in range(draw(st.integers(0, most - 1))):
        found.append(draw(following(found[-1])))
    return found
