"""Campaigns on real servers, and the tally of all of them at the end of the run."""

from __future__ import annotations

import pytest

from pgtop_conn.postgres.poll import reader
from tests.postgres.conftest import sessions
from tests.support.kill.tally import TALLY

__all__ = ["sessions"]


@pytest.fixture(autouse=True)
def locks_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each poll reads the locks: sessions come and go here faster than they are read as a rule."""
    monkeypatch.setattr(reader, "LOCKS_EVERY_S", 0.0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.plans:
        terminalreporter.write_line(TALLY.line())
