"""One way to take the signals that end: as the loop has time, or at once; what is ignored stays ignored."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from pgtop_conn.terminal.interrupts import ENDING, ended_by, interrupted_by, screen_code


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever a test does to them, the next one finds them as they were."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
async def test_a_signal_calls_on_the_loop(number: signal.Signals) -> None:
    called: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with ended_by(called.set_result):
        signal.raise_signal(number)
        assert not called.done()
        assert await asyncio.wait_for(called, 5.0) == number


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_interrupts_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def leave(number: int) -> None:
        raise SystemExit(number)

    with pytest.raises(SystemExit) as left, interrupted_by(leave):
        signal.raise_signal(number)
    assert left.value.code == number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", ENDING)
async def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    called: list[int] = []
    for taking in (ended_by, interrupted_by):
        with taking(called.append):
            signal.raise_signal(number)
            await asyncio.sleep(0)
            assert signal.getsignal(number) is signal.SIG_IGN
        assert signal.getsignal(number) is signal.SIG_IGN
    assert called == []


def test_ctrl_c_is_one_way_to_leave_the_screen() -> None:
    assert [screen_code(number) for number in ENDING] == [0, 143, 129]
