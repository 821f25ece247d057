"""The filter language of `/`, `--filter` and `kill`: text to a predicate, with errors that point at the word.

    state:idle idle>10m app:billing* role:web,api client:10.2.0.0/16 query~invoices !db:postgres

Terms are separated by white space and all must hold; `!` negates one; `,` in a value means any of.
Double quotes protect blanks, commas and operators (`""` inside them is one quote, as in SQL); `*` stays a wildcard.
`:` compares names exactly as PostgreSQL does, upper and lower case apart; the server's own words (state, wait, type)
and addresses compare without case, with `-` for a blank. `~` searches a regular expression without case.
A bare word is looked for in every column, without case. White space in a query counts as one blank, as it is shown.

Three values, because `kill` uses it: what the server hides from us is unknown, and a term on it matches neither
plain nor negated. What is known to be empty or not applicable is simply false, and its negation true.

Add a key: one entry in KEYS; --help, the help screen and the suggestions follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from math import nan
from operator import attrgetter
from typing import Any

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters import comparisons as kinds
from pgtop_conn.model.filters.words import Word, words
from pgtop_conn.model.snapshot import DISABLED, IDLE_STATES, Backend, BackendKey
from pgtop_conn.model.text import clean, clean_query, one_line


def _unlabelled(_backend: Backend) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Tags:
    """What a row does not say of itself: the label of who it belongs to, and a sentence for each one that leaks."""

    source: Callable[[Backend], str] = _unlabelled
    leak: Mapping[BackendKey, str] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether any session can have a label at all."""
        return self.source is not _unlabelled


NO_TAGS = Tags()

Test = Callable[[Backend, float, Tags], bool | None]


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; two are equal when they were typed alike."""

    #: As typed, and safe to draw: what a terminal would act on is replaced.
    text: str
    _tests: tuple[tuple[Test, bool], ...] = field(compare=False, repr=False)
    _keys: frozenset[str] = field(compare=False, repr=False)

    @property
    def narrows(self) -> bool:
        """Whether there is any term: without one every row matches."""
        return bool(self._tests)

    def matches(self, backend: Backend, at: float, tags: Tags = NO_TAGS) -> bool:
        """Whether every term is known to hold; `at` is the snapshot's `taken_at`."""
        # A generator would cost as much again as most tests, for every row.
        for test, wanted in self._tests:  # noqa: SIM110
            if test(backend, at, tags) is not wanted:
                return False
        return True

    def mentions(self, key: str) -> bool:
        """Whether a term, negated or not, is on this key."""
        return key in self._keys

    def spells(self, key: str) -> frozenset[str]:
        """The values that a plain `key:value` names letter by letter: no wildcard, no expression, not negated."""
        found = (word for word in words(self.text) if (word.key, word.operator) == (key, ":") and not word.negated)
        return frozenset(value for word in found if ("*", False) not in word.value for value in word.values())


#: A filter is tried on every session at every poll: what is longer is a paste that was meant for elsewhere.
MAX_CHARACTERS, MAX_TERMS, MAX_EXPRESSIONS = 4096, 32, 10


def parse(text: str) -> Filter:
    """Compile a filter; nothing but white space matches every row. Raises FilterError, and nothing else."""
    # Rows are cleaned, so the words compared with them are; character offsets stay what they were.
    _expect_at_most(MAX_CHARACTERS, len(text), "characters", text)
    cleaned = clean_query(text).replace("\n", " ").replace("\t", " ")
    found = {cleaned[word.start : word.end]: word for word in words(cleaned)}
    _expect_at_most(MAX_TERMS, len(found), "different terms", cleaned)
    expressions = sum(len(word.values()) for word in found.values() if word.operator == "~")
    _expect_at_most(MAX_EXPRESSIONS, expressions, "regular expressions", cleaned)
    tests: list[tuple[Test, bool]] = []
    mentioned: set[str] = set()
    for word in found.values():
        tests.append((_compile(word), not word.negated))
        mentioned.add(word.key)
    return Filter(cleaned, tuple(tests), frozenset(mentioned - {""}))


def _expect_at_most(most: int, count: int, what: str, text: str) -> None:
    """Refuse a filter that is no filter by its size; the error shows its beginning only."""
    if count > most:
        beginning = clean(text[:20])
        raise FilterError(f"a filter has at most {most} {what}, this has {count}", beginning, 0, len(beginning))


def _compile(word: Word) -> Test:
    if not word.operator:
        return _bare(word)
    key = KEYS.get(word.key)
    if key is None:
        named = f"{word.key!r} is no key" if word.key else f"expected a key before {word.operator}"
        raise word.error(f"{named}; {_suggest(word.key)}; to look for the word itself, put it in quotes")
    test = key.kind(word)
    read = key.read

    def matches(backend: Backend, at: float, tags: Tags) -> bool | None:
        value = read(backend, at, tags)
        return None if value is None else test(value)

    return matches


def _bare(word: Word) -> Test:
    """A substring of any column; unknown when only a column that is hidden could still hold it."""
    if ("*", False) in word.value:
        raise word.error("a word is looked for anywhere, so it takes no *; quote it, or name a key, like app:web*")
    name, equals, _ = word.plain().partition("=")
    name = name.rstrip("!").lower()
    if equals and name in KEYS and word.is_unquoted:
        example = f"{name}>10m" if KEYS[name].kind is kinds.duration else f"{name}:value"
        raise word.error(f"a filter has no =; write {example}")
    needles = [value.casefold() for value in word.values()]
    if "" in needles:
        raise word.error("expected something between the quotes")
    return _anywhere(needles)


def _anywhere(needles: Sequence[str]) -> Test:
    """Whether any column holds one of them, without case."""

    @lru_cache(maxsize=4096)
    def holds(text: str) -> bool:
        folded = text.casefold()
        return any(needle in folded for needle in needles)

    def any_of(values: Iterable[str | None]) -> bool | None:
        hidden = False
        for value in values:
            if value is None:
                hidden = True
            elif value and holds(value):
                return True
        return None if hidden else False

    alike: dict[tuple[object, ...], bool | None] = {}
    # Nothing but a number is found in a number, which is never hidden.
    own = [name for name in _OWN if name != "pid" or any(map(str.isdecimal, needles))]
    own_reads, alike_reads = [KEYS[name].read for name in own], [KEYS[name].read for name in _ALIKE]

    def matches(backend: Backend, at: float, tags: Tags) -> bool | None:
        kind = _kind(backend)
        if kind in alike:
            found = alike[kind]
        else:
            if len(alike) >= KINDS_KEPT:
                alike.clear()
            found = alike[kind] = any_of(read(backend, at, tags) for read in alike_reads)
        if found:
            return True
        here = any_of([read(backend, at, tags) for read in own_reads])
        return here or (None if found is None else here)

    return matches


# Readers: None is hidden; nan is nothing to measure, which compares false with every duration.


def _client(backend: Backend, at: float, tags: Tags) -> str | None:
    return None if backend.hidden else backend.client


def _state(backend: Backend, at: float, tags: Tags) -> str | None:
    return None if backend.hidden else backend.state or ""


def _wait(backend: Backend, at: float, tags: Tags) -> str | None:
    # Until PostgreSQL 13 a session with track_activities off shows no wait event either.
    unknown = backend.hidden or (backend.state == DISABLED and not backend.wait)
    return None if unknown else backend.wait


def _type(backend: Backend, at: float, tags: Tags) -> str | None:
    return None if backend.hidden else backend.backend_type


@lru_cache(maxsize=4096)
def _line(query: str) -> str:
    """As it is shown; the text itself where that is the same, so that only one of them is kept."""
    line = one_line(query)
    return query if line == query else line


def _query(backend: Backend, at: float, tags: Tags) -> str | None:
    return None if backend.hidden or backend.state == DISABLED else _line(backend.query)


def _leak(backend: Backend, at: float, tags: Tags) -> str | None:
    return tags.leak.get(backend.key) or (None if backend.hidden else "")


def _blockers(backend: Backend, at: float, tags: Tags) -> tuple[int, ...] | None:
    # Blockers are asked for only where a lock wait shows, so an empty list of a hidden row says nothing.
    return None if backend.hidden and not backend.blocked_by else backend.blocked_by


def _measured(backend: Backend, seconds: float | None) -> float | None:
    if backend.hidden or backend.state == DISABLED:
        return None
    return nan if seconds is None else seconds


def _idle_s(backend: Backend, at: float, tags: Tags) -> float | None:
    if backend.state in IDLE_STATES and not backend.hidden:
        return backend.idle_s(at)
    return _measured(backend, None)


def _session_s(backend: Backend, at: float, tags: Tags) -> float | None:
    return None if backend.hidden else backend.session_s(at)


def _xact_s(backend: Backend, at: float, tags: Tags) -> float | None:
    return _measured(backend, backend.xact_s(at))


def _query_s(backend: Backend, at: float, tags: Tags) -> float | None:
    return _measured(backend, backend.query_s(at))


def _state_s(backend: Backend, at: float, tags: Tags) -> float | None:
    return _measured(backend, backend.state_s(at))


def _unused_s(backend: Backend, at: float, _tags: Tags) -> float | None:
    return _measured(backend, backend.unused_s(at))


@dataclass(frozen=True, slots=True)
class Key:
    """How a key is read from a row (None where hidden), how it is compared, and its line of help."""

    read: Callable[[Backend, float, Tags], Any]
    kind: Callable[[Word], Callable[[Any], bool]]
    help: str


KEYS: Mapping[str, Key] = {
    "pid": Key(lambda backend, at, tags: str(backend.pid), kinds.pid, "process id: pid:4711,4712"),
    "role": Key(lambda backend, at, tags: backend.role, kinds.name, "role name: role:web,api or role:app_*"),
    "db": Key(lambda backend, at, tags: backend.database, kinds.name, "database name: db:shop"),
    "app": Key(lambda backend, at, tags: backend.whole_app, kinds.app, 'application_name: app:billing* or app:""'),
    "client": Key(_client, kinds.client, "client address: client:10.2.0.17, client:10.2.0.0/16, client:local"),
    "state": Key(
        _state, kinds.state, "state:idle, active, in-transaction (idle in transaction), aborted, fastpath, disabled"
    ),
    "wait": Key(_wait, kinds.wait_event, "wait event: wait:Lock, wait:Client:ClientRead, wait:LW*"),
    "type": Key(_type, kinds.server_word, "kind of process: type:client-backend, type:walsender, type:auto*"),
    "query": Key(_query, kinds.name, 'text of the current or last query: query~invoices, query:"SELECT 1"'),
    "source": Key(
        lambda backend, at, tags: tags.source(backend),
        kinds.name,
        "label of who it belongs to: source:PostgREST, source:Billing",
    ),
    "leak": Key(_leak, kinds.yes_no, "looks leaked: leak:yes, leak:no"),
    "blocked": Key(
        _blockers, kinds.blocked, "waits for another session: blocked:yes, blocked:no, blocked:4711 (by it)"
    ),
    "idle": Key(_idle_s, kinds.duration, "time in an idle state: idle>10m"),
    "unused": Key(_unused_s, kinds.duration, "time since the last statement of an idle session began: unused>10m"),
    "age": Key(_session_s, kinds.duration, "time since the session began: age>2h"),
    "xact": Key(_xact_s, kinds.duration, "time the transaction is open: xact>5m"),
    "query_age": Key(_query_s, kinds.duration, "time since the current or last query began: query_age>30s"),
    "state_age": Key(_state_s, kinds.duration, "time in the current state: state_age<5s"),
}

#: Key to one line, for --help and the help screen.
HELP: Mapping[str, str] = {name: key.help for name, key in KEYS.items()}

#: What a bare word is looked for in, every key that reads text: what many sessions have alike, looked through once for
#: all of them, and what each has of its own.
_ALIKE = ("role", "db", "app", "client", "state", "wait", "type")
_OWN = tuple(
    name for name, key in KEYS.items() if name not in _ALIKE and key.kind not in (kinds.blocked, kinds.duration)
)
#: All that the readers of those look at.
_kind = attrgetter(
    *("role", "database", "whole_app", "client", "state", "wait_event_type", "wait_event", "backend_type", "hidden")
)
#: Kinds of sessions that a word remembers.
KINDS_KEPT = 4096

#: What other tools and the catalogs call our keys.
_SYNONYMS = {
    "user": "role",
    "usename": "role",
    "database": "db",
    "datname": "db",
    "application": "app",
    "application_name": "app",
    "client_addr": "client",
    "host": "client",
    "ip": "client",
    "backend_type": "type",
    "wait_event": "wait",
    "sql": "query",
    "session": "age",
    "transaction": "xact",
}


def _suggest(key: str) -> str:
    near = [_SYNONYMS[key]] if key in _SYNONYMS else get_close_matches(key, KEYS, 1)
    return f"did you mean {near[0]}?" if near else f"the keys are {' '.join(KEYS)}"
