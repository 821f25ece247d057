"""Wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final

#: Ends what hangs, and is no measure: a busy machine may need a good part of it for what is done at once elsewhere.
HANG_S: Final = 120.0


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]], what: str, *, within_s: float = HANG_S, every_s: float = 0.05
) -> None:
    """Return as soon as the condition holds; fail, saying `what` was expected, when it does not in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert time.monotonic() < deadline, f"waited {within_s} s in vain until {what}"
        await asyncio.sleep(every_s)
