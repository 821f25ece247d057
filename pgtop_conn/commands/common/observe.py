"""observe(): several polls of a server, for what one poll cannot tell: growth, habits, what is really idle.

poll_for(): as many of them as a filter needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

from pgtop_conn.config import Settings
from pgtop_conn.model.errors import BadInput, PgtopError, PollFailed, SourceLost
from pgtop_conn.model.filters.language import NO_TAGS, Filter, Tags
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.signalling.server_identity import place_of
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.pacing import Steady
from pgtop_conn.monitor.poller import answers
from pgtop_conn.terminal.console import overwrite
from pgtop_conn.view.table.groups import group_counts

#: The longest pause between two polls: few seconds are watched, so a longer interval would see too little.
MOST_S = 1.0


@dataclass(frozen=True, slots=True)
class Watch:
    """For how long to watch: `least_s`, then on until no verdict is open, at most `most_s`."""

    least_s: float
    most_s: float

    @classmethod
    def for_s(cls, seconds: float) -> Watch:
        """Exactly this many seconds; 0 is one poll."""
        return cls(seconds, seconds)

    def left_s(self, watched_s: float, observation: Observation, snapshot: Snapshot) -> float:
        """How long to go on; 0 or less: it is enough."""
        if watched_s >= self.least_s and not observation.suspects(snapshot):
            return 0.0
        return (self.least_s if watched_s < self.least_s else self.most_s) - watched_s


#: What diagnose, and a filter that uses `leak`, wait for: the same evidence gives both the same answer.
UNTIL_STABLE = Watch(10.0, 60.0)
ONE_POLL = Watch.for_s(0.0)


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


async def observe(
    source: Source, settings: Settings, watch: Watch, earlier: Iterable[Snapshot] = ()
) -> tuple[Snapshot, SlotBudget, Observation]:
    """Poll for as long as `watch` says, one question at a time. Gives the newest poll and all they say together.

    `earlier` are polls of the same server, oldest first, that were recorded before; of another one they raise BadInput.
    The first poll may raise what poll() raises; a later one that fails is left out.
    """
    seen = Seen(settings)
    recorded: Snapshot | None = None
    for one in earlier:
        seen.take(one)
        recorded = one
    began, left_s = monotonic(), 0.0
    newest: tuple[Snapshot, SlotBudget] | None = None

    async def pause(seconds: float) -> None:
        overwrite(f"watching for {left_s:.0f} s more, to see what grows and what is used")
        await asyncio.sleep(min(seconds, left_s))

    try:
        async with aclosing(answers(source.poll, Steady(min(settings.interval_s, MOST_S)), sleep=pause)) as brought:
            async for answer in brought:
                if not isinstance(answer, PgtopError):
                    if newest is None:
                        _same_server(recorded, answer)
                    newest = answer, seen.take(answer)
                elif newest is None or not isinstance(answer, PollFailed | SourceLost):
                    raise answer
                left_s = watch.left_s(monotonic() - began, seen.observation, newest[0])
                if left_s <= 0:
                    break
    finally:
        overwrite("")
    assert newest is not None, "the loop ends by itself only with a poll"
    snapshot, budget = newest
    seen.observation.refresh(snapshot)
    return snapshot, budget, seen.observation


def _same_server(recorded: Snapshot | None, snapshot: Snapshot) -> None:
    if recorded is not None and not place_of(recorded).relation(snapshot).tells:
        was, now = (f"{one.host}:{one.port}" for one in (recorded.server, snapshot.server))
        raise BadInput(f"the recording is of {was}; expected one of the server at {now}")


async def poll_for(
    source: Source, wanted: Filter, settings: Settings, watch: Watch = UNTIL_STABLE
) -> tuple[Snapshot, Tags]:
    """The newest snapshot and its tags; a filter that mentions `leak` takes as long as `watch` says.

    Without that, what one poll tells of leaks is for showing: no filter may choose by it.
    """
    snapshot, _, observation = await observe(source, settings, watch if wanted.mentions("leak") else ONE_POLL)
    return snapshot, tags_of(snapshot, settings.labels, observation.leaks(snapshot))
