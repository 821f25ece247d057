"""Thresholds as the Monitoring Plugins write them: a range where a value is fine, or with `@` where it is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean

_NUMBER = r"-?\d{1,15}(?:\.\d{1,6})?"
_RANGE = re.compile(rf"(@)?(?:(~|{_NUMBER})?(:))?({_NUMBER})?", re.ASCII)

EXPECTED = "a range, like 80, 10:, ~:10, 10:20 or @10:20"


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends belong to it; `inside` alerts there instead of outside. `text` is how it was written.

    The format is that of the Monitoring Plugins Development Guidelines, "Threshold and Ranges".
    """

    text: str
    start: float
    end: float
    inside: bool = False

    def alerts(self, value: float) -> bool:
        """Whether a value calls for an alert.

        >>> [parse_range("10").alerts(value) for value in (-1, 0, 10, 10.5)]
        [True, False, False, True]
        >>> [parse_range("@10:20").alerts(value) for value in (9, 10, 20, 21)]
        [False, True, True, False]
        """
        return (self.start <= value <= self.end) is self.inside


def parse_range(text: str) -> Range:
    """`10` is 0 to 10, `10:` from 10 on, `~:10` anything up to 10, `@` turns it round. Raises BadInput."""
    match = _RANGE.fullmatch(text)
    if match is None or (match[2] is None and match[4] is None):
        raise BadInput(f"expected {EXPECTED}, not {clean(text)!r}")
    inside, first, _, last = match.groups()
    start = -inf if first == "~" else float(first or 0)
    end = inf if last is None else float(last)
    if start > end:
        raise BadInput(f"expected a range that ends above its start, not {clean(text)!r}")
    return Range(text, start, end, inside is not None)
