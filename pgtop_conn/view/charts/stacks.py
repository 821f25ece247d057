"""What charts of a history are stacked from: sessions by state, or by the applications that held most.

Add a way to stack: a function and an entry in STACKS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.history.moments import OTHERS, Totals
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IN_TRANSACTION
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.table.columns import STATE_SHORT, STATE_STYLES

#: Applications with a colour of their own; the rest is one.
MOST_APPS = 5
NAME_AT_MOST = 24


@dataclass(frozen=True, slots=True)
class Band:
    """What is stacked: a state or an application, or what is left of both."""

    name: str
    title: str
    style: str


Counted = tuple[tuple[Band, ...], Callable[[Totals], list[int]]]

_STATES = tuple(
    Band(state, STATE_SHORT.get(state, state), STATE_STYLES[state]) for state in (ACTIVE, IN_TRANSACTION, ABORTED, IDLE)
)
_REST = Band("", "other", "faint")


def by_state(_shown: Sequence[Totals]) -> Counted:
    """The four states, and what has another one, is hidden or still logs in."""

    def stack(one: Totals) -> list[int]:
        counts = [one.states.get(band.name, 0) for band in _STATES]
        return [*counts, max(0, one.used - sum(counts))]

    return (*_STATES, _REST), stack


#: Inks of applications; what each means here the legend says.
_APP_STYLES = ("bar", "xact", "protected", "active", "query")


def by_app(shown: Sequence[Totals]) -> Counted:
    """The applications that held most over the time that is shown, and the others together."""
    held: Counter[str] = Counter()
    for one in shown:
        held.update(one.apps)
    held.pop(OTHERS, None)
    largest = sorted(held, key=lambda app: (-held[app], app))[:MOST_APPS]
    bands = [
        Band(app, format.abbreviated(one_line(app), NAME_AT_MOST) or "(no name)", style)
        for app, style in zip(largest, _APP_STYLES, strict=False)
    ]

    def stack(one: Totals) -> list[int]:
        counts = [one.apps.get(app, 0) for app in largest]
        return [*counts, max(0, one.used - sum(counts))]

    return (*bands, _REST), stack


STACKS: Mapping[str, Callable[[Sequence[Totals]], Counted]] = {"state": by_state, "app": by_app}
