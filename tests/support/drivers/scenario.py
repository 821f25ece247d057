"""Scenario: one driver that behaves in one way on one server, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tests.support.drivers.stage import Stage

#: Slots for ordinary roles on the two servers. A leak of the table fills the first and half of the second.
FULL_SLOTS = 25
HALF_SLOTS = 50
#: Sessions to leak where nothing else ends the leak.
MOST_LEAKED = 25

Play: TypeAlias = "Callable[[Stage], Awaitable[None]]"


class Fill(StrEnum):
    """How far a server is filled."""

    FULL = "full"
    HALF = "half"

    @property
    def slots(self) -> int:
        """For ordinary roles."""
        return FULL_SLOTS if self is Fill.FULL else HALF_SLOTS


@dataclass(frozen=True, slots=True)
class Driver:
    """A client program; `options` are given to it. It `cannot` behave in some of the ways."""

    name: str
    #: What it is run with: see programs.py.
    kind: str
    program: str
    options: Mapping[str, object] = field(default_factory=dict)
    cannot: frozenset[str] = frozenset()
    #: application_name, where it is not the table's: some drivers set one of their own.
    app: str = "orders-api"
    #: The oldest server that it works with.
    oldest: int = 13


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the applications do. `leaks` says whether they lose sessions; which ones they tell themselves."""

    name: str
    play: Play
    leaks: bool
    #: Beside the driver's own.
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A cell of the matrix on one version and one fill."""

    driver: Driver
    behaviour: Behaviour
    major: int
    fill: Fill

    @property
    def name(self) -> str:
        """Of its recording."""
        return f"{self.driver.name}-{self.behaviour.name}-{self.fill}-{self.major}".replace(" ", "_").replace(",", "")
