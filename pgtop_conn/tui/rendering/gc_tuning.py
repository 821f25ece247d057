"""The garbage collector's share of a refresh: what is there after the start is never looked at again.

Reference counts free what a poll leaves; what the collector would find between two polls is next to nothing. With
Python's own thresholds it looks at the rows of 2,000 sessions again and again: 22 % of what a refresh costs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds after the start: by then every module is loaded, and the first screen painted.
SETTLED_S = 1.0
#: Containers made and not freed before the youngest are looked at: more than a poll of thousands of sessions has at a
#: time, and so few that cycles never add up to more than a few megabytes.
THRESHOLD = 10_000


@contextmanager
def seldom_collected() -> Iterator[None]:
    """While inside, what is old by SETTLED_S is left alone. To be entered on a running event loop."""
    before = gc.get_threshold()
    settled = asyncio.get_running_loop().call_later(SETTLED_S, _settle)
    try:
        yield
    finally:
        settled.cancel()
        gc.set_threshold(*before)
        gc.unfreeze()


def _settle() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
