"""Build shapes, watch each through a real session, and hear what the diagnosis says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.errors import ConnectError, PollFailed, SourceLost
from pgtop_conn.model.findings import Case, Cause, Finding
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.view.table.groups import group_counts
from tests.support.servers import Servers
from tests.support.shapes.servers import HBA, SETTINGS, Ground
from tests.support.shapes.shape import Promise, Shape
from tests.support.waits import HANG_S

POLL_EVERY_S = 0.5
LOOKS = 8
#: Servers of the newest version that shapes are built on at the same time.
LANES = 6
#: What a shape may take beside its watch, to be built and taken down, at a bad moment.
LONGEST_S = HANG_S


#: What each cause is called above its column.
HEADS: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.LEAK: "leak",
        Cause.TRAFFIC: "traffic",
        Cause.BLOCKER: "blocker",
        Cause.IDLE_IN_TRANSACTION: "in trans",
        Cause.CLIENT_WAIT: "client",
        Cause.OVERSIZED_POOL: "pool",
        Cause.ROLE_LIMIT: "role",
        Cause.DATABASE_LIMIT: "database",
        Cause.RESERVE: "reserve",
        Cause.AUTHENTICATING: "logins",
        Cause.WALSENDERS: "senders",
        Cause.RECONNECT_STORM: "storm",
    }
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was said of one shape on one version."""

    shape: Shape
    major: int
    findings: tuple[Finding, ...]
    promise: Promise
    sessions: int
    #: Every cause found at any of the polls before, and what was said of it first.
    passing: Mapping[Cause, str]

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Of the findings, most important first."""
        return tuple(finding.cause for finding in self.findings)

    @property
    def wrong(self) -> str:
        """What is not as expected; "" when all is."""
        expected = self.shape.expected
        if self.causes[: len(expected)] != expected or (not expected and self.findings):
            return f"expected {_words(expected)}, found {_words(self.causes)}"
        # A healthy shape is healthy at each poll, and what is no leak is never called one.
        for cause, words in self.passing.items():
            if cause not in expected and (cause is Cause.LEAK or not expected):
                return f"{cause} was found beside {_words(expected)}: {words}"
        broken = [name for name, value in self.promise.items() if not self._keeps(name, value)]
        return f"the evidence should hold {', '.join(broken)}: {self.findings[0].evidence}" if broken else ""

    def _keeps(self, name: str, value: object) -> bool:
        found = self.findings[0].evidence.get(name)
        return bool(value(found)) if callable(value) else found == value

    def __str__(self) -> str:
        said = "\n".join(f"  {one.severity} {one.cause} {one.weight:g}: {one.summary}" for one in self.findings)
        return f"{self.shape} on {self.major}, {self.sessions} sessions: {self.wrong or 'right'}\n{said or '  nothing'}"


#: By version and shape; a task that has ended, so that each test hears its own error.
Results: TypeAlias = Mapping[tuple[int, str], "asyncio.Task[Seen]"]


async def look_at_all(servers: Servers, wanted: Iterable[tuple[int, Shape]], newest: int) -> Results:
    """Every shape on the version it is wanted on, several at a time, each on a server that it has for itself."""
    waiting: dict[int, list[Shape]] = {}
    for major, shape in sorted(wanted, key=lambda one: -one[1].watch_s):
        waiting.setdefault(major, []).append(shape)
    results: dict[tuple[int, str], asyncio.Task[Seen]] = {}
    lanes = [
        _lane(servers, major, shapes, results)
        for major, shapes in waiting.items()
        for _ in range(min(len(shapes), LANES if major == newest else 1))
    ]
    await asyncio.gather(*lanes)
    return results


async def _lane(
    servers: Servers, major: int, shapes: list[Shape], results: dict[tuple[int, str], asyncio.Task[Seen]]
) -> None:
    cluster = await asyncio.to_thread(servers.make, servers.versions[major], settings=SETTINGS, hba=HBA)
    ground = Ground(cluster)
    try:
        await ground.populate()
        while shapes:
            shape = shapes.pop(0)
            within_s = shape.watch_s + LONGEST_S
            # A machine that stood still for a second may have bent the shape itself: looked at again then.
            for _ in range(LOOKS):
                task = results[major, shape.name] = asyncio.create_task(
                    asyncio.wait_for(look_at(ground, shape), within_s)
                )
                await asyncio.wait({task})
                if task.exception() is not None or not task.result().wrong:
                    break
    finally:
        await asyncio.to_thread(cluster.destroy)


async def look_at(ground: Ground, shape: Shape) -> Seen:
    """Build one shape, watch it, take it down."""
    await ground.arrange(shape.settings)
    # Connected before the crowd is there, as some shapes leave no slot.
    session = await Session.open(resolve(ground.cluster.uri(), environ={}))
    try:
        async with shape.build(ground) as promise:
            passing: dict[Cause, str] = {}
            case = await watch(session, shape.watch_s, passing)
            return Seen(shape, ground.cluster.major, diagnose(case), promise, len(case.clients), passing)
    finally:
        await session.close()
        await ground.clear()


async def watch(session: Session, watch_s: float, passing: dict[Cause, str]) -> Case:
    """Poll for so long, and on while the server does not answer; `passing` is what each poll says. Gives the last."""
    observation = Observation(group_counts)
    last: tuple[Snapshot, SlotBudget] | None = None
    started_at = time.monotonic()
    ends = started_at + watch_s
    while last is None or time.monotonic() < ends:
        started = time.monotonic()
        # A server that restarts is polled again, as the program does.
        with suppress(SourceLost, ConnectError, PollFailed):
            snapshot = await session.poll()
            last = (snapshot, SlotBudget.of(snapshot))
            observation.add(*last)
            for one in diagnose(Case.of(*last, observation)):
                passing.setdefault(one.cause, f"after {time.monotonic() - started_at:.1f} s: {one.summary}")
        await asyncio.sleep(max(0.0, started + POLL_EVERY_S - time.monotonic()))
    snapshot, budget = last
    return Case.of(snapshot, budget, observation, await session.facts())


def matrix(results: Sequence[Seen]) -> list[str]:
    """Rows are shapes, columns are causes: 1 is the top finding, the others are numbered as they are ranked."""
    width = max((len(seen.shape.name) for seen in results), default=0)
    lines = [" " * (width + 5) + "".join(f"{head:^9}" for head in HEADS.values()).rstrip()]
    for seen in results:
        marks = "".join(f"{_mark(seen, cause):^9}" for cause in HEADS)
        lines.append(f"{seen.shape.name:{width}} {seen.major:>4}{marks}{'WRONG' if seen.wrong else 'right'}")
    return lines


def _mark(seen: Seen, cause: Cause) -> str:
    rank = str(seen.causes.index(cause) + 1) if cause in seen.causes else "."
    return f"[{rank}]" if cause in seen.shape.expected else rank


def _words(causes: Sequence[Cause]) -> str:
    return ", ".join(causes) or "nothing"
