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


def with_memory(options: ScreenOptions, settings: config.Settings) -> ScreenOptions:
    """The same screen, with a ring, and with somewhere to record to."""
    kept = folders.state_folder() / recording_files.FOLDER

    def by_hand(snapshot: Snapshot) -> Recorder:
        return recording_files.begin(snapshot, (*folders.work_folders(), kept))

    def always(snapshot: Snapshot) -> Recorder:
        recording_files.prune(kept, settings.record_days)
        return recording_files.begin(snapshot, (kept,))

    return replace(
        options,
        ring=Ring(int(settings.history_mb * MIB)),
        open_recorder=by_hand,
        always_record=always if settings.record_days else None,
    )
