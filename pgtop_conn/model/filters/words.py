"""The words of a filter: splitting, quotes, durations and expressions. What they mean is in language.py."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters.linear_regex import Expression, Unsupported

OPERATORS = ":~><"

#: A character and whether quotes protect it; the opening quote itself stands as ("", True), so "" is a value.
_Char = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Word:
    """One term as typed: `[!]key operator value`, or a bare word, whose key and operator are empty."""

    #: The whole filter, cleaned; `start` and `end` are offsets in it.
    text: str
    start: int
    end: int
    negated: bool
    key: str
    operator: str
    value: Sequence[_Char]

    def error(self, message: str) -> FilterError:
        """An error that points at this word."""
        return FilterError(message, self.text, self.start, self.end)

    def expect(self, operators: str, message: str) -> None:
        """Refuse an operator that the key has no use for."""
        if self.operator not in operators:
            raise self.error(message)

    @property
    def is_unquoted(self) -> bool:
        return not any(protected for _, protected in self.value)

    def plain(self) -> str:
        """The value in one piece."""
        return _joined(self.value)

    def values(self) -> list[str]:
        """The values between commas; one that is missing is an error, an empty one is written ""."""
        parts = _split_expression(self.value) if self.operator == "~" else _split(self.value)
        if any(not part for part in parts):
            after = f"after {self.key}{self.operator} and " if self.operator else "before and after "
            empty = ' (an empty value is written "")' if self.operator == ":" else ""
            raise self.error(f"expected a value {after}each comma{empty}")
        return [_joined(part) for part in parts]


def words(text: str) -> Iterator[Word]:
    """Split at white space outside quotes. Raises FilterError."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        start = position
        chars: list[_Char] = []
        quoted = False
        while position < len(text) and (quoted or not text[position].isspace()):
            char = text[position]
            if char != '"':
                chars.append((char, quoted))
            elif quoted and text.startswith('""', position):
                chars.append((char, quoted))
                position += 1
            else:
                quoted = not quoted
                chars.append(("", True))
            position += 1
        if quoted:
            raise FilterError('a quote is not closed; expected "', text, start, len(text))
        yield _word(text, start, position, chars)


def _word(text: str, start: int, end: int, chars: Sequence[_Char]) -> Word:
    negated = chars[0] == ("!", False)
    if negated:
        chars = chars[1:]
        if not chars or chars[0] == ("!", False):
            raise FilterError("expected one term after !, like !db:postgres", text, start, end)
    key, operator, value = "", "", chars
    for index, (char, protected) in enumerate(chars):
        if protected:
            break
        if char in OPERATORS:
            key, operator, value = _joined(chars[:index]).lower(), char, chars[index + 1 :]
            break
    return Word(text, start, end, negated, key, operator, value)


def _joined(chars: Sequence[_Char]) -> str:
    return "".join(char for char, _ in chars)


def _split(chars: Sequence[_Char]) -> list[Sequence[_Char]]:
    parts: list[list[_Char]] = [[]]
    for char in chars:
        if char == (",", False):
            parts.append([])
        else:
            parts[-1].append(char)
    return list(parts)


def _split_expression(chars: Sequence[_Char]) -> list[Sequence[_Char]]:
    """Commas that belong to the expression (`a{1,3}`, `[,;]`, `\\,`) separate nothing."""
    parts: list[list[_Char]] = [[]]
    opened: list[str] = []
    escaped = False
    for char, protected in chars:
        if char == "," and not (protected or opened or escaped):
            parts.append([])
            continue
        parts[-1].append((char, protected))
        if escaped or not char:
            pass
        elif opened and opened[-1] == "[":
            if char == "]":
                opened.pop()
        elif char in "([{":
            opened.append(char)
        elif char in ")}" and opened:
            opened.pop()
        escaped = char == "\\" and not escaped
    return list(parts)


_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", re.IGNORECASE)
_DURATION = re.compile(rf"[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?|(?:{_PART.pattern})+", re.IGNORECASE)


def duration_s(text: str) -> float | None:
    """Seconds of `90s`, `10m`, `2h`, `3d`, `250ms`, `1.5h`, `1h30m` or plain seconds; None when it is none of them."""
    if not _DURATION.fullmatch(text):
        return None
    parts = _PART.findall(text)
    if not parts:
        return float(text)
    return sum(float(number) * _UNITS_S[unit.lower()] for number, unit in parts)


MAX_EXPRESSION = 200
#: Without any of these Python's own search takes time proportional to the text, and is the quicker one.
_WAYS = frozenset("*+?{|(")


def expression(word: Word, text: str) -> Callable[[str], bool]:
    """Compile one value of `~` to a search whose time is proportional to the text, or raise the word's error."""
    if not text:
        raise word.error(f"expected a regular expression after {word.key}~")
    if len(text) > MAX_EXPRESSION:
        raise word.error(f"the regular expression is longer than {MAX_EXPRESSION} characters")
    try:
        with warnings.catch_warnings():
            # Python warns of patterns that a future version may read differently; nobody here could act on that.
            warnings.simplefilter("ignore")
            if not _WAYS.isdisjoint(text):
                return Expression(text).search
            search = re.compile(text, re.IGNORECASE | re.DOTALL).search
    except Unsupported as problem:
        raise word.error(f"a filter's regular expression cannot have {problem}; write it simpler") from None
    except (re.error, OverflowError, RecursionError) as error:
        raise word.error(f"{text!r} is no regular expression: {error}") from None
    return lambda value: search(value) is not None
