"""Tells on a terminal that connecting takes a while; never in a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal import streams

#: Whoever connects faster reads nothing.
QUIET_S = 0.5


@contextmanager
def told(hosts: Sequence[object], quiet_s: float = QUIET_S) -> Iterator[None]:
    """While inside for longer than `quiet_s`, one line on standard error says where to and how to end it."""
    if not hosts or not sys.stderr.isatty():
        yield
        return
    others = f" or one of {len(hosts) - 1} others" if len(hosts) > 1 else ""
    line = f"{PROGRAM}: connecting to {hosts[0]}{others} … (Ctrl-C ends it)\n"
    timer = asyncio.get_running_loop().call_later(quiet_s, _say, line)
    try:
        yield
    finally:
        timer.cancel()


def _say(line: str) -> None:
    streams.say(line)
