"""The slow parts of a moment as JSON and back: server, roles, databases, counters. What is read is checked and clean.

A new field of one of them: an entry in its kinds, in the order of the dataclass. Those with a default may be missing at
the end, as they are in a recording of an older version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import TypeVar

from pgtop_conn.model.snapshot import Counters, Database, Role, Server
from pgtop_conn.model.text import clean
from pgtop_conn.recording.codec.numbers import Damaged

T = TypeVar("T")
#: Gives the value, checked, or raises Damaged.
Kind = Callable[[object], object]

#: More texts, or numbers of more bits, than any server has.
_MOST_BITS = 64
#: Characters of a name or a sentence; queries are longer.
_TEXT_MOST = 2**16


def whole(value: object) -> int:
    """A whole number of a size that servers have."""
    if type(value) is int and value.bit_length() <= _MOST_BITS:
        return value
    raise Damaged("expected a whole number")


def real(value: object) -> float:
    """A number."""
    if type(value) is float:
        return value
    return float(whole(value))


def flag(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    raise Damaged("expected yes or no")


def text(value: object) -> str:
    """A text, made harmless."""
    if isinstance(value, str) and len(value) <= _TEXT_MOST:
        return clean(value)
    raise Damaged("expected a text")


def maybe(kind: Callable[[object], T]) -> Callable[[object], T | None]:
    """The same, or nothing."""
    return lambda value: None if value is None else kind(value)


def several(value: object) -> Sequence[object]:
    """A list."""
    if isinstance(value, list):
        return value
    raise Damaged("expected a list")


def lines(value: object) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(map(text, several(value)))


def named_numbers(value: object) -> Mapping[str, int]:
    """Whole numbers by name."""
    if isinstance(value, dict):
        return MappingProxyType({clean(name): whole(number) for name, number in value.items()})
    raise Damaged("expected numbers by name")


SERVER: tuple[Kind, ...] = (
    *(text, whole, text, whole, text, flag, flag, text, flag, flag, flag, flag),
    *(whole, whole, whole, whole, named_numbers, whole),
    *(maybe(text), text, maybe(text), lines, maybe(real), text, text, lines),
)
ROLE: tuple[Kind, ...] = (whole, text, flag, flag, flag, whole, flag, flag, flag)
DATABASE: tuple[Kind, ...] = (whole, text, whole)
COUNTERS: tuple[Kind, ...] = (real, *(maybe(whole),) * 4, whole, whole)


def _values(one: object) -> list[object]:
    values = (getattr(one, field.name) for field in fields(one))  # type: ignore[arg-type]
    return [dict(value) if isinstance(value, Mapping) else value for value in values]


def server_document(server: Server) -> list[object]:
    """Its fields in order."""
    return _values(server)


def roles_document(roles: Mapping[int, Role]) -> list[object]:
    """Each role's fields in order, and the oid it is found by."""
    return [[oid, *_values(role)] for oid, role in roles.items()]


def databases_document(databases: Mapping[int, Database]) -> list[object]:
    """Each database's fields in order, and the oid it is found by."""
    return [[oid, *_values(database)] for oid, database in databases.items()]


def counters_document(counters: Counters | None) -> list[object] | None:
    """Their fields in order."""
    return None if counters is None else _values(counters)


def server_of(document: object) -> Server:
    """What server_document() was given. Raises Damaged."""
    return _made(Server, SERVER, document)


def roles_of(document: object) -> Mapping[int, Role]:
    """What roles_document() was given. Raises Damaged."""
    found = [several(one) for one in several(document)]
    return MappingProxyType({whole(_first(one)): _made(Role, ROLE, one[1:]) for one in found})


def databases_of(document: object) -> Mapping[int, Database]:
    """What databases_document() was given. Raises Damaged."""
    found = [several(one) for one in several(document)]
    return MappingProxyType({whole(_first(one)): _made(Database, DATABASE, one[1:]) for one in found})


def counters_of(document: object) -> Counters | None:
    """What counters_document() was given. Raises Damaged."""
    return None if document is None else _made(Counters, COUNTERS, document)


def _first(values: Sequence[object]) -> object:
    if not values:
        raise Damaged("a list is empty")
    return values[0]


def _made(cls: Callable[..., T], kinds: Sequence[Kind], document: object) -> T:
    values = several(document)
    if len(values) > len(kinds):
        raise Damaged("there is more than this version knows")
    try:
        return cls(*(kind(value) for kind, value in zip(kinds, values, strict=False)))
    except TypeError:
        raise Damaged("a field is missing") from None
