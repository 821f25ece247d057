"""When a Pilot goes on: once the event loop has had nothing to do for a while, and no thread works for it.

Textual waits until its process used little CPU for 20 ms. On a busy machine a process that has much to do may get none
in that time, and a test would go on before its key was heard. Here the loop itself is asked.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

#: Timers that are due sooner belong to what is waited for.
QUIET_S = 0.02
#: What comes again and again, such as a replay, is not waited for. Each round is as long as the machine makes it.
MOST_ROUNDS = 50
#: Nor is a thread that hangs.
MOST_ROUNDS_OF_THREADS = 15


class Activity:
    """What one event loop was given to do."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.calls = 0
        self.in_threads = 0
        self._call_soon, self._run_in_executor = loop.call_soon, loop.run_in_executor
        for name in ("call_soon", "run_in_executor"):
            setattr(loop, name, getattr(self, f"_counted_{name}"))

    def _counted_call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        self.calls += 1
        return self._call_soon(callback, *args, context=context)

    def _counted_run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self._run_in_executor(executor, func, *args)
        self.in_threads += 1
        future.add_done_callback(self._left_thread)
        return future

    def _left_thread(self, _future: object) -> None:
        self.in_threads -= 1


def activity() -> Activity:
    """The running loop's, counted from the first call on; it is kept where it ends with the loop."""
    loop = asyncio.get_running_loop()
    found: Activity | None = vars(loop).get(__name__)
    if found is None:
        found = vars(loop)[__name__] = Activity(loop)
    return found


async def wait_for_idle(min_sleep: float = QUIET_S, max_sleep: float = 1) -> None:
    """Textual's own, with another measure; `min_sleep` and `max_sleep` are taken and not used."""
    seen = activity()
    only_threads = 0
    for _ in range(MOST_ROUNDS):
        before = seen.calls
        await asyncio.sleep(QUIET_S)
        # Waking up is one call.
        if seen.calls - before > 1:
            continue
        only_threads += 1
        if not seen.in_threads or only_threads >= MOST_ROUNDS_OF_THREADS:
            return


def install() -> None:
    """To be called before textual.app and textual.pilot are imported, and after the environment is as it shall be."""
    import textual._wait

    textual._wait.wait_for_idle = wait_for_idle
