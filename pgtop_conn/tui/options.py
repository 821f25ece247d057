"""ScreenOptions: what the command line decides for the screen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.history.moments import KeepingTape, Tape
from pgtop_conn.model.labels.labels import Label
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import CRITICAL_PERCENT, WARNING_PERCENT
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.campaign import PER_SECOND
from pgtop_conn.monitor.tape_writer import Recorder
from pgtop_conn.view.table.lines import ViewState


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
    #: Writes an incident report and gives its path; None where none can be written.
    write_report: Callable[[Case, tuple[Finding, ...]], Path] | None = None
    #: What every poll is kept in, to step back to; None keeps nothing.
    ring: KeepingTape | None = None
    #: Begin a recording of what is shown, in a file of its own; None where nothing can be recorded.
    open_recorder: Callable[[Snapshot], Recorder] | None = None
    #: The same for every session of the monitor, where that is wanted.
    always_record: Callable[[Snapshot], Recorder] | None = None
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
    #: Keep what was chosen on the screen for the next start.
    save_columns: Callable[[Collection[str]], None] = lambda _hidden: None
    save_theme: Callable[[str], None] = lambda _name: None
    save_grouping: Callable[[str], None] = lambda _name: None
    save_sort: Callable[[str, bool], None] = lambda _name, _reverse: None
