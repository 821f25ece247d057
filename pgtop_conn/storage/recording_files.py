"""Where recordings of the screen go, and how long those that are made of every session are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.recording.codec.framing import TITLE
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.storage.report_files import stem_of

SUFFIX = ".pgtop"
#: Where those are that are made of every session, in the folder of the state.
FOLDER = "recordings"
DAY_S = 86_400.0


def begin(snapshot: Snapshot, folders: Sequence[Path]) -> Recorder:
    """A new recording in the first folder that takes one, named after the server and the time. Raises PgtopError."""
    troubles = []
    for folder in folders:
        try:
            private_files.make_folder(folder)
            return Recorder.open(_unused(folder, stem_of(snapshot)))
        except (OSError, BadInput) as error:
            troubles.append(str(error))
    raise PgtopError(f"nothing is recorded: {'; '.join(troubles)}")


def _unused(folder: Path, stem: str) -> Path:
    names = (folder / f"{stem}{f'-{number}' if number else ''}{SUFFIX}" for number in range(100))
    return next((path for path in names if not path.exists()), folder / f"{stem}{SUFFIX}")


def prune(folder: Path, days: float) -> int:
    """Delete recordings in this folder that were last written longer ago; how many. What is none of ours stays."""
    oldest = time.time() - days * DAY_S
    gone = 0
    with suppress(OSError):
        for path in folder.glob(f"pgtop-conn-*{SUFFIX}"):
            with suppress(OSError):
                if path.is_file() and not path.is_symlink() and path.stat().st_mtime < oldest and _is_ours(path):
                    path.unlink()
                    gone += 1
    return gone


def _is_ours(path: Path) -> bool:
    with private_files.open_to_read(path) as file:
        return file.read(len(TITLE)) == TITLE
