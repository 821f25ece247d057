"""When to ask a server again: the interval, stretched while answers are slow, and pauses that grow while it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import random
from typing import Protocol

from pgtop_conn.model.errors import ConnectError, Failure, PgtopError, PollFailed

#: Pauses between attempts while the source is lost. One login in three seconds is no storm, and who waits for a server
#: to come back should not wait longer for its monitor.
BACK_OFF_FIRST_S = 0.5
BACK_OFF_MOST_S = 3.0
#: A slot that is freed is somebody's at once: whoever is late stays out.
BACK_OFF_FULL_S = 1.0
#: Who is refused by name fills the server's log, and may lock the account.
BACK_OFF_REFUSED_S = 30.0

#: Of its time the monitor spends at most this share on asking.
SHARE_MOST = 0.1
#: No interval is stretched to more than this, and none by less than this factor.
STRETCHED_MOST_S = 60.0
STRETCHED_LEAST = 1.2


def back_off_s(failures: int, chance: float, most_s: float = BACK_OFF_MOST_S) -> float:
    """Seconds to wait after so many failures in a row; `chance` (0 to 1) keeps many monitors from coming at once.

    >>> [back_off_s(failures, 1.0) for failures in (1, 2, 3, 6, 99)]
    [0.5, 1.0, 2.0, 3.0, 3.0]
    >>> back_off_s(1, 0.0)
    0.25
    """
    longest: float = min(most_s, BACK_OFF_FIRST_S * 2 ** min(failures - 1, 10))
    return longest * (0.5 + 0.5 * chance)


def stretched_s(interval_s: float, before_s: float, took_s: float) -> float:
    """The interval after an answer that took so long: as long as it takes to spend SHARE_MOST of the time on asking.

    It gets at most twice as long or half as short as it was `before_s`, so that a server that hung for a moment is
    looked at again soon. An interval of 0 stays without pause.

    >>> [stretched_s(2.0, before, 0.5) for before in (2.0, 4.0, 6.0, 20.0)]
    [4.0, 5.0, 5.0, 10.0]
    >>> stretched_s(2.0, 6.0, 0.1), stretched_s(2.0, 3.0, 0.1), stretched_s(2.0, 2.0, 0.2)
    (3.0, 2.0, 2.0)
    """
    wanted = min(took_s / SHARE_MOST, STRETCHED_MOST_S)
    if wanted <= interval_s * STRETCHED_LEAST or not interval_s:
        wanted = interval_s
    # The user may have chosen another one meanwhile.
    before_s = max(before_s, interval_s)
    return max(interval_s, before_s / 2, min(wanted, before_s * 2))


class Pauses(Protocol):
    """How long a poll loop waits; it says how long each question took, in seconds."""

    def after_answer(self, took_s: float) -> float: ...

    def after_failure(self, error: PgtopError, took_s: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Steady:
    """The same pause after each question, for a loop of some seconds that needs each answer."""

    pause_s: float

    def after_answer(self, took_s: float) -> float:
        return self.pause_s

    def after_failure(self, error: PgtopError, took_s: float) -> float:
        return self.pause_s


class Pace:
    """The pauses of one poll loop; whoever asks tells how long each question took, in seconds."""

    def __init__(self, interval_s: Callable[[], float]) -> None:
        self._interval_s = interval_s
        self._failures = 0
        #: The interval as slow answers have made it, and how long the last answer took on this connection.
        self._slow_s = self._took_s = 0.0

    @property
    def stretched_s(self) -> float | None:
        """The interval as slow answers have stretched it; None while they have not."""
        return self._slow_s if self._slow_s > self._interval_s() else None

    def after_answer(self, took_s: float) -> float:
        """Seconds to wait after an answer: what is left of the interval."""
        self._failures = 0
        return self._left_s(took_s)

    def after_failure(self, error: PgtopError, took_s: float) -> float:
        """Seconds to wait after a question that failed."""
        self._failures += 1
        pause_s = back_off_s(self._failures, random(), _most_s(error))
        if isinstance(error, PollFailed):
            # The session lives, and what was asked in vain was work for the server, too.
            return max(pause_s, self._left_s(took_s))
        # The next answer takes a login longer, and tells nothing of the one after it.
        self._took_s = 0.0
        return pause_s

    def _left_s(self, took_s: float) -> float:
        """One slow answer after a fast one does not stretch the interval."""
        self._slow_s = stretched_s(self._interval_s(), self._slow_s, min(took_s, self._took_s))
        self._took_s = took_s
        return self._slow_s - took_s


def _most_s(error: PgtopError) -> float:
    if not isinstance(error, ConnectError):
        return BACK_OFF_MOST_S
    if error.failure.is_full:
        return BACK_OFF_FULL_S
    return BACK_OFF_REFUSED_S if error.failure is Failure.LOGIN else BACK_OFF_MOST_S
