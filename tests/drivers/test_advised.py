"""What a diagnosis of a recording advises: filters that match now, one number for one thing, no size from a leak."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.findings import Case, Cause, Finding
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.view.table.groups import group_counts
from tests.drivers.test_recorded import RECORDINGS
from tests.support.drivers.replays import snapshots_of


def diagnoses(recording: Path) -> Iterator[tuple[Case, Sequence[Finding]]]:
    """At a third, two thirds and the end."""
    snapshots = snapshots_of(recording)
    observation = Observation(group_counts)
    for place, snapshot in enumerate(snapshots):
        budget = SlotBudget.of(snapshot)
        observation.add(snapshot, budget)
        if place in (len(snapshots) // 3, 2 * len(snapshots) // 3, len(snapshots) - 1):
            case = Case.of(snapshot, budget, observation)
            yield case, diagnose(case)


def filters_in(finding: Finding) -> Iterator[str]:
    for remedy in finding.remedies:
        if found := re.fullmatch(r"pgtop-conn kill (.*) --dry-run", remedy.text):
            yield shlex.split(found[1])[0]
        if found := re.search(r"Press / and type (.*?), then", remedy.text):
            yield found[1]


def limits_in(findings: Sequence[Finding]) -> dict[str, set[str]]:
    limits = defaultdict(set)
    for finding in findings:
        for remedy in finding.remedies:
            for name, limit in re.findall(r"ALTER (\w+ \S+) CONNECTION LIMIT (\d+)", remedy.text):
                limits[name].add(limit)
    return limits


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_what_is_advised_holds_now(recording: Path) -> None:
    for case, findings in diagnoses(recording):
        snapshot = case.snapshot
        tags = tags_of(snapshot, (), case.observation.leaks(snapshot))
        for finding in findings:
            for text in filters_in(finding):
                wanted = parse(text)
                chosen = {one.pid for one in snapshot.backends if wanted.matches(one, snapshot.taken_at, tags)}
                assert chosen, f"nothing matches {text}, advised for {finding.summary}"
                assert finding.cause is not Cause.LEAK or chosen == set(finding.sessions), text
        assert all(len(numbers) == 1 for numbers in limits_in(findings).values())
        lost = {key.pid for leak in case.observation.leaks(snapshot) for key in leak.sessions}
        sized = {pid for one in findings if one.cause is Cause.OVERSIZED_POOL for pid in one.sessions}
        assert not lost & sized
        storms = [one for one in findings if one.cause is Cause.RECONNECT_STORM]
        assert not any(lost.intersection(one.sessions) for one in storms)
