"""What to know while we are in by an emergency door: a line below the gauges, and what can't be told from there."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, countOf

from pgtop_conn.model.snapshot import HOST_DOOR, NEWCOMER, WALSENDER_DOOR, Snapshot
from pgtop_conn.view.table.columns import Cell

#: For each door, the longest that fits is shown.
BANNERS: dict[str, Sequence[str]] = {
    WALSENDER_DOOR: (
        "In by the walsender door: no slot is taken, and an ordinary one is as soon as it is free",
        "In by the walsender door: moves to an ordinary slot as soon as one is free",
    ),
    HOST_DOOR: (
        "In by the host door: names come from process titles, ages count from the first look, only idle sessions end"
        " in bulk",
        "In by the host door: names from titles, ages since our first look, bulk: idle",
    ),
}
#: A few are logins under way.
NEWCOMERS_FROM = 5


def banner_line(snapshot: Snapshot, width: int) -> list[Cell]:
    """Empty for an ordinary session."""
    texts = BANNERS.get(snapshot.server.door, ())
    text = next((text for text in texts if len(text) < width), texts[-1] if texts else "")
    return [Cell(f" {text}", "warning")] if text else []


def newcomers(snapshot: Snapshot) -> int:
    """Connections that have not said who they are: only the host door sees them."""
    return countOf(map(attrgetter("backend_type"), snapshot.backends), NEWCOMER)


def newcomers_line(snapshot: Snapshot) -> list[Cell]:
    """Empty unless there are so many that they may keep others out."""
    count = newcomers(snapshot)
    if count < NEWCOMERS_FROM:
        return []
    return [Cell(f" {count} connections have not said who they are: no slot each, but the server bears few", "warning")]
