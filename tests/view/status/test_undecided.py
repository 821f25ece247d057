"""A server with room where some sessions may be lost: nothing is called right that is not known."""

from __future__ import annotations

from pgtop_conn.model.findings import Case
from pgtop_conn.view.dialogs.diagnosis import sections
from pgtop_conn.view.findings import nothing_found, unknowns
from tests.support.data.diagnosed_server import case_of, leaked, pool
from tests.support.data.factories import make_own, make_snapshot


def case_with(lost: int) -> Case:
    return case_of(make_snapshot([make_own(), *pool(3), *leaked(lost, every_s=2.0)]))


def test_what_is_not_decided_is_said_in_place_of_nothing_wrong() -> None:
    case = case_with(6)
    assert case.observation.suspects(case.snapshot)
    (told,) = [one for one in unknowns(case) if "leaked" in one]
    assert told.startswith("whether sessions are leaked (billing-worker 5)")
    assert nothing_found(case).startswith("Nothing is known to be wrong")
    assert sections(case, (), (), "")[0].title == "nothing is known to be wrong"


def test_where_nothing_is_open_nothing_is_wrong() -> None:
    case = case_with(2)
    assert not [one for one in unknowns(case) if "leaked" in one]
    assert nothing_found(case).startswith("Nothing is wrong")
    assert sections(case, (), (), "")[0].title == "nothing is wrong"
