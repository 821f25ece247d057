"""What looks leaked, and on what evidence: a score from rules, never a threshold. Add a rule: one entry in RULES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pgtop_conn.model.habits import Habits, Pool
from pgtop_conn.model.snapshot import BackendKey, Snapshot


@dataclass(frozen=True, slots=True)
class Leak:
    """One pool that loses its sessions. `sentence` gives the numbers; `evidence` as findings.Cause.LEAK says."""

    pool: Pool
    #: 0 to 1; what is listed has passed.
    score: float
    sentence: str
    evidence: Mapping[str, object]
    #: The sessions that look leaked, each with its own sentence.
    sessions: Mapping[BackendKey, str]


def find_leaks(snapshot: Snapshot, habits: Habits, growth_of: Callable[[str], float | None]) -> tuple[Leak, ...]:
    """The pools that look leaked, worst first."""
    return ()
