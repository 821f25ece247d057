"""later(): a regular expression that is compiled when it is first used, not when its module is loaded.

For those that most runs never need: those of this program take 45 ms to compile, a tenth of its start.
"""

from __future__ import annotations

import re
from typing import AnyStr, Generic, cast


class _Later(Generic[AnyStr]):
    """Stands for a compiled pattern; every method, once asked for, is the pattern's own."""

    def __init__(self, text: AnyStr, flags: int) -> None:
        self._text: AnyStr = text
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        # Only what is not there yet is asked for here: the next look finds the pattern's own method.
        found: object = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)
        return found


def later(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As re.compile(), but a mistake in `text` is found at the first use.

    >>> later("a+").sub("b", "caat")
    'cbt'
    """
    return cast("re.Pattern[AnyStr]", _Later(text, flags))
