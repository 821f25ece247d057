"""Markdown that holds other people's text: what a server or a user wrote can't end a table or a fence, or make a link.

Names stand in code spans, queries in fences longer than any run of backticks in them, and in sentences every character
that means something is escaped. CommonMark with GitHub's tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pgtop_conn.model.text import clean, clean_query, one_line

_BACKTICKS = re.compile(r"`+")
#: Words that readers of Markdown turn into links, mentions, references or formulas by themselves.
_LINKED = re.compile(r"@|://|\$|^#\d|^www\.|\w\.[^\W\d_]{2}", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\`*\[\]<|~&]|(?<![^\W_])_|_(?![^\W_])")
#: What makes a heading, a list, a rule or a quotation at the beginning of a line.
_LEADING = re.compile(r"^[-+#=>:]")
_LEADING_NUMBER = re.compile(r"^(\d{1,9})([.)])(?= |$)", re.ASCII)


def code(text: str) -> str:
    """A name or value as it is, on one line; an en dash for nothing.

    >>> code("a`b"), code("")
    ('`` a`b ``', '–')
    """
    line = clean(one_line(text))
    if not line:
        return "–"
    runs = [len(run) for run in _BACKTICKS.findall(line)]
    fence = "`" * (max(runs, default=0) + 1)
    return f"{fence} {line} {fence}" if runs else f"{fence}{line}{fence}"


def prose(text: str) -> str:
    """A sentence that may hold names, on one line; words that could become links stand in code spans.

    >>> prose("app *x* of a@b.c holds 3 | idle_in_transaction")
    'app \\\\*x\\\\* of `a@b.c` holds 3 \\\\| idle_in_transaction'
    """
    words = clean(one_line(text)).split(" ")
    shown = " ".join(code(word) if _LINKED.search(word) else _SPECIAL.sub(r"\\\g<0>", word) for word in words)
    shown = _LEADING_NUMBER.sub(r"\1\\\2", shown)
    return _LEADING.sub(r"\\\g<0>", shown)


def fence(text: str, language: str = "") -> list[str]:
    """Lines of a block that shows a text as it is."""
    body = clean_query(text).rstrip("\n")
    ticks = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(body)), default=0))
    return [f"{ticks}{language}", *body.split("\n"), ticks, ""]


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Lines of a table of code(), prose() and numbers; `right` are the columns of numbers.

    A bar is drawn broken, since readers disagree about escaped ones behind a backslash.
    """
    rules = ["---:" if index in right else "---" for index in range(len(titles))]
    lines = [_row(titles), f"| {' | '.join(rules)} |"]
    return [*lines, *(_row([cell.replace("\\|", "¦").replace("|", "¦") for cell in row]) for row in rows), ""]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
