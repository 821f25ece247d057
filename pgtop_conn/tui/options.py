"""ScreenOptions: what the command line decides for the screen, and the stores that the screen writes to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.history.moments import KeepingTape, Tape
from pgtop_conn.model.labels.labels import Label
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import CRITICAL_PERCENT, WARNING_PERCENT
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.campaign import PER_SECOND
from pgtop_conn.monitor.state import Terms
from pgtop_conn.monitor.tape_writer import RecordingFile
from pgtop_conn.view.table.lines import ViewState


class LayoutStore(Protocol):
    """Keeps what is chosen on the screen for the next start. Storing may fail; that is the store's own affair."""

    def save_columns(self, hidden: Collection[str]) -> None: ...

    def save_theme(self, name: str) -> None: ...

    def save_grouping(self, name: str) -> None: ...

    def save_sort(self, name: str, reverse: bool) -> None: ...


class NoLayoutStore:
    """Keeps nothing."""

    def save_columns(self, hidden: Collection[str]) -> None:
        """Nothing is kept."""

    def save_theme(self, name: str) -> None:
        """Nothing is kept."""

    def save_grouping(self, name: str) -> None:
        """Nothing is kept."""

    def save_sort(self, name: str, reverse: bool) -> None:
        """Nothing is kept."""


class ReportWriter(Protocol):
    """Writes incident reports."""

    def write(self, case: Case, findings: tuple[Finding, ...]) -> Path:
        """The report's path. Raises PgtopError or OSError where it can't be written."""
        ...


class RecordingStore(Protocol):
    """Begins recordings, each in a file of its own. Both raise PgtopError where that can't be."""

    @property
    def always(self) -> bool:
        """Whether every session of the monitor is recorded."""
        ...

    def begin(self, snapshot: Snapshot) -> RecordingFile:
        """A recording that the user asked for."""
        ...

    def begin_session(self, snapshot: Snapshot) -> RecordingFile:
        """The recording of a session of the monitor."""
        ...


@dataclass(frozen=True, slots=True)
class ScreenOptions:
    """Everything the monitor starts with; thresholds are per cent of what ordinary roles may use."""

    interval_s: float = 2.0
    policy: Policy = field(default_factory=Policy)
    #: The first grouping, filter and sort.
    view: ViewState = field(default_factory=ViewState)
    warning_percent: float = WARNING_PERCENT
    critical_percent: float = CRITICAL_PERCENT
    ascii: bool = False
    mouse: bool = True
    #: A theme's name; None is our own, or the terminal's 16 colours where NO_COLOR is set.
    theme: str | None = None
    #: A poll that was already read: it is on the first frame.
    first: Snapshot | None = None
    #: Signals a second where many are sent.
    per_second: float = PER_SECOND
    #: Between a cancel and the terminate that may be asked to follow it.
    escalate_after_s: float = 5.0
    #: The user's own names for whose sessions are whose.
    labels: tuple[Label, ...] = ()
    #: Bytes of memory of the database's host, as the user told; None where that was not told.
    ram: int | None = None
    #: Where incident reports go; None where none can be written.
    reports: ReportWriter | None = None
    #: What every poll is kept in, to step back to; None keeps nothing.
    ring: KeepingTape | None = None
    #: Where recordings go; None where nothing can be recorded.
    recordings: RecordingStore | None = None
    #: A recording that is shown instead of what the source polls; None shows the source.
    tape: Tape | None = None
    #: What is to be said of it first.
    tape_remark: str = ""
    #: Keys of the user's own: a binding's id, and its keys as Textual writes them ("f5,g").
    keys: tuple[tuple[str, str], ...] = ()
    #: Filters on the number keys: "1" to "9", and the filter.
    presets: tuple[tuple[str, str], ...] = ()
    #: Columns put away in an earlier session; None where nobody chose.
    hidden_columns: tuple[str, ...] | None = None
    #: A theme chosen in an earlier session, for where `theme` is None; one that is no more is passed over.
    saved_theme: str = ""
    #: Where what is chosen on the screen is kept for the next start.
    layout: LayoutStore = field(default_factory=NoLayoutStore)

    @property
    def terms(self) -> Terms:
        """By what the sessions are judged."""
        return Terms(
            self.policy,
            warning_percent=self.warning_percent,
            critical_percent=self.critical_percent,
            labels=self.labels,
            ram=self.ram,
            ascii=self.ascii,
        )
