"""Replayed: what is said of a recording's sessions at each of its polls. Only `verdicts` knows how that is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.recording.recording import Recording
from pgtop_conn.view.table.groups import group_counts

STILL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Poll:
    """`at` is in seconds after the recording's first poll; `still`: nobody did anything since the one before."""

    at: float
    #: Of the clients' sessions.
    pids: frozenset[int]
    verdict: frozenset[int]
    still: bool = False


def verdicts(snapshots: Iterable[Snapshot]) -> Iterator[tuple[Snapshot, frozenset[int]]]:
    """Each poll with the pids of the sessions that are called leaked in it, as whoever watches is told."""
    observation = Observation(group_counts)
    for snapshot in snapshots:
        observation.add(snapshot, SlotBudget.of(snapshot))
        # As a command does that answers now: the screen shows the same some seconds later.
        observation.refresh(snapshot)
        leaks = observation.leaks(snapshot)
        yield snapshot, frozenset(key.pid for leak in leaks for key in leak.sessions)


def snapshots_of(recording: Path) -> list[Snapshot]:
    """All polls of the file."""
    with Recording.open(recording) as tape:
        return [tape.moment(place).snapshot for place in range(len(tape.times))]


def polls_of(snapshots: Sequence[Snapshot], begin: int, for_s: float) -> list[Poll]:
    """What is said from the poll at index `begin` on, for `for_s` at least: after the last one nothing changes."""
    zero, end, last = snapshots[0].taken_at, snapshots[-1].taken_at, snapshots[-1]
    watched = list(snapshots[begin:])
    until = watched[0].taken_at + for_s
    while (at := watched[-1].taken_at + STILL_EVERY_S) <= until:
        watched.append(replace(last, taken_at=at))
    own = last.server.own_pid
    return [
        Poll(
            snapshot.taken_at - zero,
            frozenset(one.pid for one in snapshot.holders if one.is_client and one.pid != own),
            verdict,
            snapshot.taken_at > end,
        )
        for snapshot, verdict in verdicts(watched)
    ]
