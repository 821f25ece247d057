"""masked() and shape(): a query text without its literals, and what is alike in the texts of one code path.

Texts come from anyone, cut anywhere, and are read in time proportional to their length. Where a text can be read in
two ways, everything up to the place where both agree again is masked: rather too much than a literal too many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from sys import intern

from pgtop_conn.model.lazy_regex import later
from pgtop_conn.model.redaction.secret_words import HIGH, MASK, may_hold_secret, without_secrets
from pgtop_conn.model.text import one_line

_HIGH = HIGH
#: Other blanks are letters to the server: without them, what they stand before would be read as something else.
_BLANKS = " \t\n\r\f\v"
_START, _PART = rf"[A-Za-z_{_HIGH}]", rf"[A-Za-z0-9_{_HIGH}]"
_TAG = rf"\$(?:{_START}{_PART}*+)?\$"
_PREFIXED = r"(?:[eEbBxXnN]|[uU]&)'"
_BREAK = r"[\n\r␍]"
_ESCAPED = r"'(?:[^'\\]++|\\.|'')*+(?:'|\\?\Z)"
#: A string goes on behind a line break, with or without a comment; its escapes go on, too.
_GOES_ON = rf"(?:[^\S\n\r]++|--[^\n\r␍]*+)*+{_BREAK}(?:[\s␍␌␋]++|--[^\n\r␍]*+)*+(?=')"

# Possessive throughout: nothing here may be tried a second time.
_PLAIN = r"'(?:[^']++|'')*+(?:'|\Z)"
_TOKEN = r"""
    (?P<kept> (?: (?!{prefixed}){start}[A-Za-z0-9_${high}]*+ | \$[0-9]{{1,5}}+(?![0-9]) | "[^"]*+"
                | [^A-Za-z0-9_{high}"'$/.-] | -(?!-) | /(?!\*) | \.(?![0-9])
                | \$(?!(?:{start}{part}*+)?\$)(?![0-9]) )++ )
  | (?P<comment>/\*) | (?P<line>--[^\n\r␍]*+) | (?P<dollar>{tag})
  | (?P<literal> [eE]{escaped}(?:{goes_on}{escaped})*+ | (?:[bBxXnN]|[uU]&)?{plain} | "[^"]*+\Z
               | (?:[0-9]|\.[0-9]){part}*+(?:\.{part}*+)?+(?:(?<=[eE])[+-][0-9]++)?+ | \$(?=[0-9]) )
"""


def _reading(plain: str) -> re.Pattern[str]:
    text = _TOKEN.format(
        start=_START,
        part=_PART,
        high=_HIGH,
        tag=_TAG,
        prefixed=_PREFIXED,
        escaped=_ESCAPED,
        goes_on=_GOES_ON,
        plain=plain,
    )
    return later(text, re.VERBOSE | re.DOTALL)


_STANDARD = _reading(_PLAIN)
#: With standard_conforming_strings off a backslash protects a quote in every string.
_BACKSLASHES = _reading(_ESCAPED)

_COMMENT = later(r"/\*|\*/")

_ITEM = r"\s*+(?:[-+]\s*+)?+(?:\?|\$[0-9]++|(?:NULL|TRUE|FALSE|DEFAULT)\b)(?:::[\w.]++)?+\s*+"
_ROW = rf"\({_ITEM}(?:,{_ITEM})*+(?:,\s*+)?+(?:\)|\Z)"
_ROWS = later(rf"{_ROW}(?:\s*+,\s*+{_ROW})*+(?:\s*+,\s*+\(?+\s*+\Z)?+", re.IGNORECASE)
_ARRAY = later(rf"(\bARRAY\s*+)\[{_ITEM}(?:,{_ITEM})*+(?:,\s*+)?+(?:\]|\Z)", re.IGNORECASE)
_PARAMETER = later(rf"(?<![A-Za-z0-9_${_HIGH}])\$[0-9]++")

#: Longer texts are not remembered: a server may be told to keep a megabyte of each.
_REMEMBERED = 8192


def masked(query: str) -> str:
    """The text with `?` for every literal and without comments; names, parameters and white space stay.

    >>> masked("SELECT \\"a'b\\" FROM t WHERE id = 12 AND name = 'O''Hara' AND x = $1 -- why")
    'SELECT "a\\'b" FROM t WHERE id = ? AND name = ? AND x = $1'
    """
    return _remembered_mask(query) if len(query) <= _REMEMBERED else _masked(query)


def shape(query: str) -> str:
    """One line that is the same for statements of one code path: masked, lists and rows of any length as `(?)`.

    >>> shape("SELECT a\\n  FROM t WHERE id IN (1, 2,3)") == shape("SELECT a FROM t WHERE id IN ($1)")
    True
    """
    return _remembered_shape(query) if len(query) <= _REMEMBERED else _shape(query)


def shown(query: str, *, redact: bool) -> str:
    """A query for people: masked, or as it is unless it may hold a secret."""
    return masked(query) if redact or may_hold_secret(query) else query


def _shape(query: str) -> str:
    text = _PARAMETER.sub(MASK, one_line(_masked(query)))
    # Most texts have the shape of others.
    return intern(_ROWS.sub(f"({MASK})", _ARRAY.sub(rf"\1[{MASK}]", text)))


def _masked(query: str) -> str:
    pieces = _agreed(query) if "\\'" in query else _pieces(query, _STANDARD)
    return without_secrets("".join(text for _end, text in pieces).strip(_BLANKS))


_remembered_mask = lru_cache(maxsize=256)(_masked)
_remembered_shape = lru_cache(maxsize=4096)(_shape)


def _pieces(query: str, reading: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Where each part of the text ends, and what it is shown as."""
    position = 0
    while position < len(query):
        match = reading.match(query, position)
        assert match is not None, query[position]
        position = match.end()
        shown = MASK
        if match["kept"]:
            shown = match["kept"]
        elif match["line"]:
            shown = ""
        elif match["comment"]:
            position, shown = _end_of_comment(query, position), " "
        elif match["dollar"]:
            end = query.find(match["dollar"], position)
            position = len(query) if end < 0 else end + len(match["dollar"])
        yield position, shown


def _agreed(query: str) -> Iterator[tuple[int, str]]:
    """The pieces that both readings of backslashes have; between those one mask."""
    theirs = iter(_pieces(query, _BACKSLASHES))
    other, disputed = next(theirs), False
    for piece in _pieces(query, _STANDARD):
        while other[0] < piece[0]:
            other, disputed = next(theirs), True
        if other[0] > piece[0]:
            disputed = True
            continue
        yield (piece[0], MASK) if disputed or other[1] != piece[1] else piece
        disputed = False
        other = next(theirs, other)


def _end_of_comment(query: str, position: int) -> int:
    """Comments nest."""
    depth = 1
    for match in _COMMENT.finditer(query, position):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    return len(query)
