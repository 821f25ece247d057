"""Campaigns on real servers, and the tally of all of them at the end of the run."""

from __future__ import annotations

import pytest

from tests.kill.tally import TALLY
from tests.postgres.conftest import sessions

__all__ = ["sessions"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.plans:
        terminalreporter.write_line(TALLY.line())
