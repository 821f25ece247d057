"""Private files: the one way to create, append to, replace and read the files of this program.

A file that is written is regular, has one name, belongs to us, and has mode 0600. No link is followed, and nothing
that could block is waited for. Anything else raises an OSError whose `strerror` says why, fit for "PATH: ...".
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700
#: A FIFO or a terminal in the place of a file must not hold us.
_NEVER_WAIT = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_NO_LINK = os.O_NOFOLLOW | _NEVER_WAIT


def make_folder(path: Path) -> None:
    """Make the folder and those above it, for us alone, where there are none. Raises OSError."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def append(path: Path) -> int:
    """Open a file to write at its end, and make it where there is none; gives a descriptor that reads, too.

    Raises OSError for a file that is not ours alone; a mode that lets others in is tightened.
    """
    _look(path)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_LINK, FILE_MODE)
    try:
        _make_private(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def create(path: Path, text: str) -> None:
    """Write a new file. Raises FileExistsError, or another OSError and then leaves nothing behind."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            _make_private(descriptor)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        # Half a file would be taken for a whole one.
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, text: str) -> None:
    """Put a file in the place of an older one of ours, all of it or nothing. Raises OSError.

    What stands there must be a file that could be appended to: no link, no device, no file of another user.
    """
    about = _look(path)
    if about is not None and about.st_uid != os.geteuid():
        raise _refused(_another_user(about))
    # A name of its own, since another process may be writing, too.
    beside = path.with_name(f".pgtop-conn.{os.getpid()}.{os.urandom(6).hex()}")
    create(beside, text)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def set_aside(path: Path) -> Path:
    """Rename a file that can't be used, so that none of it is lost; gives its new name. Raises OSError."""
    for number in range(1, 100):
        aside = path.with_name(f"{path.name}.unreadable-{number}")
        # A hard link fails where the name is taken; a rename would not.
        with suppress(FileExistsError):
            os.link(path, aside, follow_symlinks=False)
            path.unlink()
            return aside
    raise FileExistsError(errno.EEXIST, "99 unreadable files are beside it already")


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file of whoever it is, also through a link. Raises OSError."""
    try:
        # A device may do something as soon as it is opened.
        _regular(path.stat())
    except NotADirectoryError:
        # HOME=/dev/null, as accounts of services have it: nothing can be there.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    descriptor = os.open(path, os.O_RDONLY | _NEVER_WAIT)
    try:
        _regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read(path: Path, most_bytes: int) -> bytes:
    """All of a file that has at most so many bytes. Raises OSError."""
    with open_to_read(path) as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes:,} bytes")
    return found


def _look(path: Path) -> os.stat_result | None:
    """What stands at the path, None where nothing does. Raises OSError for what is no regular file."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return None
    _regular(about)
    return about


def _make_private(descriptor: int) -> None:
    about = os.fstat(descriptor)
    _regular(about)
    if about.st_uid != os.geteuid():
        raise _refused(_another_user(about))
    if about.st_nlink != 1:
        raise _refused("has another name, too (a hard link)")
    if stat.S_IMODE(about.st_mode) != FILE_MODE:
        os.fchmod(descriptor, FILE_MODE)
        # Some file systems take no modes, and say nothing.
        if os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _refused("others may read it, and this file system can't prevent that")


def _regular(about: os.stat_result) -> None:
    if stat.S_ISLNK(about.st_mode):
        raise _refused("is a symbolic link, which is not followed")
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(about.st_mode):
        raise _refused("is not a regular file")


def _another_user(about: os.stat_result) -> str:
    return f"belongs to another user (uid {about.st_uid})"


def _refused(why: str) -> OSError:
    return PermissionError(errno.EPERM, why)
