"""The journal's lines as signals: what was asked of whom, what the server said, and how it ended. Pure.

Lines are read one by one, and no more entries are held than may still get an answer: a journal may be of any size.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
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
#: What of an answer is kept.
_ANSWERED = ("at", "status", "detail", "slots_used")
#: How a line of ours begins. Inside a line its quotes would be escaped.
_BEGIN = '{"at": "'
#: Signals that may still get an answer; with more of them the oldest is given as it is.
MOST_OPEN = 50_000


@dataclass(slots=True)
class Damage:
    """How many lines could not be understood so far."""

    lines: int = 0


@dataclass(slots=True, eq=False)
class Entry:
    """One signal to one session; the answers are empty while they are not known."""

    asked: Line
    sent: Line = field(default_factory=dict)
    settled: Line = field(default_factory=dict)
    #: Whether the line that asked was lost; `asked` is the first answer then, which says of whom.
    question_lost: bool = False

    @property
    def is_over(self) -> bool:
        """Whether no further answer comes."""
        return bool(self.settled) or (bool(self.sent) and self.outcome != "signalled")

    @property
    def outcome(self) -> str:
        """How it ended, as far as the journal knows; '' where not even the server's answer was written."""
        return _word(self.settled, "status") or _word(self.sent, "status")

    @property
    def asked_at(self) -> float | None:
        """When, by our own clock, at the latest; None where the line's time can't be read."""
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
        asked_at = "" if self.question_lost else _word(self.asked, "at")
        start = {"asked_at": asked_at or None, "settled_at": _word(self.settled, "at") or None}
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
    damage = Damage()
    return list(entries(lines, damage)), damage.lines


def entries(lines: Iterable[str], damage: Damage) -> Iterator[Entry]:
    """The same one by one, each as soon as no answer to it can come any more; counts in `damage` meanwhile."""
    reading = _Reading(damage)
    for text in lines:
        reading.take(text)
        yield from reading.ready()
    yield from reading.waiting


def lines_since(lines: Iterable[str], since: str) -> Iterator[str]:
    """Those that may be of this time (ISO 8601, UTC) or later, without reading the others."""
    begin, end = len(_BEGIN), len(_BEGIN) + 19
    earliest = since[:19]
    return (line for line in lines if not line.startswith(_BEGIN) or line[begin:end] >= earliest)


class _Reading:
    """Entries that were not given yet, in the order they were asked."""

    def __init__(self, damage: Damage) -> None:
        self.waiting: deque[Entry] = deque()
        self._damage = damage
        self._newest: dict[tuple[str, ...], list[Entry]] = {}

    def take(self, text: str) -> None:
        """One line. Of two that a crash has joined, the second is good."""
        if not text.strip():
            return
        line = _parsed(text)
        if line is None:
            self._damage.lines += 1
            begin = text.rfind(_BEGIN, 1)
            line = _parsed(text[begin:]) if begin > 0 else None
        if line is not None:
            self._take(line)

    def ready(self) -> Iterator[Entry]:
        """Those that are over, and those that too many came after."""
        while self.waiting and (self.waiting[0].is_over or len(self.waiting) > MOST_OPEN):
            entry = self.waiting.popleft()
            key = _key(entry.asked)
            known = self._newest[key]
            known.remove(entry)
            if not known:
                del self._newest[key]
            yield entry

    def _take(self, line: Line) -> None:
        event = line["event"]
        known = self._newest.get(_key(line), ())
        if event == "asked":
            self._begin(Entry(line))
        elif (entry := next((one for one in reversed(known) if not _of(one, event)), None)) is not None:
            _answer(entry, line)
        elif self._damage.lines and _instant(line) is not None:
            # What was asked may have been in a line that is damaged.
            self._begin(Entry(line, question_lost=True))
            _answer(self.waiting[-1], line)
        else:
            self._damage.lines += 1

    def _begin(self, entry: Entry) -> None:
        self.waiting.append(entry)
        self._newest.setdefault(_key(entry.asked), []).append(entry)


def _key(line: Line) -> tuple[str, ...]:
    return tuple(_word(line, name) for name in IDENTITY)


def _answer(entry: Entry, line: Line) -> None:
    told = {name: line.get(name) for name in _ANSWERED}
    if line["event"] == "sent":
        entry.sent = told
    else:
        entry.settled = told


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
    if not (entry.sent or entry.settled):
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
    except (ValueError, OverflowError):
        return None
