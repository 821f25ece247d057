"""The journal's lines as signals: what was asked of whom, what the server said, and how it ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pgtop_conn.model.text import clean, one_line

Line = Mapping[str, object]

#: What of its `asked` line an entry shows, in the JSON's order.
SHOWN = (
    "action",
    "os_user",
    "client_host",
    "database_role",
    "server",
    "chosen_by",
    "reason",
    "pid",
    "backend_start",
    "role",
    "database",
    "app",
    "client",
    "state",
)
#: What two lines about the same signal have in common; the time tells one signal to a session from the next.
IDENTITY = ("os_user", "client_host", "server", "action", "pid", "backend_start")


@dataclass(slots=True)
class Entry:
    """One signal to one session; the answers are empty while they are not known."""

    asked: Line
    sent: Line = field(default_factory=dict)
    settled: Line = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """How it ended, as far as the journal knows; '' where not even the server's answer was written."""
        return _word(self.settled, "status") or _word(self.sent, "status")

    @property
    def asked_at(self) -> float | None:
        """When, by our own clock; None where the line's time can't be read."""
        return _instant(self.asked)

    @property
    def settled_at(self) -> float | None:
        """When its end was seen."""
        return _instant(self.settled)

    @property
    def slots_before(self) -> int | None:
        """Slots in use when it was asked; None where the line does not tell."""
        return _number(self.asked)

    @property
    def slots_after(self) -> int | None:
        """Slots in use when its end was seen."""
        return _number(self.settled)

    def word(self, name: str) -> str:
        """A field of what was asked, as clean text on one line; '' where it is missing."""
        return _word(self.asked, name)

    @property
    def told(self) -> str:
        """How it ended, in words."""
        return _told(self)

    @property
    def detail(self) -> str:
        return _word(self.settled, "detail") or _word(self.sent, "detail")

    def document(self) -> dict[str, object]:
        """As JSON: texts are cleaned, times are ISO 8601 in UTC, null is unknown."""
        start = {"asked_at": _word(self.asked, "at") or None, "settled_at": _word(self.settled, "at") or None}
        return {
            **start,
            **{name: _plain(self.asked.get(name)) for name in SHOWN},
            "outcome": self.outcome or None,
            "detail": self.detail or None,
        }

    def text(self) -> str:
        """One line."""
        asked = self.asked
        words = [
            _word(asked, "at")[:19].replace("T", " "),
            f"{_word(asked, 'os_user')}@{_word(asked, 'client_host')}",
            f"as {_word(asked, 'database_role') or '?'} on {_word(asked, 'server') or '?'}:",
            f"{_word(asked, 'action')} {_word(asked, 'pid')}",
            f"({', '.join(_word(asked, name) or '-' for name in ('role', 'app', 'client', 'state'))},",
            f"since {_word(asked, 'backend_start')[:19].replace('T', ' ') or '?'})",
            f"→ {_told(self)}",
        ]
        if chosen_by := _word(asked, "chosen_by"):
            words.append(f"[{chosen_by}]")
        if reason := _word(asked, "reason"):
            words.append(f"because: {reason}")
        return " ".join(words)


def read(lines: Iterable[str]) -> tuple[list[Entry], int]:
    """Entries in the order they were asked, and how many lines could not be understood.

    An answer belongs to the newest signal to the same session that still lacks it.
    """
    entries: list[Entry] = []
    newest: dict[tuple[str, ...], list[Entry]] = {}
    damaged = 0
    for text in lines:
        if not text.strip():
            continue
        line = _parsed(text)
        if line is None:
            damaged += 1
            continue
        key = tuple(_word(line, name) for name in IDENTITY)
        known = newest.setdefault(key, [])
        event = line["event"]
        if event == "asked":
            known.append(Entry(line))
            entries.append(known[-1])
        elif (waiting := next((one for one in reversed(known) if not _of(one, event)), None)) is not None:
            if event == "sent":
                waiting.sent = line
            else:
                waiting.settled = line
        else:
            damaged += 1
    return entries, damaged


def _of(entry: Entry, event: object) -> Line:
    return entry.sent if event == "sent" else entry.settled


def _parsed(text: str) -> Line | None:
    """A line of the journal; None where it is not one."""
    try:
        line = json.loads(text)
    # Nested too deep, or a number of too many digits: Python's own limits.
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or line.get("event") not in ("asked", "sent", "settled"):
        return None
    whole = isinstance(line.get("pid"), int) and isinstance(line.get("at"), str) and isinstance(line.get("action"), str)
    return line if whole else None


def _plain(value: object) -> object:
    """A value for the JSON: cleaned text, a number, or null."""
    if isinstance(value, str):
        return clean(value)
    return value if isinstance(value, int | float) else None


def _word(line: Line, name: str) -> str:
    """A field as clean text on one line; '' where it is missing or no simple value."""
    value = line.get(name)
    if isinstance(value, str):
        return clean(one_line(value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _told(entry: Entry) -> str:
    if not entry.sent:
        return "asked; no answer was written"
    if entry.outcome == "signalled":
        return "signalled; its end was not seen"
    return f"{entry.outcome}: {entry.detail}" if entry.detail else entry.outcome


def _number(line: Line) -> int | None:
    used = line.get("slots_used")
    return used if isinstance(used, int) and not isinstance(used, bool) else None


def _instant(line: Line) -> float | None:
    try:
        return datetime.fromisoformat(_word(line, "at")).timestamp()
    except ValueError:
        return None
