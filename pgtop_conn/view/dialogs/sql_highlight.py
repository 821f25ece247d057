"""SQL in a few styles, for reading: keywords, literals and comments. No parser, and linear in its length.

What is cut off, as PostgreSQL cuts long queries, goes on to the end of the text. Add a keyword: a word in _WORDS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pgtop_conn.model.lazy_regex import later
from pgtop_conn.view.table.columns import Cell

KEYWORD, LITERAL, COMMENT, PLAIN = "keyword", "literal", "comment", "query"

_WORDS = """
    abort access add all alter analyze and any array as asc attach authorization begin between both by call cascade case
    cast check close cluster collate column comment commit concurrently conflict constraint copy create cross current
    cursor database deallocate declare default deferrable delete desc detach discard distinct do drop else end escape
    except exclude execute exists explain extension fetch filter first following for foreign from full function grant
    group grouping having if ilike in index inner insert instead intersect into is isnull isolation join key language
    last lateral leading left level like limit listen local lock locked materialized merge move natural next no not
    nothing notify notnull nowait null nulls of offset on only or order ordinality outer over overlaps partition
    preceding prepare primary procedure range recursive references refresh reindex release rename replace reset
    restrict returning returns revoke right role rollback rollup row rows savepoint schema select sequence session set
    share show similar skip some start statement table tablesample temporary then to trailing transaction trigger
    truncate unbounded union unique unlisten update using vacuum values variadic view when where window with within
    work write true false read off
"""
_KEYWORDS = frozenset(_WORDS.split())

#: Every alternative that can be left open ends at the end of the text, so that none is tried from the same place twice.
_TOKEN = later(
    r"""
      (?P<line> --[^\n]*+ )
    | (?P<block> /\* )
    | (?P<escaped> \b[eE]'(?:[^'\\]|\\.|'')*+(?:'|\\?\Z) )
    | (?P<string> '[^']*+(?:'|\Z) )
    | (?P<name> "[^"]*+(?:"|\Z) )
    | (?P<dollar> (?<![\w$])\$(?P<tag>(?:[^\W\d]\w{0,62})?)\$ )
    | (?P<number> (?<![\w$])(?:\d[\w.]*+|\$\d+) )
    | (?P<word> [^\W\d][\w$]*+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_NESTING = later(r"/\*|\*/")


@lru_cache(maxsize=4)
def lines(text: str) -> tuple[tuple[Cell, ...], ...]:
    """The lines of a query; put together, their cells are the text as it is, tabs as blanks."""
    found: list[list[Cell]] = [[]]
    for piece, style in _pieces("\n".join(line.expandtabs(4) for line in text.split("\n"))):
        first, *others = piece.split("\n")
        if first:
            found[-1].append(Cell(first, style))
        found.extend([Cell(line, style)] if line else [] for line in others)
    return tuple(map(tuple, found))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    plain_from = at = 0
    while match := _TOKEN.search(text, at):
        at, style = _end_and_style(text, match)
        if style != PLAIN:
            if match.start() > plain_from:
                yield text[plain_from : match.start()], PLAIN
            yield text[match.start() : at], style
            plain_from = at
    if plain_from < len(text):
        yield text[plain_from:], PLAIN


def _end_and_style(text: str, match: re.Match[str]) -> tuple[int, str]:
    """Where the token ends, and what it is."""
    if match["block"]:
        return _comment_end(text, match.end()), COMMENT
    if match["dollar"]:
        end = text.find(match["dollar"], match.end())
        return (len(text) if end < 0 else end + len(match["dollar"])), LITERAL
    if match["line"]:
        return match.end(), COMMENT
    if match["word"]:
        return match.end(), KEYWORD if match["word"].lower() in _KEYWORDS else PLAIN
    return match.end(), PLAIN if match["name"] else LITERAL


def _comment_end(text: str, at: int) -> int:
    """Behind the end of a comment that began before `at`; comments nest."""
    depth = 1
    for match in _NESTING.finditer(text, at):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    return len(text)
