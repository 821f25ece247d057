"""Bytes of a server log -> refused logins (SQLSTATE 53300). No I/O; linear time; no bytes whatever make it fail.

What a client may write into a log counts for nothing: in stderr format its text stands on lines that begin with a tab,
or behind a second severity; in csvlog inside of quotes; in jsonlog escaped.
"""

from __future__ import annotations

import calendar
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgtop_conn.model.facts import OTHER_REFUSAL, REFUSALS, RefusedLogins
from pgtop_conn.model.lazy_regex import later

DAY_S = 86400.0
HOUR_S = 3600.0
QUARTER_S = 900.0
_CODE = "53300"
#: The longest record of a refusal that is looked at; its longest parts are names of at most 63 bytes.
_LONGEST = 10_000
#: How much of a file that begins in the middle is tried when it is asked whether that is inside of quotes.
_TRIED = 4 * 2**20

_SEVERITIES = tuple(
    re.findall(
        r"\w+",
        "DEBUG DEBUG1 DEBUG2 DEBUG3 DEBUG4 DEBUG5 LOG INFO NOTICE WARNING ERROR FATAL PANIC "
        "DETAIL HINT QUERY CONTEXT STATEMENT LOCATION BACKTRACE",
    )
)
_SEVERITY = later(rb"\b(" + "|".join(_SEVERITIES).encode() + rb"):  ")
_CANDIDATE = later(rb"FATAL:  |53300")
_STAMP = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})? (?:[A-Za-z]{1,12}|[+-]\d\d(?::?\d\d)?)"
_TIME = later(_STAMP + rb"|\b\d{9,11}\.\d{3}\b")
_STAMPED = later(_STAMP)
_PARTS = later(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.\d+)?(?: (\S+))?")
_NUMERIC_ZONE = later(r"([+-])(\d\d)(?::?(\d\d))?")
_JSON_CODE = b'"state_code":"53300"'
#: A record of a csvlog with its newline: a doubled quote is the end of one quoted part and the start of the next.
_RECORD = later(rb'(?:[^"\n]++|"[^"]*+(?:"|\Z))*+(?:\n|\Z)')


class Style(StrEnum):
    """How a file of the log is written."""

    STDERR = "stderr"
    CSV = "csvlog"
    JSON = "jsonlog"

    @classmethod
    def of(cls, name: str) -> Style:
        """By the file's name, as the server makes them."""
        return cls.CSV if name.endswith(".csv") else cls.JSON if name.endswith(".json") else cls.STDERR


@dataclass(frozen=True, slots=True)
class Piece:
    """The end of a log file, or all of it; `cut` where its beginning was left out."""

    name: str
    style: Style
    data: bytes
    cut: bool = False


class Clock:
    """Times in a log -> epoch seconds. `ahead`: (quarter of an hour, how far log_timezone was ahead of UTC in it)."""

    def __init__(self, ahead: Sequence[tuple[float, float]] = ()) -> None:
        self._ahead = ahead

    def epoch(self, text: str) -> float | None:
        """None for what is no time. Zones that say their offset are taken at their word, others are log_timezone."""
        parts = _PARTS.fullmatch(text)
        try:
            if parts is None:
                return float(text) if re.fullmatch(r"\d{9,11}\.\d{3}", text) else None
            year, month, day, hour, minute, second = map(int, parts.groups()[:6])
            local = float(calendar.timegm((year, month, day, hour, minute, second)))
        except (ValueError, OverflowError):
            return None
        zone = parts[7] or "UTC"
        if zone in ("UTC", "GMT", "Z"):
            return local
        if numeric := _NUMERIC_ZONE.fullmatch(zone):
            seconds = int(numeric[2]) * 3600 + int(numeric[3] or 0) * 60
            return local - seconds if numeric[1] == "+" else local + seconds
        return self._utc(local)

    def _utc(self, local: float) -> float:
        """Of the hour that the end of summer time repeats, the first is taken."""
        every = {ahead_s for _, ahead_s in self._ahead} or {0.0}
        if len(every) > 1:
            fits = {ahead_s for since, ahead_s in self._ahead if since <= local - ahead_s < since + QUARTER_S}
            every = fits or {self._ahead[-1][1]}
        return local - max(every)


class Prefix:
    """What log_line_prefix puts before the severity: where the time and the SQLSTATE are in it."""

    _DIGITS = rb"-?\d*+"
    _FIXED = {  # noqa: RUF012  read only
        "p": _DIGITS,
        "P": _DIGITS,
        "l": _DIGITS,
        "x": _DIGITS,
        "Q": _DIGITS,
        "c": rb"[0-9a-f.]*+",
        "v": rb"[-\d/]*+",
        "s": _STAMP,
        "q": rb"",
        "%": rb"%",
    }
    _TIMES = {"t": _STAMP, "m": _STAMP, "n": rb"\d+\.\d{3}"}  # noqa: RUF012  read only

    def __init__(self, text: str) -> None:
        self.timed = False
        self._has_code = False
        self._time_is_fixed = False
        pattern, fixed, at = b"", True, 0
        for escape in re.finditer(r"%(-?\d*)([A-Za-z%])", text):
            literal, letter = re.escape(text[at : escape.start()].encode()), escape[2]
            at = escape.end()
            known = self._piece(letter, fixed)
            fixed = fixed and known is not None
            if fixed:
                pad = rb" *+" if escape[1] else b""
                pattern += literal + pad + (known or b"") + (pad if escape[1].startswith("-") else b"")
        self._pattern = re.compile(pattern)

    def _piece(self, letter: str, fixed: bool) -> bytes | None:
        """The pattern of one escape; None for what a client chooses, behind which nothing has a place of its own."""
        if letter in self._TIMES:
            first, self.timed = not self.timed, True
            self._time_is_fixed = self._time_is_fixed or (first and fixed)
            return (rb"(?P<time>" if first else rb"(?:") + self._TIMES[letter] + rb")"
        if letter == "e":
            first, self._has_code = not self._has_code, True
            return (rb"(?P<code>" if first else rb"(?:") + rb"[0-9A-Z]{5})"
        return self._FIXED.get(letter)

    def time(self, head: bytes) -> str | None:
        """The time in what stands before the severity; None where no line of the log begins like this."""
        if not self._time_is_fixed:
            found = _TIME.findall(head)
            return found[-1].decode() if found else None
        match = self._pattern.match(head) or _STAMPED.match(head)
        if match is None:
            return None
        return (match.group("time") if match.re is self._pattern else match.group()).decode()

    def says_code(self, head: bytes) -> bool:
        """Whether the SQLSTATE of a refusal is at its place in the prefix."""
        match = self._pattern.match(head) if self._has_code else None
        if match is not None and "code" in match.re.groupindex:
            return match["code"] == _CODE.encode()
        return self._has_code and re.search(rb"(?<!\w)53300(?!\w)", head) is not None


def _kind(text: str, *, coded: bool) -> str | None:
    """The kind of a refusal by the beginning of its text; in another language it is known by its code alone."""
    for kind, beginning in REFUSALS.items():
        if text.startswith(beginning):
            return kind
    return OTHER_REFUSAL if coded else None


def _stderr_line(line: bytes, prefix: Prefix) -> tuple[str, str] | None:
    if line.startswith(b"\t"):
        return None
    severities = _SEVERITY.finditer(line)
    first, second = next(severities, None), next(severities, None)
    if first is None:
        head, mark, _ = line.partition(b":  ")
        time = prefix.time(head) if mark and prefix.says_code(head) else None
        return (time, OTHER_REFUSAL) if time is not None else None
    # Two of them: a name in the prefix, or in the message, passes itself off as the beginning of a message.
    if first[1] != b"FATAL" or second is not None:
        return None
    head, text = line[: first.start()], line[first.end() :].decode("utf-8", errors="replace")
    verbose = text.startswith(f"{_CODE}: ")
    kind = _kind(text.removeprefix(f"{_CODE}: "), coded=verbose or prefix.says_code(head))
    time = prefix.time(head) if kind is not None else None
    return (time, kind) if time is not None and kind is not None else None


def _stderr(data: bytes, prefix: Prefix) -> Iterator[tuple[str, str]]:
    begin = 0
    while match := _CANDIDATE.search(data, begin):
        start = data.rfind(b"\n", begin, match.start()) + 1 or begin
        end = data.find(b"\n", match.end())
        end = len(data) if end < 0 else end
        # A file that begins in the middle begins with the rest of a line, which is not known to be one.
        if end - start <= _LONGEST and (found := _stderr_line(data[start:end].rstrip(b"\r"), prefix)):
            yield found
        begin = end + 1


def _coded(severity: object, code: object, message: object) -> str | None:
    if not isinstance(severity, str) or not isinstance(message, str) or code != _CODE:
        return None
    # The word is translated; an English one tells that a statement, not a login, was refused.
    return _kind(message, coded=True) if severity == "FATAL" or severity not in _SEVERITIES else None


def _csvlog(data: bytes) -> Iterator[tuple[str, str]]:
    for match in _RECORD.finditer(data):
        start, end = match.span()
        if end - start > _LONGEST or data.find(b",53300,", start, end) < 0:
            continue
        try:
            row = next(csv.reader(io.StringIO(match.group().decode("utf-8", errors="replace"), newline="")), [])
        except csv.Error:
            continue
        if len(row) > 13 and (kind := _coded(row[11], row[12], row[13])):
            yield row[0], kind


def _jsonlog(data: bytes) -> Iterator[tuple[str, str]]:
    begin = 0
    while (at := data.find(_JSON_CODE, begin)) >= 0:
        start = data.rfind(b"\n", begin, at) + 1 or begin
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        begin = end + 1
        if end - start > _LONGEST:
            continue
        try:
            row = json.loads(data[start:end].decode("utf-8", errors="replace"))
        except (ValueError, RecursionError):
            continue
        if not isinstance(row, dict):
            continue
        kind = _coded(row.get("error_severity"), row.get("state_code"), row.get("message"))
        if kind is not None and isinstance(row.get("timestamp"), str):
            yield row["timestamp"], kind


def _whole_records(data: bytes) -> bytes:
    """The end of a csvlog from its first whole record on; begun inside of quotes if more records look right then."""

    def right(text: bytes) -> float:
        begun = [match.start() for match in _RECORD.finditer(text[:_TRIED])][1:-1]
        return sum(_STAMPED.match(text, start) is not None for start in begun) / len(begun) if begun else 0.0

    inside = b'"' + data
    chosen = inside if right(inside) > right(data) else data
    first = _RECORD.match(chosen)
    return chosen[first.end() :] if first is not None else b""


def refusals(piece: Piece, prefix: Prefix) -> Iterator[tuple[str, str]]:
    """(time as written, kind) of each refused login in this piece."""
    data = piece.data
    if piece.style is Style.CSV:
        return _csvlog(_whole_records(data) if piece.cut else data)
    if piece.cut:
        data = data[data.find(b"\n") + 1 :]
    return _jsonlog(data) if piece.style is Style.JSON else _stderr(data, prefix)


def first_time(piece: Piece, clock: Clock, prefix: Prefix) -> float | None:
    """When the earliest message of a piece was written (epoch), as its first kilobytes tell."""
    for line in piece.data[: 2**16].split(b"\n")[piece.cut :]:
        if piece.style is Style.STDERR:
            head = _SEVERITY.search(line)
            text = prefix.time(line[: head.start()]) if head and not line.startswith(b"\t") else None
        else:
            stamp = _STAMPED.match(line.removeprefix(b'{"timestamp":"'))
            text = stamp.group().decode() if stamp else None
        if text is not None and (epoch := clock.epoch(text)) is not None:
            return epoch
    return None


def by_hour(found: Iterable[tuple[str, str]], clock: Clock, at: float) -> tuple[RefusedLogins, ...]:
    """Counted by hour and kind, those of the 24 hours before `at` (epoch, server time)."""
    # By the minute first: in a storm there are many thousands of each.
    minutes = Counter((_minute(text), kind) for text, kind in found)
    counts: Counter[tuple[float, str]] = Counter()
    for (text, kind), count in minutes.items():
        epoch = clock.epoch(text)
        if epoch is not None and at - DAY_S - 60 < epoch <= at + 60:
            counts[epoch // HOUR_S * HOUR_S, kind] += count
    return tuple(RefusedLogins(hour, kind, count) for (hour, kind), count in sorted(counts.items()))


def _minute(text: str) -> str:
    if text[4:5] == "-":
        return f"{text[:17]}00 {text.rpartition(' ')[2]}"
    return f"{text[:-6]}00.000"
