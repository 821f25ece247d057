"""Whose sessions are these: the user's own labels, then the provider's. A label is a name and a filter.

The filters look at what tells one application from another and hardly ever changes, so answers are kept.
Tags, which the filter language, the groupings and the columns read, are made here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pgtop_conn.model.errors import BadInput, FilterError, named
from pgtop_conn.model.filters.language import NO_TAGS, Filter, Tags, parse
from pgtop_conn.model.filters.words import words
from pgtop_conn.model.labels.providers import provider_named
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.text import clean

#: What a label may look at.
KEYS = ("role", "app", "client", "db")
#: Answers kept; more than that many kinds of sessions are none that anybody could label.
KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Label:
    """What the sessions that a filter matches are called."""

    name: str
    wanted: Filter

    @classmethod
    def of(cls, name: str, text: str) -> Label:
        """Checked; raises BadInput that names the label."""
        shown = clean(name.strip())
        if not shown:
            raise BadInput(f"expected a name for the label of {clean(text)!r}")
        try:
            wanted = parse(text)
            # Of the cleaned text, whose words are those of the filter.
            for word in words(wanted.text):
                if word.key not in KEYS or not word.operator:
                    raise word.error(f"a label looks at {', '.join(KEYS)} only, like app:billing*")
        except FilterError as error:
            raise BadInput(f"label {shown!r}: {error}") from None
        if not wanted.text.strip():
            raise BadInput(f"label {shown!r}: expected a filter, like app:billing*")
        return cls(shown, wanted)


def labels_of(value: object) -> tuple[Label, ...]:
    """The user's labels, as a TOML table of names and filters, or as `NAME=FILTER;NAME=FILTER`. Raises BadInput."""
    pairs = pairs_of(value, "names and filters, like Billing = 'app:billing*'")
    for name, text in pairs:
        if not isinstance(text, str):
            raise BadInput(f"label {clean(name)!r}: expected a filter, like 'app:billing*', not {text!r}")
    return tuple(Label.of(name, str(text)) for name, text in pairs)


def pairs_of(value: object, expected: str, form: str = "NAME=FILTER") -> list[tuple[str, object]]:
    """A TOML table, or its text `NAME=VALUE;NAME=VALUE`, as pairs. Raises BadInput with what was expected."""
    if isinstance(value, str):
        return [_pair(part, form) for part in _split(value) if part.strip()]
    if isinstance(value, Mapping):
        return [(str(name), found) for name, found in value.items()]
    raise BadInput(f"expected {expected}, not {named(value)}")


def _split(text: str) -> list[str]:
    """At semicolons outside double quotes."""
    parts, quoted = [""], False
    for char in text:
        quoted ^= char == '"'
        if char == ";" and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _pair(part: str, form: str) -> tuple[str, object]:
    name, equals, text = part.partition("=")
    if not equals:
        raise BadInput(f"expected {form}, not {clean(part.strip())!r}")
    return name, text


@lru_cache(maxsize=8)
def labeller(provider: str | None, labels: tuple[Label, ...]) -> Callable[[Backend], str]:
    """Gives the label of a session: the first of the user's own that matches, otherwise the provider's.

    "" for everybody where there are neither, and for what is no session of a role: background processes, logins.
    """
    service = provider_named(provider)
    rules = [*labels]
    rest = ""
    if service is not None and service.labels:
        rules += [Label.of(name, text) for name, text in service.labels]
        rest = service.rest
    if not rules:
        return NO_TAGS.source
    known: dict[tuple[object, ...], str] = {}

    def source(backend: Backend) -> str:
        kind = (backend.role, backend.whole_app, backend.client, backend.database, backend.hidden)
        found = known.get(kind)
        if found is None:
            if len(known) >= KEPT:
                known.clear()
            matching = (rule.name for rule in rules if rule.wanted.matches(backend, 0.0))
            found = known[kind] = next(matching, rest) if backend.role_oid else ""
        return found

    return source


def tags_of(snapshot: Snapshot, labels: tuple[Label, ...] = (), leaks: Sequence[Leak] = ()) -> Tags:
    """What the rows of this snapshot do not say of themselves; `leaks` are those found in it."""
    sentences = {key: sentence for leak in leaks for key, sentence in leak.sessions.items()}
    return Tags(labeller(snapshot.server.provider, labels), sentences)
