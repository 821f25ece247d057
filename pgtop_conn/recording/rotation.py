"""Rotation: FILE goes on in a new one when it is large or old enough; FILE.1 is the newest of those that are kept."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pgtop_conn.recording.codec.framing import TITLE


@dataclass(frozen=True, slots=True)
class Rotation:
    """A limit of None is none. `keep` counts the older files."""

    size: int | None = None
    age_s: float | None = None
    keep: int = 7

    def is_due(self, size: int, age_s: float) -> bool:
        """Whether a file of this size and age is done."""
        return (self.size is not None and size >= self.size) or (self.age_s is not None and age_s >= self.age_s)


NEVER = Rotation()


def older(path: Path, number: int) -> Path:
    """The name of an older file, 1 being the newest."""
    return path.with_name(f"{path.name}.{number}")


def rotate(path: Path, rotation: Rotation) -> None:
    """Move each file to the next name; the oldest is no more. Raises OSError."""
    if not rotation.keep:
        path.unlink()
        return
    for number in range(rotation.keep - 1, 0, -1):
        if older(path, number).exists():
            older(path, number).replace(older(path, number + 1))
    path.replace(older(path, 1))


def in_the_way(path: Path, rotation: Rotation) -> Path | None:
    """A file with a name of an older one that is none of ours: it is not to be moved or overwritten."""
    if rotation.size is None and rotation.age_s is None:
        return None
    names = (older(path, number) for number in range(1, rotation.keep + 1))
    return next((name for name in names if not _may_go(name)), None)


def _may_go(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        begin = os.read(descriptor, len(TITLE)) if regular else b"?"
        return TITLE.startswith(begin) or begin == TITLE
    finally:
        os.close(descriptor)
