"""How much a cause matters, and the words that the summaries of causes share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pgtop_conn.model.findings import Case, Severity
from pgtop_conn.model.leaks.wording import cut
from pgtop_conn.model.slots import Level
from pgtop_conn.model.snapshot import Backend
from pgtop_conn.model.text import one_line

#: Sessions of such a share of what ordinary roles may use explain why a server is full.
EXPLAINS_SHARE = 0.1
#: A cause that holds this share of a limit's sessions is why the limit was reached.
FILLS_SHARE = 0.5
#: Names longer than this are cut in a summary.
NAME_LENGTH = 40
#: Names given in a summary.
NAMED = 3

#: Levels at which logins are refused, or are about to be.
SATURATED = frozenset({Level.FULL, Level.CRITICAL})


def severity(case: Case, slots: float, calm: Severity = Severity.INFO, *, share: float = EXPLAINS_SHARE) -> Severity:
    """What so many slots mean at the server's level; `calm` is the least, whatever the level.

    Critical is what holds `share` of the slots of a server that refuses logins, or is about to.
    """
    level = case.budget.level
    if calm is Severity.CRITICAL or (level in SATURATED and slots >= share * case.budget.capacity):
        return Severity.CRITICAL
    if level is Level.OK:
        return calm
    return Severity.WARNING


def share_of(part: float, whole: float) -> float:
    """0 to 1; 0 where there is no whole."""
    return min(1.0, part / whole) if whole > 0 else 0.0


def name(text: str, unnamed: str = "unnamed") -> str:
    """A name on one line, shortened when it is very long."""
    return cut(one_line(text), NAME_LENGTH) or unnamed


def plural(count: int, noun: str) -> str:
    """'1 session', '2 sessions'."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def by_app(backends: Iterable[Backend]) -> dict[str, int]:
    """Sessions of each application, most first; equal counts by name."""
    return ranked(Counter(backend.app for backend in backends))


def ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """Most first; equal counts by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def most(counts: Mapping[str, int]) -> str:
    """'checkout 46, web 3 and 2 more': the largest by name."""
    listed = list(counts.items())
    text = ", ".join(f"{name(one)} {count}" for one, count in listed[:NAMED])
    return f"{text} and {len(listed) - NAMED} more" if len(listed) > NAMED else text


def pids(backends: Iterable[Backend]) -> tuple[int, ...]:
    """In order, lowest first."""
    return tuple(sorted(backend.pid for backend in backends))


def hidden_note(case: Case) -> str:
    """What is not visible: to be added to a summary of what sessions do; '' when all is."""
    hidden = sum(1 for backend in case.clients if backend.hidden)
    if not hidden:
        return ""
    return f"; what {plural(hidden, 'more session')} do{'es' if hidden == 1 else ''} is hidden from us"


def doubtful_pids(case: Case) -> frozenset[int]:
    """The sessions that are leaked, or may be."""
    observation, snapshot = case.observation, case.snapshot
    leaks = (*observation.leaks(snapshot), *observation.suspects(snapshot))
    return frozenset(key.pid for leak in leaks for key in leak.sessions)


def leaked_pids(case: Case) -> frozenset[int]:
    """The sessions that are counted as leaked, and as nothing else."""
    return frozenset(key.pid for leak in case.observation.leaks(case.snapshot) for key in leak.sessions)
