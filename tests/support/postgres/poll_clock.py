"""The clock by which polls ask for what they read seldom: a test sets it forward instead of waiting."""

from __future__ import annotations

import time

import pytest

from pgtop_conn.postgres.poll import authenticating, reader

#: Longer than anything is kept before it is read again.
LONG_S = 3600.0


class PollClock:
    """Stands in for the module `time` where polls ask what is due."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ahead_s = 0.0
        patch.setattr(reader, "time", self)
        patch.setattr(authenticating, "time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def forward(self, seconds: float = LONG_S) -> None:
        """Let so much time pass at once; by default everything is due then."""
        self._ahead_s += seconds
