"""clean(): the one border that text from a server or a user crosses before it may be drawn or stored."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Anything outside the blocks that are printable throughout: looked for first, because nearly every text has none.
_SUSPECT = re.compile(
    r"[^\x20-\x7e\xa1-\xac\xae-\u02ff\u03a3-\u0481\u048a-\u052f\u3041-\u3096\u309d-\u30ff\u4e00-\u9fff\uac00-\ud7a3]+"
)
#: The same, where newline and tab may stay.
_SUSPECT_IN_QUERY = re.compile(_SUSPECT.pattern.replace(r"[^", r"[^\n\t"))
#: Characters that hide or join without a width of their own; they move columns and forge names.
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: The same, where Unicode files them under letters and marks: fillers, blank braille, variation selectors.
_INVISIBLE = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    """A drawable stand-in for a character that must not reach a terminal."""
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0x80 <= code < 0xA0 or unicodedata.category(char) in _INVISIBLE_CATEGORIES or _INVISIBLE.match(char):
        return "�"
    return char


def _replace(match: re.Match[str]) -> str:
    return "".join(map(_visible, match.group()))


def clean(text: str) -> str:
    """Text from outside, made harmless for a terminal on one line.

    C0 controls become their Unicode pictures (ESC becomes ␛, newline ␊), C1, zero-width, bidirectional,
    private-use and unassigned characters become U+FFFD. The number of characters never changes.
    Idempotent. What a server lets through is measured: query texts, role and database names arrive raw.
    """
    # Nearly all there is: a tenth of the time that the pattern takes.
    if text.isascii() and text.isprintable():
        return text
    return _SUSPECT.sub(_replace, text)


def clean_query(text: str) -> str:
    """Like clean(), but newline and tab are kept: a query is shown whole in the detail pane.

    Anything drawn on one line goes through one_line() afterwards.
    """
    return _SUSPECT_IN_QUERY.sub(_replace, text)


def one_line(text: str) -> str:
    """Runs of white space as one space: how a multi-line query is shown in a table."""
    return " ".join(text.split())


#: Characters of a query that a line is made of. PostgreSQL gives up to 1 MiB (track_activity_query_size).
LINE_CHARACTERS = 4000


def beginning(text: str, most: int = LINE_CHARACTERS) -> str:
    """one_line() of the first `most` characters, with an ellipsis where there are more.

    >>> beginning("SELECT  1"), beginning("SELECT  1", 6)
    ('SELECT 1', 'SELECT…')
    """
    return one_line(text) if len(text) <= most else f"{one_line(text[:most])}…"


def decode(raw: bytes) -> str:
    """Bytes of any encoding as text; what is not UTF-8 shows as U+FFFD instead of failing the refresh."""
    return raw.decode("utf-8", errors="replace")
