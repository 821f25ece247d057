"""The server's log, newest bytes first: over SQL where our role may, otherwise from the files on the server's host.

Bounded whichever way: so many bytes, so many seconds. Nothing is opened but a regular file.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgtop_conn.model.errors import PollFailed
from pgtop_conn.model.facts import RefusedLogins, ServerSetting
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.connection.link import Rows
from pgtop_conn.postgres.facts.log_refusals import DAY_S, Clock, Piece, Prefix, Style, by_hour, first_time, refusals
from pgtop_conn.postgres.statements import statement

MOST_BYTES = 32 * 2**20
MOST_S = 5.0
#: Bytes of one statement: it begins small, and grows while the answers come quickly.
_FIRST_CHUNK, _SMALLEST_CHUNK, _LARGEST_CHUNK = 2**17, 2**14, 2**20
_QUICK_S, _SLOW_S = 0.1, 0.5

_NO_FILE = "the server's log folder holds no file of the last 24 hours"

Ask = Callable[..., Awaitable[Rows]]
Settings = Mapping[str, ServerSetting]


@dataclass(frozen=True, slots=True)
class Logs:
    """What was read, newest file first; `whole` when nothing of the last 24 hours was left out."""

    pieces: tuple[Piece, ...]
    whole: bool
    #: For the user: how it was read.
    source: str


class NoLog(Exception):
    """It can't be read this way; the message says why, in words for the user."""


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    size: int
    modified: float


def _chosen(files: Sequence[_File], settings: Settings) -> list[_File]:
    """Newest first, of the one style that tells most: the same message may be in files of several."""
    written = _value(settings, "log_destination")
    style = next((style for style in (Style.JSON, Style.CSV) if style in written), Style.STDERR)
    chosen = [file for file in files if Style.of(file.name) is style]
    return sorted(chosen, key=lambda file: file.modified, reverse=True)


def _value(settings: Settings, name: str) -> str:
    setting = settings.get(name)
    return setting.value if setting is not None else ""


def why_never_logged(settings: Settings) -> str:
    """Why no log of this server holds what is looked for; empty when one may."""
    if _value(settings, "log_min_messages") == "panic":
        return "log_min_messages is panic: the server logs no refused login"
    written = {word.strip().lower() for word in _value(settings, "log_destination").split(",")}
    if written and not written & set(Style):
        return f"the server logs to {' and '.join(sorted(written))} alone"
    if written & {Style.CSV, Style.JSON} or Prefix(_value(settings, "log_line_prefix")).timed:
        return ""
    return "log_line_prefix has no time in it (%m, %t or %n)"


async def logs_over_sql(ask: Ask, settings: Settings, at: float, role: str, database: str) -> Logs:
    """Through the one connection. Raises NoLog; SourceLost is the caller's."""
    if _value(settings, "logging_collector") != "on":
        raise NoLog("logging_collector is off, so SQL cannot know what the server logs")
    try:
        rows = await ask(statement("facts_log_files"), at - DAY_S)
        names = [(row["name"].decode(), row["size"], row["modified"]) for row in rows if row["name"].isascii()]
        files = _chosen([_File(*one) for one in names], settings)
        pieces, whole = await _pieces_over_sql(ask, files)
    except PollFailed as error:
        raise NoLog(
            f"SQL cannot know: the server log could not be read ({error}). A superuser lets our role read it with "
            f"GRANT pg_monitor TO {role}; and, in the database {database}, GRANT EXECUTE ON FUNCTION "
            f"pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO {role};"
        ) from None
    if not files:
        raise NoLog(_NO_FILE)
    return Logs(tuple(pieces), whole, "read over SQL")


async def _pieces_over_sql(ask: Ask, files: Sequence[_File]) -> tuple[list[Piece], bool]:
    pieces, left, ends, chunk = list[Piece](), MOST_BYTES, time.monotonic() + MOST_S, _FIRST_CHUNK
    for file in files:
        end, parts = file.size, list[bytes]()
        while end > 0 and left > 0 and time.monotonic() < ends:
            size = min(chunk, end, left)
            began = time.monotonic()
            (row,) = await ask(statement("facts_log_chunk"), file.name, end - size, size)
            took = time.monotonic() - began
            if row["bytes"] is None:
                break
            parts.append(row["bytes"])
            end, left = end - size, left - size
            if took < _QUICK_S:
                chunk = min(chunk * 2, _LARGEST_CHUNK)
            elif took > _SLOW_S:
                chunk = max(chunk // 2, _SMALLEST_CHUNK)
        if parts:
            pieces.append(Piece(file.name, Style.of(file.name), b"".join(reversed(parts)), cut=end > 0))
        if end > 0 and (left <= 0 or time.monotonic() >= ends):
            return pieces, False
    return pieces, True


def _open_regular(path: Path | str, *, follow: bool = False) -> int:
    """A descriptor of a regular file; opening a pipe or a device could wait for ever. Raises OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    if not stat.S_ISREG(os.stat(path, follow_symlinks=follow).st_mode):  # noqa: PTH116  a descriptor in /proc
        raise OSError("not a regular file")
    handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("not a regular file")
    return handle


def _tail(handle: int, most: int, deadline: float) -> tuple[bytes, bool]:
    """The last bytes of an open file, read from its end backwards, and whether its beginning was left out."""
    end, parts = os.fstat(handle).st_size, list[bytes]()
    while end > 0 and most > 0 and time.monotonic() < deadline:
        size = min(_LARGEST_CHUNK, end, most)
        parts.append(os.pread(handle, size, end - size))
        end, most = end - size, most - size
    return b"".join(reversed(parts)), end > 0


def logs_on_host(postmaster: int, settings: Settings, at: float) -> Logs:
    """The files themselves, seen through the server's first process. Blocks, bounded. Raises NoLog."""
    process = Path(f"/proc/{postmaster}")
    try:
        if _value(settings, "logging_collector") == "on":
            return _collected(process, settings, at)
        return _standard_error(process)
    except PermissionError:
        raise NoLog("the server's log on this host can be read by the server's user and by root alone") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise NoLog(f"the server's log on this host could not be read ({clean(reason)})") from None


def _standard_error(process: Path) -> Logs:
    """As `pg_ctl -l` leaves it."""
    path = process / "fd" / "2"
    try:
        handle = _open_regular(path, follow=True)
    except PermissionError:
        raise
    except OSError:
        raise NoLog("the server logs to a pipe, a terminal or the journal, which is not looked into") from None
    try:
        data, cut = _tail(handle, MOST_BYTES, time.monotonic() + MOST_S)
    finally:
        os.close(handle)
    return Logs((Piece("stderr", Style.STDERR, data, cut=cut),), not cut, "read from its file on this host")


def _collected(process: Path, settings: Settings, at: float) -> Logs:
    """The collector's folder; a relative one lies in the data directory, where the postmaster stands."""
    folder = _log_folder(process / "cwd", settings)
    files, pieces, whole = list[_File](), list[Piece](), True
    for entry in os.scandir(folder):
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_mtime >= at - DAY_S:
            files.append(_File(entry.name, found.st_size, found.st_mtime))
    left, deadline = MOST_BYTES, time.monotonic() + MOST_S
    for file in _chosen(files, settings):
        try:
            handle = _open_regular(folder / file.name)
        except FileNotFoundError:
            continue
        try:
            data, cut = _tail(handle, left, deadline)
        finally:
            os.close(handle)
        left -= len(data)
        whole = whole and not cut
        if data:
            pieces.append(Piece(file.name, Style.of(file.name), data, cut=cut))
        if cut:
            break
    if not files:
        raise NoLog(_NO_FILE)
    return Logs(tuple(pieces), whole, "read from its files on this host")


def _log_folder(data_directory: Path, settings: Settings) -> Path:
    told = _value(settings, "log_directory")
    if told:
        return data_directory / told
    # Hidden from our role: the server also leaves the names of its current files, as "stderr log/…".
    for line in (data_directory / "current_logfiles").read_text("utf-8", "replace").splitlines():
        if path := line.partition(" ")[2]:
            return (data_directory / path).parent
    raise NoLog("log_directory is hidden from our role")


async def count_refusals(
    logs: Logs, settings: Settings, clock: Clock, at: float
) -> tuple[tuple[RefusedLogins, ...], float | None]:
    """Refused logins of the last 24 hours by hour and kind, and since when (epoch) these counts are whole."""
    return await asyncio.to_thread(_count, logs, Prefix(_value(settings, "log_line_prefix")), clock, at)


def _count(logs: Logs, prefix: Prefix, clock: Clock, at: float) -> tuple[tuple[RefusedLogins, ...], float | None]:
    found = (one for piece in logs.pieces for one in refusals(piece, prefix))
    counted = by_hour(found, clock, at)
    begins = first_time(logs.pieces[-1], clock, prefix) if logs.pieces else None
    return counted, begins if begins is None else max(begins, at - DAY_S)
