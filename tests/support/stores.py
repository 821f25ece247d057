"""What the screen writes to, kept for a test to look at."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.tape_writer import RecordingFile


@dataclass
class LayoutLog:
    """Every choice that was to be kept, in order."""

    columns: list[list[str]] = field(default_factory=list)
    themes: list[str] = field(default_factory=list)
    groupings: list[str] = field(default_factory=list)
    sorts: list[tuple[str, bool]] = field(default_factory=list)

    def save_columns(self, hidden: Collection[str]) -> None:
        self.columns.append(list(hidden))

    def save_theme(self, name: str) -> None:
        self.themes.append(name)

    def save_grouping(self, name: str) -> None:
        self.groupings.append(name)

    def save_sort(self, name: str, reverse: bool) -> None:
        self.sorts.append((name, reverse))


@dataclass(frozen=True)
class Reports:
    """Reports that a function writes."""

    write_one: Callable[[Case, tuple[Finding, ...]], Path]

    def write(self, case: Case, findings: tuple[Finding, ...]) -> Path:
        return self.write_one(case, findings)


@dataclass(frozen=True)
class Recordings:
    """Recordings that a function begins."""

    open_one: Callable[[Snapshot], RecordingFile]
    always: bool = False

    def begin(self, snapshot: Snapshot) -> RecordingFile:
        return self.open_one(snapshot)

    def begin_session(self, snapshot: Snapshot) -> RecordingFile:
        return self.open_one(snapshot)
