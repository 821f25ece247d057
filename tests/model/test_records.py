"""The dataclass of ours is as the one of the standard library."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import FrozenInstanceError, InitVar, field, fields, replace
from typing import Any

import pytest

from pgtop_conn.model.records import dataclass


def make(decorator: Any, frozen: bool, eq: bool) -> tuple[Any, Any]:
    """Two classes, made by this decorator."""

    @decorator(frozen=frozen, eq=eq, slots=True)
    class Point:
        """Every kind of field."""

        x: int
        y: float = 1.0
        words: list[str] = field(default_factory=list, compare=False)
        secret: str = field(default="s", repr=False)
        doubled: int = field(init=False, default=0)
        scale: InitVar[int] = 2  # type: ignore[assignment]

        def __post_init__(self, scale: int) -> None:
            object.__setattr__(self, "doubled", self.x * scale)

        @property
        def far(self) -> bool:
            return self.x > 10

    @decorator(frozen=frozen, eq=eq, slots=True)
    class One:
        """A single field."""

        name: str

    return Point, One


@pytest.mark.parametrize("eq", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_it_is_as_the_standard_one(frozen: bool, eq: bool) -> None:
    (point, one), (other_point, other_one) = make(dataclass, frozen, eq), make(dataclasses.dataclass, frozen, eq)
    calls: list[tuple[Any, Any, tuple[Any, ...], dict[str, Any]]] = [
        (point, other_point, (1,), {}),
        (point, other_point, (1, 2.0, ["a"]), {"secret": "t", "scale": 3}),
        (one, other_one, ("a",), {}),
    ]
    for ours, theirs, values, named in calls:
        mine, its = ours(*values, **named), theirs(*values, **named)
        if eq:
            assert repr(mine) == repr(its)
        assert [getattr(mine, item.name) for item in fields(mine)] == [getattr(its, item.name) for item in fields(its)]
        assert (mine == ours(*values, **named)) is (its == theirs(*values, **named)) is eq
        assert mine != its
        assert not hasattr(mine, "__dict__")
        assert repr(copy.deepcopy(mine)) == repr(mine)
        for name in ("__slots__", "__match_args__", "__doc__", "__qualname__"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert (ours.__hash__ is None) == (theirs.__hash__ is None)
        if frozen and eq:
            assert hash(mine) == hash(ours(*values, **named))


@pytest.mark.parametrize("decorator", [dataclass, dataclasses.dataclass])
def test_what_is_frozen_stays_as_it_is(decorator: Any) -> None:
    point, _ = make(decorator, True, True)
    one = point(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        one.x = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del one.x
    with pytest.raises(TypeError):
        point()
    with pytest.raises(TypeError):
        point(1, nothing=2)
    with pytest.raises(TypeError):
        point(1, doubled=2)


def test_a_list_is_made_for_each() -> None:
    point, _ = make(dataclass, False, True)
    first, second = point(1), point(1)
    first.words.append("a")
    assert second.words == []
    first.x = 5
    assert first != second
    assert replace(point(1), x=11, scale=2).far
