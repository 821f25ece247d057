"""What a running query text does that is a pity to lose: definitions, maintenance, copies. Add a word: a line in WORDS.

A text may hold several statements, and is looked through in time proportional to its length. Where it can be read in
two ways, the one that asks is taken. INSERT, UPDATE, DELETE and MERGE need no word: their transaction has an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from pgtop_conn.model.lazy_regex import later

#: Statements that begin with one of these.
WORDS = frozenset(
    (
        *("ALTER", "ANALYSE", "ANALYZE", "CALL", "CHECKPOINT", "CLUSTER", "COMMENT", "COPY", "CREATE", "DO", "DROP"),
        *("GRANT", "IMPORT", "LOCK", "REASSIGN", "REFRESH", "REINDEX", "REPACK", "REVOKE", "SECURITY", "TRUNCATE"),
        "VACUUM",
    )
)
#: Behind EXPLAIN: what is executed by EXPLAIN ANALYZE and is no query.
_EXPLAINED = frozenset(("CREATE", "REFRESH"))
#: A statement that begins otherwise and holds INTO makes a table.
_HAVE_INTO = frozenset(("INSERT", "MERGE"))
_MAYBE = later(rf"\b(?:{'|'.join(sorted(WORDS))}|INTO)\b", re.IGNORECASE)

# Atomic and possessive: nothing here may be tried a second time. Carriage returns arrive as their picture.
_PARTS = r"""
    (?P<word>[^\W\d][\w$]*+) | (?P<end>;) | (?P<comment>/\*) | (?P<dollar>\$(?:[^\W\d]\w*+)?\$)
    | --[^\n\r␍]*+ | "[^"]*+"? | \d\w*+ | \s++ | .
"""
_ESCAPED = r"'(?>[^'\\]|\\.|'')*+'?"
_TOKEN = later(rf"[eE]{_ESCAPED} | '[^']*+'? | {_PARTS}", re.DOTALL | re.VERBOSE)
#: With standard_conforming_strings off a backslash protects a quote in every string.
_TOKEN_ESCAPED = later(rf"[eE]?{_ESCAPED} | {_PARTS}", re.DOTALL | re.VERBOSE)
_COMMENT = later(r"/\*|\*/")


def busy_with(query: str) -> str | None:
    """The word for it, None for an ordinary query.

    >>> busy_with("BEGIN; /* a /* b */ c */ create index on t (a)"), busy_with("SELECT 'x; VACUUM'")
    ('CREATE', None)
    """
    if not _MAYBE.search(query):
        return None
    return _first(statements(query))


def is_readable(query: str) -> bool:
    """Whether the text tells what is run: it does not where it is empty, or cut off in a comment at its beginning."""
    return query.lstrip()[:1].isalpha() or any(statements(query))


def statements(query: str) -> Iterator[list[str]]:
    """The words of each statement, in capitals; those of both ways to read the text, where there are two."""
    tokens = [_TOKEN] if "\\'" not in query else [_TOKEN, _TOKEN_ESCAPED]
    return chain.from_iterable(_statements(query, token) for token in tokens)


def _first(found: Iterator[list[str]]) -> str | None:
    for words in found:
        if words[0] in WORDS:
            return words[0]
        if words[0] == "EXPLAIN" and not _EXPLAINED.isdisjoint(words):
            return "EXPLAIN"
        if words[0] not in _HAVE_INTO and "INTO" in words:
            return "SELECT INTO"
    return None


def _statements(query: str, token: re.Pattern[str]) -> Iterator[list[str]]:
    """The words of each statement, in capitals, without what stands in comments and strings."""
    words: list[str] = []
    position = 0
    while position < len(query):
        match = token.match(query, position)
        assert match is not None
        position = match.end()
        if match["word"]:
            words.append(match["word"].upper())
        elif match["comment"]:
            position = _end_of_comment(query, position)
        elif match["dollar"]:
            end = query.find(match["dollar"], position)
            position = len(query) if end < 0 else end + len(match["dollar"])
        elif match["end"] and words:
            yield words
            words = []
    if words:
        yield words


def _end_of_comment(query: str, position: int) -> int:
    """Comments nest."""
    depth = 1
    for match in _COMMENT.finditer(query, position):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    return len(query)
