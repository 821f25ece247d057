"""How one list of things that have a key became the next: what left, what came, and what stayed where it was."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import ge, is_
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Alignment:
    """Positions, ascending: `removed` in the old list, `added` in the new one, `stayed` in the new and the old one."""

    removed: Sequence[int]
    added: Sequence[int]
    #: Only those that are not the very same object in both.
    stayed: Sequence[tuple[int, int]]


def align(old: Sequence[T], new: Sequence[T], key_of: Callable[[T], Hashable]) -> Alignment:
    """Those that stayed are in the same order in both, or everything left and everything came."""
    if len(old) == len(new):
        differing = [position for position, same in enumerate(map(is_, old, new)) if not same]
        if all(key_of(old[position]) == key_of(new[position]) for position in differing):
            return Alignment((), (), [(position, position) for position in differing])
    were = {key_of(one): position for position, one in enumerate(old)}
    found = [were.get(key_of(one)) for one in new]
    kept = [position for position in found if position is not None]
    if any(map(ge, kept, kept[1:])) or len(were) < len(old):
        return Alignment(range(len(old)), range(len(new)), ())
    still = set(kept)
    return Alignment(
        [position for position in range(len(old)) if position not in still],
        [position for position, before in enumerate(found) if before is None],
        [
            (position, before)
            for position, before in enumerate(found)
            if before is not None and old[before] is not new[position]
        ],
    )


def rearranged(old: Sequence[T], removed: Sequence[int], added: Sequence[int], came: Sequence[T]) -> list[T]:
    """The new list, of the positions that align() gave and of those who came; those who stayed are as they were."""
    gone = set(removed)
    kept = [one for position, one in enumerate(old) if position not in gone] if gone else list(old)
    if not added:
        return kept
    # Positions ascend: nobody is moved twice.
    found: list[T] = []
    taken = 0
    for position, one in zip(added, came, strict=True):
        until = taken + position - len(found)
        found += kept[taken:until]
        found.append(one)
        taken = until
    found += kept[taken:]
    return found
