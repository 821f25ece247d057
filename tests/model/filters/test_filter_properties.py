"""Properties of the filter language, against an evaluator that knows nothing of the parser."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters.language import KEYS, Filter, Tags, parse
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IN_TRANSACTION, Backend
from pgtop_conn.model.text import clean, clean_query
from tests.support.data.factories import NOW
from tests.support.data.filter_matches import DURATION_KEYS, TAGS, matches
from tests.support.data.strategies import CLIENTS, NAMES, QUERIES, backends, client_backends


@dataclass(frozen=True)
class Term:
    """A term before it is written; `values` are literal for ':', wildcards only as `*`."""

    key: str
    operator: str
    values: tuple[str, ...]
    negated: bool

    def written(self) -> str:
        values = ",".join('"' + value.replace('"', '""') + '"' for value in self.values)
        return f"{'!' if self.negated else ''}{self.key}{self.operator}{values}"


SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
TEXT_VALUES = {
    "role": st.sampled_from(NAMES),
    "db": st.sampled_from(NAMES),
    "app": st.one_of(st.sampled_from(NAMES), st.text("abw*", max_size=4)),
    "client": st.sampled_from((*CLIENTS, "10.0.0.0/8", "10.2.0.0/24", "2001:db8::/32", "10.2.*")),
    "state": st.sampled_from((ACTIVE, IDLE, IN_TRANSACTION, ABORTED, "disabled", "idle*", "*(aborted)")),
    "wait": st.sampled_from(("Lock", "Lock:relation", "*Read", "L*", "")),
    "type": st.sampled_from(("client backend", "walsender", "io*", "CheckPointer")),
    "query": st.sampled_from((*(" ".join(query.split()) for query in QUERIES), "S*", "*invoices")),
    "source": st.sampled_from(("aws", "supa*", "")),
    "leak": st.sampled_from(("yes", "no")),
    "blocked": st.one_of(st.sampled_from(("yes", "no")), st.integers(1, 9999).map(str)),
    "pid": st.integers(1, 4_194_304).map(str),
}
EXPRESSIONS = ("^a", "web|app", "SELECT", "i.*e", r"\d+", "x$", "^$", "a{1,2}")


@st.composite
def terms(draw: st.DrawFn, keys: tuple[str, ...] = tuple(KEYS)) -> Term:
    key = draw(st.sampled_from(keys))
    negated = draw(st.booleans())
    if key in DURATION_KEYS:
        number = draw(st.one_of(st.integers(0, 9999).map(str), st.decimals(0, 999, places=2).map(str)))
        return Term(key, draw(st.sampled_from("<>")), (number + draw(st.sampled_from(("", *SECONDS))),), negated)
    if key not in ("pid", "leak", "blocked") and draw(st.booleans()):
        return Term(key, "~", tuple(draw(st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=2))), negated)
    return Term(key, ":", tuple(draw(st.lists(TEXT_VALUES[key], min_size=1, max_size=3))), negated)


def column(backend: Backend, key: str, tags: Tags) -> str | None:
    off = backend.state == "disabled"
    if key in ("pid", "role", "app"):
        return str(getattr(backend, key))
    if key == "db":
        return backend.database
    if key == "source":
        return tags.source(backend)
    if backend.hidden or (off and (key == "query" or (key == "wait" and not backend.wait_event))):
        return None
    return {
        "client": backend.client,
        "state": backend.state or "",
        "type": backend.backend_type,
        "query": " ".join(backend.query.split()),
        "wait": f"{backend.wait_event_type}:{backend.wait_event}" if backend.wait_event else "",
    }[key]


def like(value: str, pattern: str, flags: int) -> bool:
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, flags | re.DOTALL))


def same_client(value: str, wanted: str) -> bool:
    if "*" in wanted or value in ("", "local") or wanted in ("", "local"):
        return like(value, wanted, 0)
    return ip_address(value) in ip_network(wanted, strict=False)


def seconds_of(backend: Backend, key: str) -> float | str | None:
    """Seconds, "nothing" where there is nothing to measure, None where it is unknown."""
    if backend.hidden or (key != "age" and backend.state == "disabled"):
        return None
    idle = backend.state in (IDLE, IN_TRANSACTION, ABORTED)
    xact = backend.state_change if backend.state == ABORTED and backend.xact_start is None else backend.xact_start
    since = {
        "age": backend.key.backend_start,
        "idle": backend.state_change if idle else None,
        "unused": (backend.key.backend_start if backend.never_queried else backend.query_start) if idle else None,
        "xact": xact,
        "query_age": backend.query_start,
        "state_age": backend.state_change,
    }[key]
    return "nothing" if since is None else max(0.0, NOW - since)


def naive(term: Term, backend: Backend, tags: Tags) -> bool | None:
    if term.key in DURATION_KEYS:
        number, unit = re.fullmatch(r"([0-9.]+)([a-z]*)", term.values[0]).groups()  # type: ignore[union-attr]
        limit = float(number) * SECONDS[unit or "s"]
        seconds = seconds_of(backend, term.key)
        if not isinstance(seconds, float):
            return None if seconds is None else False
        return seconds > limit if term.operator == ">" else seconds < limit
    if term.key in ("leak", "blocked"):
        leaks = backend.key in tags.leak
        found = leaks if term.key == "leak" else bool(backend.blocked_by)
        if backend.hidden and not found:
            return None
        by = {str(pid) for pid in backend.blocked_by} if term.key == "blocked" else set()
        return bool(({"yes" if found else "no"} | by) & set(term.values))
    value = column(backend, term.key, tags)
    if value is None:
        return None
    if term.operator == "~":
        return any(re.search(pattern, value, re.IGNORECASE | re.DOTALL) for pattern in term.values)
    if term.key == "client":
        return any(same_client(value, wanted) for wanted in term.values)
    if term.key == "wait":
        return any(
            like(value, w, re.I) or (w != "" and value.casefold().startswith(f"{w}:".casefold())) for w in term.values
        )
    return any(like(value, wanted, re.I if term.key in ("state", "type") else 0) for wanted in term.values)


@given(backends(), st.lists(terms(), min_size=1, max_size=4), st.booleans())
def test_agrees_with_a_naive_evaluator(backend: Backend, chosen: list[Term], leaks: bool) -> None:
    tags = Tags(TAGS.source, {backend.key: "leaks"} if leaks else {})
    expected = all(
        naive(term, backend, tags) is not term.negated and naive(term, backend, tags) is not None for term in chosen
    )
    assert matches("  ".join(term.written() for term in chosen), backend, tags) is expected


@given(client_backends().filter(lambda backend: backend.state != "disabled"), terms())
def test_negation_is_the_exact_complement_on_visible_rows(backend: Backend, term: Term) -> None:
    plain, negated = replace(term, negated=False), replace(term, negated=True)
    assert matches(plain.written(), backend) is not matches(negated.written(), backend)


@given(backends(), terms(("state", "type", "client", "wait", "query", *DURATION_KEYS)))
def test_a_term_on_a_hidden_column_never_matches_a_hidden_row(backend: Backend, term: Term) -> None:
    if backend.hidden:
        assert not matches(term.written(), backend)


PIECES = st.sampled_from(
    (*KEYS, *":~<>!,*\"'()[]{}|\\/ \t", "idle", "10m", "10.0.0.0/8", "yes", "\x1b", "\u202e", "ａ", "\ud800")
)
ANYTHING = st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=12).map("".join))


def outcome(text: str) -> Filter | FilterError:
    try:
        return parse(text)
    except FilterError as error:
        return error


@given(ANYTHING, backends())
def test_any_text_parses_or_points_within_itself(text: str, backend: Backend) -> None:
    parsed = outcome(text)
    if isinstance(parsed, FilterError):
        assert 0 <= parsed.start < parsed.end <= len(text) == len(parsed.text)
        assert not parsed.text[parsed.start].isspace()
        assert str(parsed) == clean(str(parsed))
        assert "^" in parsed.pointed()
    else:
        assert parse(parsed.text) == parsed
        assert parsed.matches(backend, NOW) is parse(parsed.text).matches(backend, NOW)
        assert parsed.text == clean_query(parsed.text)


@given(st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip())), backends())
def test_a_quoted_word_is_a_substring_of_any_column(word: str, backend: Backend) -> None:
    needle = clean(word.replace("\n", " ").replace("\t", " ")).casefold()
    written = '"' + word.replace('"', '""') + '"'
    columns = [column(backend, key, TAGS) for key in KEYS if key not in (*DURATION_KEYS, "leak", "blocked")]
    found = any(needle in value.casefold() for value in columns if value is not None)
    assert matches(written, backend, Tags(TAGS.source)) is found
    assert matches(f"!{written}", backend, Tags(TAGS.source)) is (not found and None not in columns)


@given(
    st.sampled_from(("web", "idle", "7", "a", "select", "client", "10.2", "größe", "lock")),
    st.lists(backends(), min_size=2, max_size=12),
)
def test_a_word_asked_of_many_rows_says_of_each_what_it_says_of_it_alone(word: str, rows: list[Backend]) -> None:
    # Alike in all that a word remembers, and not in what is each one's own.
    twins = [replace(row, query="select 7", key=row.key._replace(pid=70)) for row in rows]
    wanted, unwanted = parse(word), parse(f"!{word}")
    for row in (*rows, *twins, *rows):
        assert wanted.matches(row, NOW, TAGS) is parse(word).matches(row, NOW, TAGS)
        assert unwanted.matches(row, NOW, TAGS) is parse(f"!{word}").matches(row, NOW, TAGS)
