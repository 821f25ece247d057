"""A source that answers when a test says so, and records what was signalled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.decision import DecidingDialog
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.monitor_screen import MonitorScreen
from tests.support.waits import HANG_S

#: How one target ends, for a test to choose.
Answer = Callable[[Target], Outcome]


def signalled(target: Target) -> Outcome:
    """The server sent the signal."""
    return Outcome(target, Status.SIGNALLED)


class FakeSource:
    """poll() waits for tick(); so polls happen exactly when a test wants one."""

    def __init__(self) -> None:
        self._answers: asyncio.Queue[Snapshot | Exception] = asyncio.Queue()
        self.polls = 0
        self.asking = 0
        self.most_asking = 0
        self.closed = 0
        self.signals: list[tuple[Action, tuple[Target, ...]]] = []
        self.answer: Answer = signalled
        self.signal_error: PgtopError | None = None
        self.attempts = 0
        #: What facts() answers; it waits while `facts_held` is clear.
        self.known: Facts | PgtopError = NO_FACTS
        self.facts_held = asyncio.Event()
        self.facts_held.set()
        self.facts_asked = 0

    async def poll(self) -> Snapshot:
        self._enter()
        try:
            answer = await self._answers.get()
        finally:
            self.asking -= 1
            self.polls += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        self._enter()
        self.attempts += 1
        try:
            await asyncio.sleep(0)
            if self.signal_error is not None:
                raise self.signal_error
            self.signals.append((action, tuple(targets)))
            return [self.answer(target) for target in targets]
        finally:
            self.asking -= 1

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Nobody here needs to know."""

    async def facts(self) -> Facts:
        self._enter()
        self.facts_asked += 1
        try:
            await self.facts_held.wait()
        finally:
            self.asking -= 1
        if isinstance(self.known, PgtopError):
            raise self.known
        return self.known

    async def close(self) -> None:
        self.closed += 1

    def _enter(self) -> None:
        self.asking += 1
        self.most_asking = max(self.most_asking, self.asking)

    def give(self, answer: Snapshot | Exception) -> None:
        """Answer the question that is open, or the next one."""
        self._answers.put_nowait(answer)

    async def tick(self, pilot: Pilot[int], answer: Snapshot | Exception) -> None:
        """One poll, taken in and shown; a dialog that asks anew because of it takes keys."""
        polls = self.polls
        self.give(answer)
        await until(lambda: self.polls > polls)
        await pilot.pause()
        await until(lambda: hears_keys(pilot.app.screen))

    async def serve(self, pilot: Pilot[int], answer: Snapshot | Exception, done: Callable[[], bool]) -> None:
        """The same answer to every poll until a condition is true."""
        async with asyncio.timeout(HANG_S):
            while not done():
                if self.asking and self._answers.empty():
                    self.give(answer)
                await asyncio.sleep(0.001)
        await pilot.pause()

    async def sent(self, pilot: Pilot[int], answer: Snapshot, count: int = 1) -> None:
        """Polls until so many signals went out."""
        await self.serve(pilot, answer, lambda: len(self.signalled_pids) >= count)

    @property
    def signalled_pids(self) -> list[int]:
        return [target.key.pid for _, targets in self.signals for target in targets]


async def until(condition: Callable[[], bool], most_s: float = HANG_S) -> None:
    """Wait for a condition on the event loop; fails when it does not come true."""
    async with asyncio.timeout(most_s):
        while not condition():  # noqa: ASYNC110 - no event tells of a widget's state
            await asyncio.sleep(0.001)


def below(cls: type) -> Iterator[type]:
    """The subclasses of a class that are this program's, direct or not."""
    children: list[type] = cls.__subclasses__()
    for child in children:
        if child.__module__.startswith("pgtop_conn."):
            yield child
        yield from below(child)


def hears_keys(screen: Screen[Any]) -> bool:
    """Whether what the screen asks has been shown, so that an answer counts."""
    return not isinstance(screen, DecidingDialog) or screen.quiet.is_shown


def screen_strips(app: App[int]) -> list[Strip]:
    """The lines that are on the screen, as Textual draws them."""
    return app.screen._compositor.render_strips()


def screen_text(app: MonitorApp) -> list[str]:
    """The lines that are on the screen, as text."""
    screen = app.screen
    width, height = screen.size
    strips = screen_strips(app)
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    assert len(lines) == height, (len(lines), height, width)
    return lines


@asynccontextmanager
async def monitor(
    first: Snapshot | None = None, *, size: tuple[int, int] = (120, 36), **options: Any
) -> AsyncIterator[tuple[MonitorApp, FakeSource, Pilot[int]]]:
    """The application on a fake source, with a first snapshot already shown; polls come one after the other."""
    source = FakeSource()
    app = MonitorApp(source, ScreenOptions(**({"interval_s": 0.0, "first": first} | options)))
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            yield app, source, pilot
    finally:
        await app.main.signals.leave(patience_s=0.0)
        await app.main.diagnosing.facts.stop(patience_s=0.0)
        await app.main.feed.poller.stop(patience_s=0.0)
        await app.main.signals.finish()


async def settled(main: MonitorScreen, pilot: Pilot[int]) -> None:
    """What came before the moment has been read."""
    await pilot.pause()
    await until(lambda: not any(one.group == "relive" and one.is_running for one in main.workers))
    await pilot.pause()


def cursor_pid(app: MonitorApp) -> int | None:
    """The pid under the cursor; None on a group or when the line is gone."""
    line = app.main.table.current
    return line.backend.pid if line is not None and line.backend is not None else None


def toasts(app: MonitorApp) -> str:
    """Every message that is on the screen."""
    return "\n".join(notification.message for notification in app._notifications)


def on_main(app: MonitorApp) -> bool:
    """Whether no dialog is open."""
    return app.screen is app.main
