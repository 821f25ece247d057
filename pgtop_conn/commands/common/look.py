"""A look at a server for commands that choose sessions by a filter: one poll, or as many as it takes to tell a leak."""

from __future__ import annotations

from pgtop_conn.commands.common.observe import ONE_POLL, UNTIL_STABLE, Watch, observe
from pgtop_conn.config import Settings
from pgtop_conn.model.filters.language import Filter, Tags
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source


async def look(
    source: Source, wanted: Filter, settings: Settings, watch: Watch = UNTIL_STABLE
) -> tuple[Snapshot, Tags]:
    """The newest snapshot and its tags; a filter that mentions `leak` takes as long as `watch` says.

    Without that, what one poll tells of leaks is for showing: no filter may choose by it.
    """
    snapshot, _, observation = await observe(source, settings, watch if wanted.mentions("leak") else ONE_POLL)
    return snapshot, tags_of(snapshot, settings.labels, observation.leaks(snapshot))
