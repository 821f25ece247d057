"""record: every poll into a file, without a screen, through restarts of the server, until somebody ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from pgtop_conn.commands.common.exit_codes import DONE, NOT_ALL
from pgtop_conn.commands.common.observe import Seen
from pgtop_conn.commands.record.options import Options
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Moment, Totals
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.poller import polls
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.terminal.console import tell
from pgtop_conn.terminal.interrupts import ended_by


async def record(open_source: Callable[[], Awaitable[Source]], options: Options, settings: Settings) -> int:
    """Record until --duration is over or a signal arrives; the exit code.

    The file is opened before anybody connects. The first poll may raise what poll() raises; what fails later is a line
    on stderr, and tried again.
    """
    recorder = Recorder.open(options.path, redact=options.redact, rotation=options.rotation)
    try:
        source = await open_source()
        try:
            keeping = _Keeping(recorder, settings)
            work = asyncio.create_task(_recorded(source, keeping, settings), name="record")
            with ended_by(lambda _number: work.cancel()):
                await asyncio.wait({work}, timeout=options.duration_s)
            work.cancel()
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()
        finally:
            await source.close()
    finally:
        recorder.close()
    lost = f"; {keeping.lost} could not be written" if keeping.lost else ""
    tell(f"{recorder.moments:,} polls, {_size(recorder.bytes)} in {recorder.path}{lost}")
    return NOT_ALL if keeping.lost else DONE


class _Keeping:
    """Writes each poll; what can't be written is told once, and again when it can."""

    def __init__(self, recorder: Recorder, settings: Settings) -> None:
        self._recorder = recorder
        self._seen = Seen(settings)
        self._failure = ""
        #: Polls that could not be written.
        self.lost = 0

    def take(self, snapshot: Snapshot) -> None:
        budget = self._seen.take(snapshot)
        moment = Moment(snapshot, self._seen.observation.leaks(snapshot))
        try:
            self._recorder.add(moment, Totals.of(snapshot, budget))
        except PgtopError as error:
            self.lost += 1
            if not self._failure:
                tell(f"{error}; what was recorded before is whole, and it is tried again")
            self._failure = str(error)
        else:
            if self._failure:
                tell(f"{self._recorder.path} is recorded to again")
            self._failure = ""

    def begin(self, snapshot: Snapshot, every_s: float) -> None:
        """Tell where from and where to, and write the first poll."""
        server = snapshot.server
        where = server.host if server.is_unix_socket else f"{server.host}:{server.port}"
        tell(f"recording {where} to {self._recorder.path} every {every_s:g} s; Ctrl-C ends it")
        self.take(snapshot)


async def _recorded(source: Source, keeping: _Keeping, settings: Settings) -> None:
    async with aclosing(polls(source, settings.interval_s, tell)) as snapshots:
        keeping.begin(await anext(snapshots), settings.interval_s)
        async for snapshot in snapshots:
            keeping.take(snapshot)


def _size(size: int) -> str:
    """Bytes in words.

    >>> [_size(size) for size in (900, 12_345, 23_400_000)]
    ['900 bytes', '12.3 kB', '23.4 MB']
    """
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
