"""Shape: one way to use a server's slots, and what is to be said of it; and what builders of shapes are made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeAlias

from pgtop_conn.model.findings import Cause
from tests.support.shapes.servers import Ground

#: What the evidence of the top finding must hold: values, or conditions on them.
Promise: TypeAlias = Mapping[str, Any]
Build: TypeAlias = Callable[[Ground], AbstractAsyncContextManager[Promise]]


@dataclass(frozen=True, slots=True)
class Shape:
    """`build` keeps the shape up while it is entered; `expected` are the first findings, in this order, () none."""

    name: str
    build: Build
    expected: tuple[Cause, ...] = ()
    watch_s: float = 6.0
    #: Settings of the server beside the usual ones.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Looked at on every version, not on the newest alone.
    everywhere: bool = False

    def __str__(self) -> str:
        return self.name


@asynccontextmanager
async def meanwhile(*plays: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these until the end; what goes wrong in one of them is raised there."""
    tasks = [asyncio.create_task(play) for play in plays]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


@asynccontextmanager
async def threads(*plays: Callable[[Event], None]) -> AsyncIterator[None]:
    """Run these, each in a thread that watches the event it is given; what goes wrong is raised at the end."""
    stop = Event()
    # Threads of their own: the loop's few would all be taken, and the server's log be read by none.
    with ThreadPoolExecutor(len(plays)) as executor:
        running = [asyncio.get_running_loop().run_in_executor(executor, play, stop) for play in plays]
        try:
            yield
        finally:
            stop.set()
            ends = await asyncio.gather(*running, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def every(seconds: float, step: Callable[[], Awaitable[object]]) -> None:
    """Take this step again and again."""
    while True:
        await step()
        await asyncio.sleep(seconds)


def together(*builds: Build) -> Build:
    """Several shapes at once; the first one's promise counts."""

    @asynccontextmanager
    async def build(ground: Ground) -> AsyncIterator[Promise]:
        async with AsyncExitStack() as stack:
            promises = [await stack.enter_async_context(one(ground)) for one in builds]
            yield promises[0]

    return build
