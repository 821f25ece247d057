"""What counts as found, missed, accused and forgotten, on polls that are written down here."""

from __future__ import annotations

import pytest

from tests.support.drivers.replays import Poll
from tests.support.drivers.verdicts import Expectation, Judgement

LEAKED = frozenset(range(10))
HEALTHY = frozenset(range(100, 105))


def expectation(*, leaks: bool = True) -> Expectation:
    return Expectation("psycopg", "with", 18, "full", leaks, dict.fromkeys(LEAKED, 5.0) if leaks else {})


def polls(*verdicts: frozenset[int], every_s: float = 10.0, since: float = 10.0, still: bool = False) -> list[Poll]:
    return [Poll(since + place * every_s, LEAKED | HEALTHY, one, still) for place, one in enumerate(verdicts)]


NOTHING = frozenset[int]()


def test_a_leak_that_is_named_and_stays_so_is_right() -> None:
    said = polls(NOTHING, LEAKED, LEAKED)
    judgement = Judgement(expectation(), said, said[1:])
    assert (judgement.wrong, judgement.word, judgement.found_s) == ("", "found 10s", 10.0)


def test_a_leak_that_is_never_named_is_missed() -> None:
    said = polls(NOTHING, NOTHING)
    assert Judgement(expectation(), said, said).word == "MISSED"


def test_a_leak_that_is_named_too_late_is_missed() -> None:
    said = polls(*[NOTHING] * 7, LEAKED)
    assert Judgement(expectation(), said, said[6:]).word == "MISSED"


def test_a_leak_that_whoever_comes_late_is_not_told_of_is_missed() -> None:
    said = polls(LEAKED, LEAKED, LEAKED)
    late = polls(NOTHING, NOTHING, since=30.0, still=True)
    assert Judgement(expectation(), said, late).word == "MISSED"


def test_a_few_of_a_leak_are_not_enough() -> None:
    said = polls(frozenset({1, 2}), frozenset({1, 2, 3}), every_s=30.0)
    assert Judgement(expectation(), said, said).word == "MISSED"


def test_a_leak_that_is_not_named_any_more_is_forgotten() -> None:
    said = polls(LEAKED, NOTHING, LEAKED)
    judgement = Judgement(expectation(), said, said[2:])
    assert (judgement.word, judgement.lost) == ("LOST", 20.0)


@pytest.mark.parametrize("leaks", [False, True])
def test_a_healthy_session_that_is_named_once_is_accused(leaks: bool) -> None:
    named = (LEAKED if leaks else NOTHING) | {100}
    said = polls(LEAKED if leaks else NOTHING, named)
    judgement = Judgement(expectation(leaks=leaks), said, said)
    assert (judgement.word, judgement.accused[0]) == ("ACCUSED", (20.0, [100]))


def test_a_session_that_is_named_before_it_is_leaked_is_accused() -> None:
    said = polls(LEAKED, since=4.0)
    assert Judgement(expectation(), [*said, *polls(LEAKED)], polls(LEAKED)).word == "ACCUSED"


def test_what_is_named_after_everybody_stood_still_is_no_accusation() -> None:
    said = polls(NOTHING, NOTHING)
    still = polls(HEALTHY, since=40.0, still=True)
    assert Judgement(expectation(leaks=False), said, [*said, *still]).wrong == ""


def test_a_scenario_that_lost_too_few_was_not_played_as_meant() -> None:
    said = [Poll(10.0, HEALTHY, NOTHING)]
    with pytest.raises(ValueError, match="only 0 sessions"):
        Judgement(expectation(), said, said)


def test_a_scenario_without_sessions_was_not_played_as_meant() -> None:
    said = [Poll(10.0, NOTHING, NOTHING)]
    with pytest.raises(ValueError, match="no session was there"):
        Judgement(expectation(leaks=False), said, said)
