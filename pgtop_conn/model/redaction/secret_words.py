"""Secrets that a statement holds without quotes around them, and words by which a text may hold one.

`masked()` of literals.py takes every literal away; what is left here is what PostgreSQL takes as a value, or an error
message repeats, although it is written like a name. Add a place: a rule in _hidden(), given the tokens of a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from pgtop_conn.model.lazy_regex import later

MASK = "?"

#: As in scan.l every character from U+0080 is one of a name; the pictures of control characters are no such characters.
HIGH = r"\x80-\u23ff\u2422-\U0010ffff"

#: What a name or a text with a secret has in it, in lower case. Looked for one by one: a pattern takes far longer.
_WORDS = (
    *("passw", "passphrase", "passcode", "pwd", "secret", "token", "credential", "bearer", "authorization", "hmac"),
    *("jwt", "cookie", "identified by", "user mapping", "set_config", "dblink", "-----begin"),
    "sshpass",
)
_NAME = later(
    r"\b(?:pass|pin|otp)\b|aws_\w{0,40}key|(?-i:[A-Z0-9]_KEY\b)"
    r"|(?:api|access|account|private|sign(?:ing|ature)?|encrypt(?:ion)?|decrypt(?:ion)?|master|auth|ssh|session|shared)"
    r"[ _-]?key",
    re.IGNORECASE,
)
_NAME_WORDS = ("pass", "pin", "otp", "key")
#: Every part is bounded: the text is read once.
_STRUCTURE = later(
    r"crypt\w{0,40}\s{0,9}\(|digest\s{0,9}\(|(?:create|alter)\s{1,9}subscription"
    r"|\bbasic\s{1,9}[a-z0-9+/=]{6}|://[^\s@]{0,300}@"
    r"|(?:^|(?<=[\s'\"]))-(?:u|-(?:proxy-)?user)[\s=]{0,9}[^\s:]{0,200}:[^\s]"
    r"|(?-i:\b(?:AKIA|ASIA)[0-9A-Z]{8}|\bgh[pousr]_[A-Za-z0-9]{8}|\bxox[abprs]-|\beyJ[A-Za-z0-9_-]{8}|\bsk[-_]\w{8})",
    re.IGNORECASE,
)
_STRUCTURE_WORDS = (
    *("crypt", "digest", "subscription", "basic", "://", "-u", "-user", "akia", "asia"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "xox", "eyj", "sk-", "sk_"),
)
#: Most statements have nothing to look for.
_SETS = later(r"\bSET\b|\bIDENTIFIED\b", re.IGNORECASE)

_TOKEN = later(
    rf"""(?P<space>[\s␋␌␍]++) | (?P<quoted>"[^"]*+"?+) | (?P<word>[A-Za-z_{HIGH}][A-Za-z0-9_${HIGH}]*+) | (?P<end>;)
       | (?P<sign>:=|=>|[^\s]) """,
    re.VERBOSE | re.DOTALL,
)
#: Statements that have a SET of their own, in which values are expressions.
_CHANGES_ROWS = frozenset({"UPDATE", "INSERT", "MERGE", "WITH", "SELECT", "DELETE", "COPY", "VALUES", "TABLE"})
_VERBS = _CHANGES_ROWS | {"SET", "ALTER", "CREATE"}
#: Tokens of a parameter's name, and what stands before it.
_LONGEST_NAME = 40
_NO_SECRET = frozenset({"NULL", "TRUE", "FALSE", "DEFAULT", "ANY", "ALL", "SOME", "SELECT", "CASE", "ARRAY", "ROW"})


class _Token(NamedTuple):
    kind: str
    text: str
    #: In capitals; "" for what is no word.
    word: str
    is_name: bool

    @classmethod
    def of(cls, match: re.Match[str]) -> _Token:
        kind, text = match.lastgroup or "", match.group()
        return cls(kind, text, text.upper() if kind == "word" else "", kind in ("word", "quoted"))


def may_hold_secret(text: str) -> bool:
    """Whether a query is masked whatever was asked for.

    >>> [may_hold_secret(text) for text in ("SELECT f('postgresql://u:pw@h')", "SELECT user_key FROM subscriptions")]
    [True, False]
    """
    lower = text.lower()
    if _names_secret(text, lower):
        return True
    return any(word in lower for word in _STRUCTURE_WORDS) and bool(_STRUCTURE.search(text))


def _names_secret(text: str, lower: str) -> bool:
    if any(word in lower for word in _WORDS):
        return True
    return any(word in lower for word in _NAME_WORDS) and bool(_NAME.search(text))


def without_secrets(text: str) -> str:
    """A text without literals and comments, with `?` for values that are written like names.

    >>> without_secrets("SET app.password TO hunter2; ALTER ROLE a SET app.x = b, c")
    'SET app.password TO ?; ALTER ROLE a SET app.x = ?'
    """
    if not (_SETS.search(text) or _names_secret(text, text.lower())):
        return text
    return "".join(_statements(text))


def _statements(text: str) -> Iterator[str]:
    tokens = map(_Token.of, _TOKEN.finditer(text))
    for is_end, part in groupby(tokens, lambda token: token.kind == "end"):
        found = list(part)
        yield "".join(token.text for token in found) if is_end else _statement(found)


def _statement(tokens: Sequence[_Token]) -> str:
    hidden = _hidden(tokens)
    pieces: list[str] = []
    for place, token in enumerate(tokens):
        if place not in hidden:
            pieces.append(token.text)
        elif place - 1 not in hidden:
            pieces.append(MASK)
    return "".join(pieces)


def _hidden(tokens: Sequence[_Token]) -> set[int]:
    """Places of what is to be masked. Each rule looks at the tokens that are no white space."""
    solid = [place for place, token in enumerate(tokens) if token.kind != "space"]
    words = [tokens[place] for place in solid]
    hidden: set[int] = set()
    verb = next((token.word for token in words if token.word in _VERBS), "")
    manages_roles = verb == "SET" or _manages_roles(words)
    for index, token in enumerate(words):
        if solid[index] in hidden:
            continue
        value = _behind_parameter(words, index) if verb not in _CHANGES_ROWS else None
        if value is not None:
            hidden.update(range(solid[value], len(tokens)))
        elif manages_roles and _names_password(words, index):
            hidden |= _up_to_space(tokens, solid[index + 1])
        elif token.is_name and _names_secret(token.text, token.text.lower()):
            hidden |= _compared(words, solid, index)
    return hidden


def _manages_roles(words: Sequence[_Token]) -> bool:
    return any(
        token.word in ("CREATE", "ALTER") and after.word in ("ROLE", "USER", "GROUP", "SERVER")
        for token, after in pairwise(words)
    )


def _behind_parameter(words: Sequence[_Token], index: int) -> int | None:
    """Where the value of SET [SESSION | LOCAL] name { TO | = } value begins, where there is one."""
    if words[index].word != "SET":
        return None
    # A name of several parts, and what may stand before it; U&"a" UESCAPE '!' is a name, too.
    for place in range(index + 1, min(index + _LONGEST_NAME, len(words) - 1)):
        token = words[place]
        if place > index + 1 and (token.word == "TO" or token.text in ("=", ":=", "=>")):
            return place + 1
        # Another SET looks for itself.
        if token.text in "()," or token.word == "SET":
            return None
    return None


def _names_password(words: Sequence[_Token], index: int) -> bool:
    before = words[index - 1].word if index else ""
    names = words[index].word == "PASSWORD" or (words[index].word == "BY" and before == "IDENTIFIED")
    if not names or index + 1 >= len(words):
        return False
    after = words[index + 1]
    return after.word not in ("NULL", "PASSWORD", "FOR", "TO") and after.text not in ("=", ":=")


def _up_to_space(tokens: Sequence[_Token], begin: int) -> set[int]:
    """Without quotes it is an error, but the server shows the text all the same."""
    end = next((place for place in range(begin, len(tokens)) if tokens[place].kind == "space"), len(tokens))
    return set(range(begin, end))


def _compared(words: Sequence[_Token], solid: Sequence[int], index: int) -> set[int]:
    """The value that a secret's name is compared with or set to, where it is a name, be it in double quotes."""
    begin = index + 2
    if begin >= len(words) or words[index + 1].text not in ("=", ":=", "=>", ":"):
        return set()
    if not words[begin].is_name or words[begin].word in _NO_SECRET:
        return set()
    end = begin + 1
    while end + 1 < len(words) and words[end].text == "." and words[end + 1].is_name:
        end += 2
    calls = end < len(words) and words[end].text == "("
    return set() if calls else set(range(solid[begin], solid[end - 1] + 1))
