"""Reading the files that a connection is made of: never more than MOST_BYTES, never waiting for a pipe for long."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path
from time import monotonic

#: A password file of 4 MB has some hundred thousand lines.
MOST_BYTES = 4 * 2**20
#: For all that comes through a pipe.
PIPE_S = 2.0


class NotSmall(OSError):
    """The file is no plain one, is too long, or is a pipe through which nothing comes; `strerror` says which."""

    def __init__(self, why: str) -> None:
        super().__init__(0, why)


def read(path: Path, *, pipes: bool = False) -> tuple[bytes, int]:
    """What the file holds, and its mode. With `pipes` one may be read, too: a shell's <(…). Raises OSError."""
    if "\0" in str(path):
        raise NotSmall("no file can have this name")
    # Without O_NONBLOCK the open itself would wait for somebody to write.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    piped = pipes and stat.S_ISFIFO(mode)
    if not stat.S_ISREG(mode) and not piped:
        os.close(descriptor)
        raise NotSmall("not a plain file")
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found, until = bytearray(), monotonic() + PIPE_S
        while len(found) <= MOST_BYTES:
            if piped and not select.select([descriptor], [], [], max(0.0, until - monotonic()))[0]:
                raise NotSmall(f"a pipe through which not everything came in {PIPE_S:.0f} s")
            chunk = file.read(MOST_BYTES + 1 - len(found))
            if not chunk:
                return bytes(found), mode
            found += chunk
    raise NotSmall(f"longer than {MOST_BYTES // 2**20} MB")
