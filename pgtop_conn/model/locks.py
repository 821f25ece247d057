"""What one reading of the server's locks and replication slots tells of its sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Locks:
    """The pids that held any lock at server time `at`; what a session did later is not known."""

    at: float
    holders: frozenset[int]
    #: Those that held an advisory lock.
    advisory: frozenset[int] = frozenset()
    #: Those that used a replication slot, which is theirs until they end where it is a temporary one.
    slots: frozenset[int] = frozenset()


class HeldLocks(NamedTuple):
    """What a session was seen to hold; `sure` when it has done nothing since it was looked at."""

    advisory: bool = False
    slot: bool = False
    sure: bool = False


NOTHING_HELD = HeldLocks()
