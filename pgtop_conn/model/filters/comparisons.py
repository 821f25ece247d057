"""How the value of a filter's term is compared: a word as typed to a test of one known value.

Add a kind: a function from Word to a test that refuses what makes no sense, used by an entry of language.KEYS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pgtop_conn.model.application_name import app_name
from pgtop_conn.model.filters.words import Word, duration_s, expression
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, DISABLED, FASTPATH, IDLE, IN_TRANSACTION, STARTING

TextTest = Callable[[str], bool]


def name(word: Word) -> TextTest:
    """Names and queries: exact, with wildcards."""
    if _is_expression(word):
        return _expressions(word)
    return _any([_wildcard(value) for value in word.values()])


def app(word: Word) -> TextTest:
    """A name of an application: without what a pooler appended to it, or with it."""
    test = name(word)
    return lambda value: test(value) or test(app_name(value).name)


def server_word(word: Word) -> TextTest:
    """The server's own words: without case, a hyphen for a blank."""
    if _is_expression(word):
        return _expressions(word)
    return _folded(word.values())


def wait_event(word: Word) -> TextTest:
    """`type:event`, or the type alone."""
    if _is_expression(word):
        return _expressions(word)
    return _folded([value if not value or ":" in value or "*" in value else f"{value}:*" for value in word.values()])


def fold(text: str) -> str:
    """A server's word for comparison."""
    return text.casefold().replace("-", " ")


#: What pg_stat_activity.state can hold, and the short forms; "" is a process that has no state.
_STATES = {
    fold(state): state for state in (ACTIVE, IDLE, IN_TRANSACTION, ABORTED, FASTPATH, DISABLED, STARTING, "")
} | {
    "in transaction": IN_TRANSACTION,
    "idle in tx": IN_TRANSACTION,
    "aborted tx": ABORTED,
    "aborted": ABORTED,
    "idle in transaction aborted": ABORTED,
    "fastpath": FASTPATH,
}


def state(word: Word) -> TextTest:
    """A state that does not exist is an error: negated, it would match every session."""
    if _is_expression(word):
        return _expressions(word)
    chosen = []
    for value in word.values():
        if "*" not in value and fold(value) not in _STATES:
            near = get_close_matches(fold(value), _STATES, 1)
            hint = (
                f"did you mean {near[0].replace(' ', '-')}"
                if near
                else "expected idle, active, in-transaction, aborted"
            )
            raise word.error(f"{value!r} is no state; {hint}")
        chosen.append(_STATES.get(fold(value), value))
    return _folded(chosen)


def client(word: Word) -> TextTest:
    """An address, a network, `local`, or wildcards on the address as it is shown."""
    if _is_expression(word):
        return _expressions(word)
    return _any([_client_value(word, value) for value in word.values()])


def pid(word: Word) -> TextTest:
    """Process ids."""
    expected = "write pid:4711 or pid:4711,4712"
    word.expect(":", f"pid takes numbers; {expected}")
    pids = frozenset(str(_number(word, value, expected)) for value in word.values())
    return pids.__contains__


def yes_no(word: Word) -> TextTest:
    """Whether the text is there."""
    expected = f"write {word.key}:yes or {word.key}:no"
    word.expect(":", expected)
    wanted = [_answer(value) for value in word.values()]
    if None in wanted:
        raise word.error(expected)
    return lambda value: bool(value) in wanted


def blocked(word: Word) -> Callable[[Sequence[int]], bool]:
    """yes, no, or the pid of a blocker; compared with the pids that block."""
    expected = "write blocked:yes, blocked:no or blocked:4711 (by that process)"
    word.expect(":", expected)
    answers = {_answer(value) for value in word.values()} - {None}
    pids = {_number(word, value, expected) for value in word.values() if _answer(value) is None}
    return lambda blockers: bool(blockers) in answers or not pids.isdisjoint(blockers)


def duration(word: Word) -> Callable[[float], bool]:
    """Longer or shorter; false for nan, which stands for nothing to measure."""
    word.expect("><", f"{word.key} is a duration; write {word.key}>10m or {word.key}<90s")
    text = word.plain()
    limit_s = duration_s(text)
    if limit_s is None:
        raise word.error(f"{text!r} is no duration; expected one like 90s, 10m, 2h, 3d or 1h30m")
    if word.operator == ">":
        return lambda seconds: seconds > limit_s
    return lambda seconds: seconds < limit_s


def _is_expression(word: Word) -> bool:
    word.expect(":~", f"{word.key} is text; write {word.key}:value or {word.key}~expression")
    return word.operator == "~"


def _any(tests: Sequence[TextTest]) -> TextTest:
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _expressions(word: Word) -> TextTest:
    return _any([expression(word, value) for value in word.values()])


def _folded(values: Sequence[str]) -> TextTest:
    test = _any([_wildcard(fold(value)) for value in values])
    # The server has few words and they are compared on every row.
    return lru_cache(maxsize=256)(lambda value: test(fold(value)))


def _wildcard(pattern: str) -> TextTest:
    """`*` stands for any characters; pieces are looked for from left to right, so no pattern is slow."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern.__eq__
    *middle, last = rest

    def matches(value: str) -> bool:
        position, end = len(first), len(value) - len(last)
        if position > end or not value.startswith(first) or not value.endswith(last):
            return False
        for piece in middle:
            found = value.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True

    return matches


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _client_value(word: Word, value: str) -> TextTest:
    if "*" in value or value.casefold() in ("local", ""):
        return _wildcard(value.casefold())
    wanted = _address(value)
    if wanted is not None:
        return lambda client: _address(client) == wanted
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        expected = "expected an address, a network like 10.2.0.0/16, or local"
        raise word.error(f"{value!r} is no client; {expected}") from None

    def matches(client: str) -> bool:
        address = _address(client)
        return address is not None and address in network

    return matches


def _number(word: Word, value: str, expected: str) -> int:
    # The server's pids are int4: ten digits.
    if not (value.isascii() and value.isdecimal() and len(value) <= 10):
        raise word.error(f"{value!r} is no process id; {expected}")
    return int(value)


def _answer(value: str) -> bool | None:
    return {"yes": True, "no": False}.get(value.casefold())
