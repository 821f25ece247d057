"""snapshot --watch: one poll after the other for a pipe, through restarts of the server, until somebody ends it."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from threading import Thread
from time import monotonic

from pgtop_conn.commands.common.observe import UNTIL_STABLE, Seen
from pgtop_conn.commands.snapshot.options import Options
from pgtop_conn.config import Settings
from pgtop_conn.model.filters.language import Tags, parse
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.poller import polls
from pgtop_conn.terminal.console import tell
from pgtop_conn.terminal.interrupts import ended_by
from pgtop_conn.terminal.streams import OutputLost

#: A line that is being written gets so long to arrive once the end was asked for.
PATIENCE_S = 1.0

#: Makes the text of one poll: the poll, its tags, what all polls say together, and whether it is the first text.
Draw = Callable[[Snapshot, Tags, History, bool], str]


async def stream(source: Source, settings: Settings, options: Options, draw: Draw) -> None:
    """Until --count looks are told, or a signal arrives. Raises BrokenPipeError when the reader of stdout is gone.

    The first poll may raise what poll() raises; what fails later is a line on stderr, and asked again.
    """
    work = asyncio.create_task(_looked(source, settings, options, draw), name="stream")
    # Ctrl-C and SIGTERM are how it is meant to end.
    with ended_by(lambda _number: work.cancel()), _ended_by_reader(work):
        await asyncio.wait({work})
    if not work.cancelled():
        work.result()
    elif _reader_is_gone():
        raise BrokenPipeError


async def _looked(source: Source, settings: Settings, options: Options, draw: Draw) -> None:
    seen = Seen(settings)
    hold_s = UNTIL_STABLE.least_s if parse(settings.filter).mentions("leak") else 0.0
    since, told = monotonic(), 0
    async with aclosing(polls(source, options.every_s or settings.interval_s, tell)) as snapshots:
        async for snapshot in snapshots:
            seen.take(snapshot)
            # Who leaks is known only after a while, and no filter may choose by less.
            if monotonic() - since >= hold_s:
                await written(draw(snapshot, seen.tags(snapshot), seen.observation.history, not told))
                told += 1
                if told == options.count:
                    return


async def written(text: str) -> None:
    """Write to stdout from a thread that may be left behind: a reader who stopped reading must not hold us.

    Raises BrokenPipeError, or OutputLost.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    data = text.encode(sys.stdout.encoding, "replace")

    def settle(error: OSError | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error if isinstance(error, BrokenPipeError) else OutputLost(error))

    def write() -> None:
        error = _write(data)
        # The loop is gone when nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    Thread(target=write, daemon=True).start()
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait({done}, timeout=PATIENCE_S)
        raise


def _write(data: bytes) -> OSError | None:
    try:
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]
    except OSError as error:
        return error
    return None


@contextmanager
def _ended_by_reader(work: asyncio.Task[None]) -> Iterator[None]:
    """Between two polls nothing is written that would tell that the reader is gone, and our session holds a slot."""
    loop, out = asyncio.get_running_loop(), sys.stdout.fileno()
    watched = stat.S_ISFIFO(os.fstat(out).st_mode)

    def told() -> None:
        loop.remove_reader(out)
        if _reader_is_gone():
            work.cancel()

    if watched:
        loop.add_reader(out, told)
    try:
        yield
    finally:
        if watched:
            loop.remove_reader(out)


def _reader_is_gone() -> bool:
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
