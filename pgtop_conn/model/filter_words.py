"""The words of a filter: splitting, quotes, durations and expressions. What they mean is in filters.py."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgtop_conn.model.errors import FilterError

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
#: A counted repeat of at most this many is no danger around another repeat.
_SMALL_COUNT = 10
_PIECE = re.compile(
    r"(?P<atom>\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\()|(?P<close>\))|(?P<either>\|)"
    r"|(?P<repeat>[*+]|\{(?P<least>[0-9]*)(?P<comma>,)?(?P<most>[0-9]*)\})",
    re.DOTALL,
)


def expression(word: Word, text: str) -> re.Pattern[str]:
    """Compile one value of `~`, or raise the word's error.

    A repeated group that itself repeats or chooses is refused: matching it can take time exponential in the text.
    """
    if not text:
        raise word.error(f"expected a regular expression after {word.key}~")
    if len(text) > MAX_EXPRESSION:
        raise word.error(f"the regular expression is longer than {MAX_EXPRESSION} characters")
    if _repeats_repeats(text):
        raise word.error("a repetition of a group that repeats or chooses itself may take forever; write it simpler")
    try:
        with warnings.catch_warnings():
            # Python warns of patterns that a future version may read differently; nobody here could act on that.
            warnings.simplefilter("ignore")
            return re.compile(text, re.IGNORECASE | re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise word.error(f"{text!r} is no regular expression: {error}") from None


def _repeats_repeats(pattern: str) -> bool:
    # One flag a group that is open: whether it holds a repeat or a choice.
    inside = [False]
    closed_at, closed = -1, False
    for match in _PIECE.finditer(pattern):
        if match["open"]:
            inside.append(False)
        elif match["close"] and len(inside) > 1:
            closed_at, closed = match.end(), inside.pop()
            inside[-1] = inside[-1] or closed
        elif match["either"]:
            inside[-1] = True
        elif match["repeat"] and not _is_small(match):
            if closed and closed_at == match.start():
                return True
            inside[-1] = True
    return False


def _is_small(repeat: re.Match[str]) -> bool:
    """`{3}` and `{1,3}` are; `*`, `+`, `{2,}` and large counts are not."""
    if repeat["least"] is None:
        return False
    most = repeat["most"] if repeat["comma"] else repeat["least"]
    return bool(most) and len(most) < 4 and int(most) <= _SMALL_COUNT
