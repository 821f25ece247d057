"""A look at a server for commands that choose sessions by a filter: one poll, or as many as it takes to tell a leak."""

from __future__ import annotations

import asyncio
import sys

from pgtop_conn.model.filters import Filter, Tags
from pgtop_conn.model.labels import Label, tags_of
from pgtop_conn.model.observation import Observation
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.view.groups import group_counts

#: What leaks is told by what sessions do, so a filter on it is answered after so long, by polls so far apart.
WATCH_S = 5.0
EVERY_S = 0.5


async def look(
    source: Source, wanted: Filter, labels: tuple[Label, ...] = (), watch_s: float = WATCH_S
) -> tuple[Snapshot, Tags]:
    """The newest snapshot and its tags; a filter that mentions `leak` waits for `watch_s` on the server's clock.

    Without that, what one poll tells of leaks is for showing: no filter may choose by it.
    """
    observation = Observation(group_counts)
    seen = await source.poll()
    observation.add(seen, SlotBudget.of(seen))
    if wanted.mentions("leak"):
        began = seen.taken_at
        _tell(f"watching for {watch_s:g} s to tell what leaks")
        while seen.taken_at - began < watch_s:
            await asyncio.sleep(min(EVERY_S, watch_s))
            seen = await source.poll()
            observation.add(seen, SlotBudget.of(seen))
        _tell("")
    return seen, tags_of(seen, labels, observation.leaks(seen))


def _tell(text: str) -> None:
    """One line on the terminal that writes over itself; a file or a pipe hears nothing of it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
