"""A lane: one stage, one live monitor in a terminal, and one fault after the other. Several run at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import asyncpg

from pgtop_conn.demo.binaries import find_binaries
from tests.support.faults.kinds import KINDS, Ground, Kind
from tests.support.faults.sampler import Sampler, Seen, reach
from tests.support.faults.stage import Pair, Pooled, Stage
from tests.support.terminals import Terminal
from tests.support.waits import HANG_S, wait_until

STAGES: dict[str, type[Stage]] = {stage.name: stage for stage in (Stage, Pooled, Pair)}
INTERVAL_S = 0.5
#: A clock on the screen that is older, without the word STALE, is a lie.
UNTOLD_AGE_S = 7.0
FILTER, MARKED, GROUPED = "filter: role:beat", "1 marked", "by role"
_CLOCK = re.compile(r"\b(\d\d):(\d\d):(\d\d)\b")
_RIGHT, _DOWN = "\x1b[C", "\x1b[B"


@dataclass(frozen=True, slots=True)
class Order:
    """What one lane is to do."""

    stage: str
    faults: int
    seed: int
    longest_s: float = 10.0


@dataclass(slots=True)
class One:
    """One fault: seconds from its end to fresh data, None when they did not come."""

    kind: str
    recovered_s: float | None
    lasted_s: float
    told_stale: bool


@dataclass(slots=True)
class Result:
    """What a lane found; `wrong` holds a line for everything that must not be."""

    order: Order
    ones: list[One] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    #: After each fault.
    memory_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)


class Lane:
    """Runs an order."""

    def __init__(self, order: Order, stage: Stage, folder: Path) -> None:
        self.order = order
        self.result = Result(order)
        self._stage = stage
        self._random = Random(order.seed)
        self._log = folder / f"monitor-{stage.name}.log"
        self._sampler = Sampler(stage.clusters, stage.ports)
        self._beat: asyncpg.Connection[asyncpg.Record] | None = None
        self._beats = 0
        self._told_stale = False

    async def run(self) -> Result:
        arguments = ["watch", "--interval", str(INTERVAL_S), "--group", "role", "--log-file", str(self._log)]
        await self._sampler.start()
        try:
            async with Terminal([*arguments, self._stage.uri], columns=150) as terminal:
                self._sampler.monitor = terminal.process.pid
                await self._begin(terminal)
                for kind in deck(self._stage.name, self.order.faults, self._random):
                    if not await self._one(terminal, kind):
                        break
                await self._finish(terminal)
        except (AssertionError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # The fault itself could not be done: the other lanes' figures must not be lost for it.
            self._complain(f"{type(error).__name__} in {self._sampler.kind}: {error}")
        finally:
            await self._sampler.stop()
            if self._beat is not None:
                self._beat.terminate()
        self._judge_samples()
        return self.result

    def _complain(self, text: str) -> None:
        self.result.wrong.append(f"{self.order.stage}: {text}")

    async def _begin(self, terminal: Terminal) -> None:
        """A filter, a grouping, an open group and a mark."""
        if self._stage.password:
            await terminal.shows("Password for user dba:")
            terminal.type(f"{self._stage.password}\n")
        beat = await self._next_beat()
        await terminal.shows("Headroom")
        terminal.type("/role:beat\r")
        await terminal.shows(FILTER)
        terminal.type("g" + _RIGHT)
        await terminal.shows(beat)
        terminal.type(_DOWN + " ")
        await terminal.shows(MARKED, GROUPED)

    async def _next_beat(self) -> str:
        """A session whose query changes, so that data can be seen to be fresh."""
        self._beats += 1
        text = f"beat {self._beats} of it"
        while True:
            if self._beat is None or self._beat.is_closed():
                self._beat = await reach(self._stage.primary, "beat", "beat")
            try:
                await self._beat.execute(f"SELECT '{text}'", timeout=HANG_S)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                self._beat.terminate()
                self._beat = None
                continue
            return text

    async def _one(self, terminal: Terminal, kind: Kind) -> bool:
        """Whether the monitor lives and has recovered."""
        self._sampler.kind = kind.name
        self._told_stale = False
        ground = Ground(self._stage, self._sampler, self._random, self.order.longest_s)
        began = time.monotonic()
        async with self._looking(terminal, kind):
            expected = await kind.make(ground)
            ended = time.monotonic()
            recovered = await self._recovers(terminal, kind, expected)
        took = time.monotonic() - ended if recovered else None
        self.result.ones.append(One(kind.name, took, ended - began, self._told_stale))
        for work in ground.afterwards:
            await work()
        self._note(terminal)
        return recovered

    async def _recovers(self, terminal: Terminal, kind: Kind, expected: str) -> bool:
        beat = await self._next_beat()

        def fresh() -> bool:
            text = terminal.text
            return beat in text and expected in text and "STALE" not in text

        try:
            await wait_until(
                lambda: fresh() or terminal.process.poll() is not None,
                "the data are fresh again",
                every_s=0.02,
            )
        except AssertionError as error:
            self._complain(f"after {kind.name}: {error}; it shows:\n{terminal.text}")
            return False
        if terminal.process.poll() is not None:
            self._complain(f"after {kind.name}: the monitor ended; it shows:\n{terminal.text}")
            return False
        return True

    @asynccontextmanager
    async def _looking(self, terminal: Terminal, kind: Kind) -> AsyncIterator[None]:
        """The last data stay on the screen, with their age as soon as they are old."""

        async def look() -> None:
            while True:
                text = terminal.text
                self._told_stale |= "STALE" in text
                if not all(part in text for part in (FILTER, MARKED, GROUPED, "Headroom")):
                    self._complain(f"during {kind.name} the screen lost what it showed:\n{text}")
                    return
                if _untold(text):
                    self._complain(f"during {kind.name} old data were shown as if fresh:\n{text}")
                    return
                await asyncio.sleep(0.1)

        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    def _note(self, terminal: Terminal) -> None:
        process = Path("/proc") / str(terminal.process.pid)
        with contextlib.suppress(OSError):
            status = (process / "status").read_text(encoding="utf-8")
            self.result.memory_kb.append(int(status.partition("VmRSS:")[2].split()[0]))
            self.result.descriptors.append(len(list((process / "fd").iterdir())))

    async def _finish(self, terminal: Terminal) -> None:
        """What was set at the start is still there; then it leaves, and so does its session."""
        self._sampler.kind = "leaving"
        if terminal.process.poll() is None:
            for part in (FILTER, MARKED, GROUPED):
                if part not in terminal.text:
                    self._complain(f"at the end {part!r} is gone")
            terminal.type("q")
            code = await terminal.ends()
            if code:
                self._complain(f"left with {code}")
        if self._stage.name != "pooler":
            await wait_until(lambda: not self._sampler.pids(), "no session of ours is left")
        for text, where in ((terminal.written.decode(errors="replace"), "screen"), (self._log.read_text(), "log")):
            for word in ("Traceback", "unexpected", "CRITICAL"):
                if word in text:
                    self._complain(f"{word} in the {where}: {text[text.index(word) :][:2000]}")

    def _judge_samples(self) -> None:
        self.result.seen = self._sampler.seen
        for text, count in self._sampler.wrong.items():
            self._complain(f"{text}, in {count} samples")
        for name, example in self._sampler.examples.items():
            self._complain(f"{name}: {example}")
        hanging = {kind.name for kind in KINDS if kind.hangs}
        for name, seen in self._sampler.seen.items():
            # Through a pooler the sessions are the pooler's, and how many it keeps is its own business.
            if seen.most_sessions > 1 and name not in hanging and self.order.stage != "pooler":
                times = f"{seen.abandoned} samples, {seen.abandoned_longest_s:.2f} s at most, first {seen.example}"
                self._complain(f"{name}: {seen.most_sessions} sessions at once, {times}")


def _untold(text: str) -> bool:
    """Whether the screen shows a clock of long ago and does not say so."""
    first = text.partition("\n")[0]
    clock = _CLOCK.search(first)
    if clock is None or "STALE" in first:
        return False
    hours, minutes, seconds = map(int, clock.groups())
    now = datetime.now().astimezone()
    age = (now.hour - hours) * 3600 + (now.minute - minutes) * 60 + now.second - seconds
    return UNTOLD_AGE_S < age % 86400 < 43200


def deck(stage: str, count: int, random: Random) -> list[Kind]:
    """Every kind of this stage equally often, in random order."""
    fitting = [kind for kind in KINDS if stage in kind.stages]
    dealt: list[Kind] = []
    while len(dealt) < count:
        dealt += random.sample(fitting, len(fitting))
    return dealt[:count]


def run_lanes(orders: Sequence[Order]) -> list[Result]:
    """All at once; each lane is a process with servers and a monitor of its own."""
    with ProcessPoolExecutor(len(orders), mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_lane, orders))


def run_lane(order: Order) -> Result:
    """One lane in a process of its own, on servers of its own; the newest embedded server."""
    with TemporaryDirectory(prefix="pgtop-faults-") as folder:
        for kind in ("CONFIG", "STATE", "DATA", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = str(Path(folder) / kind.lower())
        return asyncio.run(_run(order, Path(folder)))


async def _run(order: Order, folder: Path) -> Result:
    stage = STAGES[order.stage](find_binaries())
    try:
        await stage.start()
        return await Lane(order, stage, folder).run()
    finally:
        await stage.stop()
