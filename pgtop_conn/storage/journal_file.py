"""The journal's file: a line is appended whole behind whatever a crash has left, and lines are read as a stream.

A line that was torn off (a full disk, a crash) is damaged and stays; what is appended begins a line of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pgtop_conn import private_files

#: Bytes of a line. Ours are far shorter; what is longer was never a line, and is not held in memory.
LINE_MOST = 256 * 2**10


def append(path: Path, line: str) -> None:
    """Append one line. Raises OSError; part of the line may then be in the file."""
    private_files.make_folder(path.parent)
    descriptor = private_files.append(path)
    try:
        size = os.fstat(descriptor).st_size
        # Another process may be in the middle of its line: then there is an empty line, which nobody minds.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        text = f"\n{line}\n" if torn else f"{line}\n"
        left = memoryview(text.encode("utf-8", "replace"))
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def lines(path: Path) -> Iterator[str]:
    """Each line without its end; one that is too long comes as its first LINE_MOST bytes. Raises OSError.

    Whatever opening raises comes from the call itself.
    """
    return _lines(private_files.open_to_read(path))


def _lines(file: BinaryIO) -> Iterator[str]:
    with file:
        while piece := file.readline(LINE_MOST):
            yield piece.decode("utf-8", errors="replace").removesuffix("\n")
            while piece and not piece.endswith(b"\n"):
                piece = file.readline(LINE_MOST)
