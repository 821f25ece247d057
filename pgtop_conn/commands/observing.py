"""observe(): several looks at a server, for what one look cannot tell: growth, habits, what is really idle."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic

from pgtop_conn import streams
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import PollFailed, SourceLost
from pgtop_conn.model.filters import NO_TAGS, Tags
from pgtop_conn.model.labels import tags_of
from pgtop_conn.model.observation import Observation
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.view.groups import group_counts

#: The longest pause between two polls: few seconds are watched, so a longer interval would see too little.
MOST_S = 1.0


class Seen:
    """What the polls of one run say together; `observation` holds it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The labels depend on the server's provider, which only a poll tells.
        self._tags: Tags = NO_TAGS
        self.observation = Observation(lambda backends: group_counts(backends, self._tags))

    def take(self, snapshot: Snapshot) -> SlotBudget:
        """Take in one poll; what it adds up to."""
        self._tags = tags_of(snapshot, self._settings.labels)
        budget = SlotBudget.of(snapshot, self._settings.warning, self._settings.critical)
        self.observation.add(snapshot, budget)
        return budget

    def tags(self, snapshot: Snapshot) -> Tags:
        """Labels and leaks of the poll that was taken in last."""
        return tags_of(snapshot, self._settings.labels, self.observation.leaks(snapshot))


async def observe(source: Source, settings: Settings, seconds: float) -> tuple[Snapshot, SlotBudget, Observation]:
    """Poll for so many seconds, one question at a time; 0 is one look. Gives the newest poll and all they say together.

    The first poll may raise what poll() raises; a later one that fails is left out.
    """
    seen = Seen(settings)
    every_s = min(settings.interval_s, MOST_S)
    until = monotonic() + seconds
    snapshot = await source.poll()
    budget = seen.take(snapshot)
    try:
        while (left := until - monotonic()) > 0:
            tell(f"watching for {left:.0f} s more, to see what grows and what is used")
            await asyncio.sleep(min(every_s, left))
            try:
                snapshot = await source.poll()
            except (PollFailed, SourceLost):
                continue
            budget = seen.take(snapshot)
    finally:
        tell("")
    return snapshot, budget, seen.observation


def tell(text: str) -> None:
    """One line on the terminal that writes over itself; a file or a pipe hears nothing of it."""
    if sys.stderr.isatty():
        streams.say(f"\r{text}\x1b[K")
