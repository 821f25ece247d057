"""check: one poll as a monitoring plugin tells it, a line with performance data and the plugins' exit codes.

The conventions are those of the Monitoring Plugins Development Guidelines. What they leave open: a server or a pooler
that is full, is not there or gives no answer is CRITICAL, since nobody gets in. What only concerns our own login, or
our own files and settings, is UNKNOWN.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from pgtop_conn.commands.check.options import TIMEOUT_S, Options, watches
from pgtop_conn.commands.common.observe import UNTIL_STABLE, poll_for
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import ConnectError, PgtopError, SourceLost
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.slots import SlotBudget, may_hold_slot
from pgtop_conn.model.source import Source
from pgtop_conn.terminal import streams
from pgtop_conn.view.export.check import Checked, PluginStatus, plugin_line, said

#: For closing the session once the time is over.
GRACE_S = 2.0


async def check(
    opening: Callable[[], Awaitable[Source]], settings: Settings, options: Options
) -> tuple[str, PluginStatus]:
    """The line and the exit code; `opening` connects. Raises nothing that a server could be the cause of."""
    timeout_s = patience_s(settings, options)
    try:
        async with asyncio.timeout(timeout_s):
            return plugin_line(await _looked(opening, settings), options.thresholds)
    except TimeoutError:
        return _too_late(timeout_s)
    except PgtopError as error:
        status = _status_of(error)
        return said(status, str(error)), status


def patience_s(settings: Settings, options: Options) -> float:
    """The timeout that was typed, else one that leaves the time a filter needs."""
    return options.timeout_s or TIMEOUT_S + (UNTIL_STABLE.most_s if watches(settings) else 0.0)


def _too_late(timeout_s: float) -> tuple[str, PluginStatus]:
    return said(PluginStatus.CRITICAL, f"no answer within {timeout_s:g} s"), PluginStatus.CRITICAL


@contextmanager
def alarm(timeout_s: float) -> Iterator[None]:
    """Ends the process when what is inside outlasts even the grace: a look-up of a name can't be cancelled."""

    def give_up(_number: int, _frame: object) -> NoReturn:
        line, status = _too_late(timeout_s)
        try:
            streams.write(f"{line}\n")
        except streams.OutputLost:
            status = PluginStatus.UNKNOWN
        os._exit(status)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, timeout_s + GRACE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def _looked(opening: Callable[[], Awaitable[Source]], settings: Settings) -> Checked:
    source = await opening()
    try:
        wanted = parse(settings.filter)
        seen, tags = await poll_for(source, wanted, settings)
    finally:
        await source.close()
    matching = None
    if settings.filter.strip():
        holders = (backend for backend in seen.backends if may_hold_slot(backend))
        matching = sum(wanted.matches(backend, seen.taken_at, tags) for backend in holders)
    return Checked(seen, SlotBudget.of(seen, settings.warning, settings.critical), matching)


def _status_of(error: PgtopError) -> PluginStatus:
    """Whether others get no answer either, or only we were not let in."""
    if isinstance(error, ConnectError):
        return PluginStatus.CRITICAL if error.failure.concerns_all else PluginStatus.UNKNOWN
    return PluginStatus.CRITICAL if isinstance(error, SourceLost) else PluginStatus.UNKNOWN
