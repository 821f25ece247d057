"""The key line: what makes sense where the cursor is. Add a rule: one entry in RULES, by the id of the binding.

A rule gives the words beside the key, or '' where the key would do nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pgtop_conn.model.signalling.guards import Care, Policy, judge, useless_cancel
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.view.table.columns import Cell
from pgtop_conn.view.table.lines import Line, ViewState

#: Left out with --read-only.
SIGNAL_IDS = frozenset({"cancel", "terminate", "free", "copy_limit"})


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the cursor is, and what was chosen so far."""

    line: Line | None
    view: ViewState
    snapshot: Snapshot | None
    policy: Policy
    paused: bool = False
    #: Whether an earlier moment is shown.
    past: bool = False

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Whom a signal would be about: the marks that are left, else what the cursor is on."""
        if self.snapshot is not None and self.view.marks:
            by_key = self.snapshot.by_key
            return tuple(by_key[key] for key in self.view.marks if key in by_key)
        if self.line is None:
            return ()
        if self.line.backend is not None:
            return (self.line.backend,)
        return tuple(self.line.group.backends) if self.line.group is not None else ()

    @property
    def whom(self) -> str:
        """The same in a word; '' for a single session, which needs none."""
        if self.view.marks:
            return f" {len(self.view.marks)} marked"
        return " group" if self.line is not None and self.line.group is not None else ""


def _cancel(spot: Spot) -> str:
    if spot.past or all(useless_cancel(one) for one in spot.backends):
        return ""
    return f"cancel{spot.whom or ' query'}"


def _terminate(spot: Spot) -> str:
    """Of one session its guards are asked; of many the question tells who is left alone."""
    found, snapshot = spot.backends, spot.snapshot
    if not found or spot.past:
        return ""
    if len(found) == 1 and snapshot is not None and judge(found[0], snapshot, spot.policy).care is Care.REFUSE:
        return ""
    return f"terminate{spot.whom}"


def _mark(spot: Spot) -> str:
    line = spot.line
    if line is None or (line.backend is None and line.group is None):
        return ""
    here = [line.backend] if line.backend is not None else line.group.backends if line.group is not None else []
    return "unmark" if all(one is not None and one.key in spot.view.marks for one in here) else "mark"


def _open(spot: Spot) -> str:
    if spot.line is None:
        return ""
    if spot.line.backend is not None:
        return "detail"
    return "close" if spot.line.expanded else "expand"


RULES: dict[str, Callable[[Spot], str]] = {
    "open": _open,
    "terminate": _terminate,
    "cancel": _cancel,
    "mark": _mark,
    "unmark": lambda spot: "clear marks" if spot.view.marks else "",
    "mark_filtered": lambda spot: "mark all" if spot.view.choice else "",
    "clear_filter": lambda spot: "show all" if spot.view.choice else "",
    "live": lambda spot: "back to live" if spot.past else "",
    "earlier": lambda spot: "earlier" if spot.past else "",
    "later": lambda spot: "later" if spot.past else "",
    "free": lambda spot: "" if spot.past else "free slots",
    "pause": lambda spot: "" if spot.past else "go on" if spot.paused else "pause",
}
#: What the cursor is about comes first; whatever else fits follows.
FIRST = ("live", "earlier", "later", "open", "terminate", "cancel", "mark", "unmark", "mark_filtered", "clear_filter")


def offered(keys: Sequence[tuple[str, str]], spot: Spot) -> list[tuple[int, str]]:
    """Which of the keys to show here, by their places in `keys`, and the words for this place; the most fitting first.

    `keys` are ids of bindings, each with the words that it is shown with where there is no rule; '' for none.
    """
    found = []
    for place, (name, words) in enumerate(keys):
        rule = RULES.get(name)
        here = rule(spot) if rule is not None else words
        if here:
            found.append((place, here))
    return sorted(found, key=lambda one: FIRST.index(name) if (name := keys[one[0]][0]) in FIRST else len(FIRST))


def row(keys: Sequence[tuple[str, str]], width: int) -> list[Cell]:
    """Keys and their words: as many as fit, the last two always."""
    kept = list(keys)
    while len(kept) > 2 and sum(len(key) + len(words) + 3 for key, words in kept) > width:
        del kept[-3]
    return [cell for key, words in kept for cell in (Cell(f" {key}", "key"), Cell(f" {words} ", "dim"))]
