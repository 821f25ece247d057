"""What the monitor remembers of what it saw: the ring in memory, and recordings. Imported behind the first frame."""

from __future__ import annotations

from dataclasses import replace

from pgtop_conn import config, folders
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.ring import Ring
from pgtop_conn.storage import recording_files
from pgtop_conn.tui.options import ScreenOptions

MIB = 2**20


class Recordings:
    """Recordings that the user asks for where we were started, and those of every session in our state folder."""

    def __init__(self, days: float) -> None:
        """`days` is how long those of every session are kept; 0 makes none."""
        self._days = days
        self._kept = folders.state_folder() / recording_files.FOLDER

    @property
    def always(self) -> bool:
        return bool(self._days)

    def begin(self, snapshot: Snapshot) -> Recorder:
        return recording_files.begin(snapshot, (*folders.work_folders(), self._kept))

    def begin_session(self, snapshot: Snapshot) -> Recorder:
        recording_files.prune(self._kept, self._days)
        return recording_files.begin(snapshot, (self._kept,))


def with_memory(options: ScreenOptions, settings: config.Settings) -> ScreenOptions:
    """The same screen, with a ring, and with somewhere to record to."""
    return replace(options, ring=Ring(int(settings.history_mb * MIB)), recordings=Recordings(settings.record_days))
