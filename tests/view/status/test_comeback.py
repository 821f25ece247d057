"""They came back, in words, and the statement that limits them."""

from __future__ import annotations

import pytest

from pgtop_conn.model.signalling.comeback import Comeback
from pgtop_conn.model.text import clean
from pgtop_conn.view.status.comeback import limit_sql, notice, sentence


def back(count: int = 18, *, clients: tuple[str, ...] = ("10.2.0.7",), roles: dict[str, int] | None = None) -> Comeback:
    return Comeback(
        killed=20,
        count=count,
        seconds=4.2,
        clients=tuple((client, 1) for client in clients),
        roles=tuple(({"billing": 42} if roles is None else roles).items()),
    )


def text(found: Comeback, width: int | None) -> str:
    return "".join(cell.text for cell in notice(found, width))


def test_most_that_came_back_are_a_pool_that_refills() -> None:
    assert sentence(back()) == (
        "18 of 20 came back in 4 s from 10.2.0.7: the pool refills; limit the role or stop the deploy"
    )


def test_a_few_that_came_back_are_only_counted() -> None:
    assert sentence(back(3, clients=("a", "b", "c", "d"))) == "3 of 20 came back in 4 s from a, b and 2 more"


@pytest.mark.parametrize("width", [120, 80])
def test_the_line_names_the_key_at_every_width(width: int) -> None:
    line = text(back(), width)
    assert len(line) <= width
    assert "18 of 20 came back in 4 s from 10.2.0.7: the pool refills" in line
    assert "   L" in line


def test_the_limit_is_what_the_role_holds_now_and_at_least_one() -> None:
    assert limit_sql(back(roles={"billing": 42, 'od"d; DROP': 0})) == (
        'ALTER ROLE "billing" CONNECTION LIMIT 42;\nALTER ROLE "od""d; DROP" CONNECTION LIMIT 1;'
    )


@pytest.mark.parametrize("name", ["", clean("a\x1bb"), clean("a\u202eb"), clean("a\x7f"), "a\ufffd"])
def test_a_name_that_may_not_be_the_real_one_is_never_offered(name: str) -> None:
    assert limit_sql(back(roles={name: 4})) == ""
    assert "L" not in text(back(roles={name: 4}), 80)
