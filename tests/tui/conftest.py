"""What the screen is told of leaks and findings, chosen by a test."""

from __future__ import annotations

import pytest
from textual.notifications import Notification

from pgtop_conn.model.findings import Finding
from pgtop_conn.model.history import observation
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor import state
from pgtop_conn.tui.dialogs import decision
from pgtop_conn.tui.screen import diagnosing, monitor_screen
from tests.support.data.shop import BLOCKER, LEAK, LEAKED, POOLER, RESERVE, SENTENCE

#: Longer than any test.
LONG_S = 3600.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes: a source that waits for its test is not slow, and what was told stays."""
    monkeypatch.setattr(state, "SLOW_ANSWER_S", LONG_S)
    monkeypatch.setattr(monitor_screen, "reading_s", lambda _text: LONG_S)
    monkeypatch.setattr(Notification, "time_left", property(lambda _told: LONG_S))


@pytest.fixture(autouse=True)
def answers_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key counts as soon as the dialog is shown; test_decision.py and the terminals' tests have the silence."""
    monkeypatch.setattr(decision, "QUIET_S", 0.0)


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every poll finds the leak of billing."""

    def find(snapshot: Snapshot, *_others: object) -> tuple[tuple[Leak, ...], tuple[Leak, ...]]:
        keys = {b.key: f"idle for 25m, last ran SELECT ({b.pid})" for b in snapshot.backends if b.pid in LEAKED}
        return (Leak(Pool("billing", "app", "shop"), 0.9, SENTENCE, {}, keys),) if keys else (), ()

    monkeypatch.setattr(observation, "find_leaks", find)


@pytest.fixture
def diagnosed(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What diagnose() finds, for a test to change; a remedy more once the facts are known."""
    found = [LEAK, BLOCKER, RESERVE]
    monkeypatch.setattr(diagnosing, "diagnose", lambda _case: tuple(found))
    monkeypatch.setattr(diagnosing, "sizing", lambda case: (POOLER,) if case.facts.settings else ())
    return found
