"""Judging: what was said of a recording at each poll against what its applications did."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.drivers.replays import Poll, polls_of, snapshots_of

#: A leak is to be found from so many sessions on, within so many seconds of watching.
LEAST_LEAKED = 8
WITHIN_S = 60.0
#: The clocks of the application's answer and of the poll are the same, but the answer comes after the last use.
ANSWER_S = 0.5
#: A session that was leaked so short a time ago need not be named yet.
YOUNG_S = 20.0
#: Found: so large a share of those that were leaked longer ago is named.
FOUND_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is written beside a recording: `leaked` is since when each pid is, in seconds after the first poll."""

    driver: str
    behaviour: str
    version: int
    fill: str
    leaks: bool
    leaked: Mapping[int, float]

    @classmethod
    def read(cls, path: Path) -> Expectation:
        """The file beside the recording."""
        about = json.loads(path.read_text())
        return cls(
            about["driver"],
            about["behaviour"],
            about["version"],
            about["fill"],
            about["leaks"],
            {int(pid): float(since) for pid, since in about["leaked"]},
        )


@dataclass(frozen=True)
class Judgement:
    """Of one recording, replayed whole and from its later part on."""

    expectation: Expectation
    polls: Sequence[Poll]
    #: What is said by somebody who begins to watch in the last third, and to whom nothing else happens.
    late: Sequence[Poll]

    def __post_init__(self) -> None:
        if self.expectation.leaks and self.leaked_at_most < LEAST_LEAKED:
            raise ValueError(f"only {self.leaked_at_most} sessions were leaked: the scenario was not played as meant")
        if not any(poll.pids for poll in self.polls):
            raise ValueError("no session was there: the scenario was not played as meant")

    @cached_property
    def accused(self) -> list[tuple[float, list[int]]]:
        """Healthy sessions that were called leaked, with the second."""
        found = []
        for poll in [one for one in [*self.polls, *self.late] if not one.still]:
            wrong = sorted(pid for pid in poll.verdict if not self._is_leaked(pid, poll.at))
            if wrong:
                found.append((round(poll.at, 1), wrong))
        return found

    @cached_property
    def leaked_at_most(self) -> int:
        """How many leaked sessions there were at once."""
        return max((len(self._leaked(poll)) for poll in self.polls), default=0)

    @cached_property
    def found_s(self) -> float | None:
        """Seconds from when there were enough leaked ones until they were named; None: never."""
        return _found_s(self.polls, self._leaked)

    @cached_property
    def found_late_s(self) -> float | None:
        """The same for the later part."""
        return _found_s(self.late, self._leaked)

    @cached_property
    def lost(self) -> float | None:
        """When a leak that had been found was not named any more though its sessions were there; None: never."""
        found = False
        for poll in self.polls:
            there = self._leaked(poll)
            if len(there) < LEAST_LEAKED:
                continue
            if found and not there.keys() & poll.verdict:
                return round(poll.at, 1)
            found |= _is_found(there, poll)
        return None

    @property
    def must_be_found(self) -> bool:
        """Whether it lost enough sessions."""
        return self.leaked_at_most >= LEAST_LEAKED

    @property
    def missed(self) -> bool:
        """Whether a leak was not found in time, by whoever saw all of it or by whoever came late."""
        if not self.must_be_found:
            return False
        # A recording that ends earlier leaves it to whoever comes late, and watches for so long.
        there_since = next(poll.at for poll in self.polls if len(self._leaked(poll)) >= LEAST_LEAKED)
        went_on = self.polls[-1].at - there_since >= WITHIN_S
        if _is_too_late(self.found_s) and (went_on or self.found_s is not None):
            return True
        came_to_it = any(len(self._leaked(poll)) >= LEAST_LEAKED for poll in self.late)
        return came_to_it and _is_too_late(self.found_late_s)

    @property
    def wrong(self) -> str:
        """What is wrong; "" when all is right."""
        said = []
        if self.accused:
            at, pids = self.accused[0]
            said.append(f"accused {len(pids)} healthy at {at:g} s, in {len(self.accused)} polls")
        if self.missed:
            late = self.found_late_s
            said.append(f"{self.leaked_at_most} leaked, found after {_in_words(self.found_s)}, late {_in_words(late)}")
        if self.lost is not None:
            said.append(f"forgotten again at {self.lost:g} s")
        return "; ".join(said)

    @property
    def word(self) -> str:
        """For the matrix."""
        if self.accused:
            return "ACCUSED"
        if self.missed:
            return "MISSED"
        if self.lost is not None:
            return "LOST"
        return f"found {self.found_s:.0f}s" if self.must_be_found and self.found_s is not None else "right"

    def _is_leaked(self, pid: int, at: float) -> bool:
        since = self.expectation.leaked.get(pid)
        return since is not None and since - ANSWER_S <= at

    def _leaked(self, poll: Poll) -> dict[int, float]:
        leaked = self.expectation.leaked
        return {pid: leaked[pid] for pid in poll.pids if pid in leaked and leaked[pid] <= poll.at}


def judge(recording: Path) -> Judgement:
    """Replay it, whole and from two thirds on; both go on standing still until a leak should have been found."""
    expectation = Expectation.read(recording.with_suffix(".json"))
    snapshots = snapshots_of(recording)
    # From when enough were leaked.
    began_s = sorted(expectation.leaked.values())[LEAST_LEAKED - 1 : LEAST_LEAKED]
    whole = polls_of(snapshots, 0, sum(began_s) + WITHIN_S if expectation.leaks else 0.0)
    late = polls_of(snapshots, 2 * len(snapshots) // 3, WITHIN_S)
    return Judgement(expectation, whole, late)


def _found_s(polls: Sequence[Poll], leaked: Callable[[Poll], Mapping[int, float]]) -> float | None:
    began: float | None = None
    for poll in polls:
        there = leaked(poll)
        if len(there) < LEAST_LEAKED:
            continue
        began = poll.at if began is None else began
        if _is_found(there, poll):
            return poll.at - began
    return None


def _is_found(there: Mapping[int, float], poll: Poll) -> bool:
    old = {pid for pid, since in there.items() if poll.at - since >= YOUNG_S} or there.keys()
    return len(old & poll.verdict) >= FOUND_SHARE * len(old)


def _is_too_late(seconds: float | None) -> bool:
    return seconds is None or seconds > WITHIN_S


def _in_words(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"
