"""Diagnosing: facts are read when they are wanted, a finding leads to its sessions, and a report is written or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.poller import Poller
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.tui.screen.diagnosing import Diagnosing
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.data.shop import FACTS
from tests.support.fake_desk import FakeDesk, desk_of, pids_in
from tests.support.fake_source import FakeSource
from tests.support.stores import Reports


def shop() -> Snapshot:
    rows = [make_backend(pid, app="billing" if pid < 4 else "web") for pid in range(1, 7)]
    return make_snapshot([make_own(), *rows])


def diagnosing_of(
    snapshot: Snapshot | None, reports: Reports | None = None
) -> tuple[Diagnosing, FakeDesk, FakeSource, list[str]]:
    state, desk = desk_of(snapshot, view=ViewState())
    source = FakeSource()
    source.known = FACTS
    poller = Poller(source, lambda: 60.0, desk.polled, lambda _error: None)
    changed: list[str] = []
    made = Diagnosing(state, desk, source, poller, reports, lambda: changed.append("facts"))
    return made, desk, source, changed


async def test_a_diagnosis_reads_the_facts_and_shows_them() -> None:
    diagnosing, desk, source, changed = diagnosing_of(shop())
    assert "not read yet" in diagnosing.facts.state
    diagnosing.diagnose()
    assert isinstance(desk.dialog, Diagnosis)
    await desk.finished("facts")
    assert source.facts_asked == 1
    assert changed == ["facts", "facts"]
    assert diagnosing.facts.state == "settings and log read"
    assert diagnosing.sections()


async def test_before_the_first_poll_there_is_nothing_to_diagnose() -> None:
    diagnosing, desk, source, _ = diagnosing_of(None, Reports(lambda _case, _found: Path("report.md")))
    diagnosing.diagnose()
    diagnosing.report()
    assert (diagnosing.sections(), desk.dialogs, desk.tasks, source.facts_asked) == ([], 0, {}, 0)


async def test_a_finding_leads_to_its_sessions_whatever_was_paused_or_filtered() -> None:
    diagnosing, desk, _, _ = diagnosing_of(shop())
    desk.state.pause()
    diagnosing.diagnose()
    desk.answer("app:billing")
    assert desk.state.paused is None
    assert desk.state.view.filter.text == "app:billing"
    assert pids_in(desk.table) == [1, 2, 3]
    assert desk.table.current == desk.table.lines[0]
    diagnosing.diagnose()
    desk.answer(None)
    assert desk.state.view.filter.text == "app:billing"
    await desk.finished("facts")


async def test_a_report_is_written_with_the_facts_and_its_path_is_told() -> None:
    written: list[tuple[Case, tuple[Finding, ...]]] = []

    def write(case: Case, findings: tuple[Finding, ...]) -> Path:
        written.append((case, findings))
        return Path("report.md")

    diagnosing, desk, _, _ = diagnosing_of(shop(), Reports(write))
    diagnosing.report()
    await desk.finished("report")
    assert desk.said == "Report written: report.md"
    ((case, _),) = written
    assert case.facts is FACTS


@pytest.mark.parametrize("error", [PgtopError("no folder takes it"), PermissionError(13, "Permission denied")])
async def test_a_report_that_cannot_be_written_is_told(error: Exception) -> None:
    def refuse(_case: Case, _findings: tuple[Finding, ...]) -> Path:
        raise error

    diagnosing, desk, _, _ = diagnosing_of(shop(), Reports(refuse))
    diagnosing.report()
    await desk.finished("report")
    assert desk.told == [(f"No report was written: {error}", "error")]


def test_where_no_report_can_be_written_it_is_said_at_once() -> None:
    diagnosing, desk, _, _ = diagnosing_of(shop())
    diagnosing.report()
    assert desk.told == [("No report can be written here", "warning")]
