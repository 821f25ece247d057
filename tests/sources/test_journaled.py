"""The journal: every signal and its end, private, appended, and never in the way of a rescue."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Sequence
from pathlib import Path

import pytest

from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.campaign import Campaign, Phase, Progress
from pgtop_conn.sources.journaled import Journaled
from tests.support.data.factories import make_backend, make_own, make_snapshot


class Scripted:
    """A source that gives the snapshots and outcomes it was told."""

    def __init__(self, snapshots: list[Snapshot], statuses: list[Status]) -> None:
        self.snapshots = snapshots
        self.statuses = statuses

    async def poll(self) -> Snapshot:
        return self.snapshots.pop(0)

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        return [Outcome(target, status) for target, status in zip(targets, self.statuses, strict=True)]

    def settle(self, action: Action, outcome: Outcome) -> None:
        return

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        self.snapshots.clear()


async def run(journal: Path) -> list[Outcome]:
    first = make_snapshot([make_own(), make_backend(1), make_backend(2, role='evil"\n{')])
    source = Journaled(Scripted([first], [Status.SIGNALLED, Status.DENIED]), journal)
    snapshot = await source.poll()
    targets = [Target.of(backend, "marks") for backend in snapshot.backends if backend.pid in (1, 2)]
    outcomes = await source.signal(Action.TERMINATE, targets)
    source.settle(Action.TERMINATE, Outcome(targets[0], Status.GONE))
    await source.close()
    return outcomes


async def test_every_signal_is_written_with_its_end(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "journal.jsonl"
    await run(journal)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(line["event"], line["pid"], line["status"]) for line in lines] == [
        ("asked", 1, None),
        ("asked", 2, None),
        ("sent", 1, "signalled"),
        ("sent", 2, "denied"),
        ("settled", 1, "gone"),
    ]
    assert {line["server"] for line in lines} == {"db.example:5432"}
    assert {line["chosen_by"] for line in lines} == {"marks"}
    assert all(line["os_user"] and line["client_host"] and line["at"].endswith("Z") for line in lines)
    assert journal.stat().st_mode & 0o777 == 0o600
    assert journal.parent.stat().st_mode & 0o777 == 0o700


async def test_it_is_appended_to(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    await run(journal)
    await run(journal)
    assert len(journal.read_text().splitlines()) == 10


async def test_a_journal_that_cannot_be_written_stops_nothing_and_is_said(tmp_path: Path) -> None:
    journal = tmp_path / "taken"
    journal.mkdir()
    outcomes = await run(journal)
    assert [outcome.status for outcome in outcomes] == [Status.SIGNALLED, Status.DENIED]
    assert all("the journal was not written" in outcome.note for outcome in outcomes)


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("untouched")
    (tmp_path / "journal.jsonl").symlink_to(other)
    await run(tmp_path / "journal.jsonl")
    assert other.read_text() == "untouched"


class Stops:
    """Stops a campaign as soon as its signals are out, and a second time for the watching."""

    campaign: Campaign | None = None

    def report(self, progress: Progress) -> None:
        if self.campaign is not None and progress.phase is Phase.VERIFY and not progress.stopped:
            self.campaign.stop()
            self.campaign.stop()


@pytest.mark.parametrize("status", [Status.SIGNALLED, Status.DENIED])
@pytest.mark.parametrize("stopped", [False, True])
async def test_the_journal_says_of_each_session_what_the_campaign_says(
    tmp_path: Path, status: Status, stopped: bool
) -> None:
    """Whoever leaves at once does not see the end; a poll that sees it later changes no outcome that was told."""
    journal = tmp_path / "journal.jsonl"
    first = make_snapshot([make_own(), make_backend(1)])
    source = Journaled(Scripted([first, first, *[make_snapshot([make_own()])] * 3], [status]), journal)
    snapshot = await source.poll()
    plan = make_plan(Action.TERMINATE, [Target.of(snapshot.backends[1], "marks")], snapshot, Policy())
    stops = Stops()
    campaign = Campaign(source, source.poll, plan, Policy(), report=stops.report)
    stops.campaign = campaign if stopped else None
    (outcome,) = await campaign.run()
    await source.poll()
    await source.close()
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert (lines[-1]["status"], lines[-1]["detail"] or "") == (str(outcome.status), outcome.detail)
    assert sum(line["event"] == "settled" for line in lines) == (status is Status.SIGNALLED)


async def test_who_is_the_account_not_what_a_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("SUDO_USER", "dba\x1b[31m")
    journal = tmp_path / "journal.jsonl"
    journal.touch(mode=0o644)
    await run(journal)
    who = json.loads(journal.read_text().splitlines()[0])["os_user"]
    assert who == f"{pwd.getpwuid(os.getuid()).pw_name} (sudo by dba␛[31m)"
    assert journal.stat().st_mode & 0o777 == 0o600
