"""A look at a server for commands that choose sessions by a filter: one poll, or as many as it takes to tell a leak."""

from __future__ import annotations

from pgtop_conn.commands.observing import observe
from pgtop_conn.config import Settings
from pgtop_conn.model.filters import Filter, Tags
from pgtop_conn.model.labels import tags_of
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source

#: What leaks is told by what sessions do, so a filter on it is answered after so long; workers that are started one
#: after the other look like a leak for a moment.
WATCH_S = 10.0


async def look(source: Source, wanted: Filter, settings: Settings, watch_s: float = WATCH_S) -> tuple[Snapshot, Tags]:
    """The newest snapshot and its tags; a filter that mentions `leak` takes `watch_s` seconds.

    Without that, what one poll tells of leaks is for showing: no filter may choose by it.
    """
    snapshot, _, observation = await observe(source, settings, watch_s if wanted.mentions("leak") else 0.0)
    return snapshot, tags_of(snapshot, settings.labels, observation.leaks(snapshot))
