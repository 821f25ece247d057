"""A Pilot goes on when the loop has nothing left to do, not when its process got no processor time."""

from __future__ import annotations

import asyncio
from threading import Event

import textual._wait
import textual.pilot

from tests.support.quiet_loop import QUIET_S, wait_for_idle


async def test_work_that_needs_next_to_no_processor_time_is_waited_for() -> None:
    """As work looks whose process is kept waiting by others."""
    done = []

    async def work() -> None:
        for _ in range(20):
            await asyncio.sleep(QUIET_S / 4)
        done.append(True)

    working = asyncio.create_task(work())
    await wait_for_idle(0)
    assert done
    await working


async def test_a_thread_is_waited_for_and_one_that_hangs_is_not() -> None:
    hang, ended = Event(), Event()
    await wait_for_idle(0)
    working = asyncio.create_task(asyncio.to_thread(ended.wait, 2 * QUIET_S))
    await wait_for_idle(0)
    assert working.done()
    hanging = asyncio.create_task(asyncio.to_thread(hang.wait))
    await wait_for_idle(0)
    assert not hanging.done()
    hang.set()
    await hanging


def test_textual_takes_it() -> None:
    assert textual._wait.wait_for_idle is wait_for_idle
    assert vars(textual.pilot)["wait_for_idle"] is wait_for_idle
