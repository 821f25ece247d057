"""The confusion matrix is shown at the end of the run."""

from __future__ import annotations

import pytest

from tests.support.shapes.watch import Seen, matrix

SEEN: pytest.StashKey[list[Seen]] = pytest.StashKey()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shapes against causes."""
    seen = config.stash.get(SEEN, [])
    if seen:
        terminalreporter.section("causes found; [ ] expected, 1 the top finding")
    for line in matrix(seen):
        terminalreporter.write_line(line)
