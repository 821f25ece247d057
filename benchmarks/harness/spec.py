"""Spec: one program to measure, read from a TOML file. Add a program: write specs/NAME.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

#: More rows than any terminal has.
EVERY_ROW = 10_000

Part = TypeVar("Part")


class BadSpec(ValueError):
    """A spec that says something unknown, or leaves out what is needed; the text names the file."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys that are pressed one after the other, round and round, each answer measured for itself."""

    name: str
    send: tuple[str, ...]
    #: The first row, and the one after the last, that must change.
    area: tuple[int, int] = (0, EVERY_ROW)
    #: So many times as often as other keys, where the slowest answers are of interest.
    rounds: int = 1
    #: Record for so many seconds instead of until the program is silent.
    wait_s: float | None = None
    #: Sent first and last, not measured.
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """A key that is held down: the terminal repeats it `rate` times a second."""

    send: str
    rate: float = 30.0
    count: int = 60


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run, and how to know that it shows data. `{name}` in the command stands for a variable."""

    name: str
    command: tuple[str, ...]
    #: Searched in the text of the screen, line by line: it shows data.
    data_regex: str
    refresh_s: float = 2.0
    #: The interval while keys are measured: a long one keeps refreshes out of the answers.
    key_refresh_s: float = 5.0
    startup_timeout_s: float = 30.0
    #: Sent one by one as soon as there is data.
    ready_keys: tuple[str, ...] = ()
    quit_keys: str = "q"
    keys: tuple[KeySet, ...] = ()
    hold: Hold | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def argv(self, refresh_s: float) -> list[str]:
        """The command line for this interval."""
        return [self.fill(part, refresh_s) for part in self.command]

    def fill(self, text: str, refresh_s: float) -> str:
        """The text with every variable in its place."""
        for name, value in {**self.variables, "refresh": f"{refresh_s:g}"}.items():
            text = text.replace("{" + name + "}", value)
        return text


def load_spec(path: Path, variables: Mapping[str, str]) -> Spec:
    """Read a file; raises BadSpec."""
    try:
        return make_spec(tomllib.loads(path.read_text(encoding="utf-8")), variables)
    except (tomllib.TOMLDecodeError, BadSpec) as error:
        raise BadSpec(f"{path.name}: {error}") from None


def make_spec(data: Mapping[str, Any], variables: Mapping[str, str]) -> Spec:
    """A spec out of what a file says; raises BadSpec."""
    given = dict(data)
    keys = tuple(_made(KeySet, one) for one in given.pop("keys", ()))
    hold = given.pop("hold", None)
    given |= {"keys": keys, "hold": _made(Hold, hold) if hold else None, "variables": dict(variables)}
    return _made(Spec, given)


def _made(kind: type[Part], data: Mapping[str, Any]) -> Part:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - known):
        raise BadSpec(f"{kind.__name__} has no {', '.join(unknown)}")
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    try:
        return kind(**frozen)
    except TypeError as error:
        raise BadSpec(str(error)) from None
