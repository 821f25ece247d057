"""What holds of any recordings: a neighbour changes no verdict, and slots that become free clear none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pgtop_conn.model.snapshot import Snapshot
from tests.drivers.test_recorded import RECORDINGS
from tests.support.drivers.replays import snapshots_of, verdicts
from tests.support.drivers.scenarios import together, without
from tests.support.drivers.verdicts import Expectation

EXPECTATIONS = {path: Expectation.read(path.with_suffix(".json")) for path in RECORDINGS}
HEALTHY = [path for path in RECORDINGS if not EXPECTATIONS[path].leaks]
LEAKING = [path for path in RECORDINGS if EXPECTATIONS[path].leaks]
#: Fewer sessions than that may be too few for a verdict that is given anew.
LEFT = 8

few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@lru_cache(maxsize=64)
def polls_of(recording: Path) -> Sequence[Snapshot]:
    return snapshots_of(recording)


@lru_cache(maxsize=64)
def said_of(recording: Path) -> Sequence[frozenset[int]]:
    return [verdict for _, verdict in verdicts(polls_of(recording))]


@few
@given(st.sampled_from(RECORDINGS), st.sampled_from(HEALTHY))
def test_a_healthy_neighbour_changes_no_verdict(recording: Path, neighbour: Path) -> None:
    own = {session.pid for snapshot in polls_of(recording) for session in snapshot.backends}
    both = together(polls_of(recording), polls_of(neighbour), "neighbour")
    alone = said_of(recording)
    assert [verdict & own for _, verdict in verdicts(both)] == list(alone[: len(both)])


@few
@given(st.sampled_from(LEAKING), st.data())
def test_slots_that_become_free_clear_no_verdict(recording: Path, data: st.DataObject) -> None:
    snapshots, said = polls_of(recording), said_of(recording)
    since = data.draw(st.integers(len(snapshots) // 2, len(snapshots) - 2), label="freed at")
    named = said[since - 1]
    there = snapshots[since].backends
    others = [one.key for one in there if one.is_client and one.pid != snapshots[0].server.own_pid]
    assume(others)
    ended = set(data.draw(st.lists(st.sampled_from(others), unique=True), label="ended"))
    left = {one.pid for one in there if one.pid in named and one.key not in ended}
    if len(left) < LEFT:
        return
    for place, (_, verdict) in enumerate(verdicts(without(snapshots, since, ended))):
        if place >= since:
            kept = left & said[place] & {one.pid for one in snapshots[place].backends}
            assert kept <= verdict, f"{sorted(kept - verdict)} of {sorted(left)} at poll {place}, freed at {since}"
