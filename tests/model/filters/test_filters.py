"""The filter language: what matches, what is an error and where it points, and what is unknown."""

from __future__ import annotations

import pytest

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters.language import HELP, KEYS, Tags, parse
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IN_TRANSACTION, BackendKey
from pgtop_conn.model.text import clean
from tests.support.data.factories import NOW, make_backend, make_background, make_hidden, make_walsender
from tests.support.data.filter_matches import DURATION_KEYS, TAGS, matches


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  \t\n ", True),
        ("state:idle idle>10s app:web role:web,app client:10.2.0.0/16 query~invoices !db:postgres", True),
        ("pid:4711", True),
        ("pid:1,4711", True),
        ("pid:471", False),
        ("role:app", True),
        ("role:APP", False),
        ("role:a*", True),
        ("role:*p", True),
        ("role:a*a*p", False),
        ("role:ap*pp", False),
        ("role:a*pp*p", False),
        ("role:*", True),
        ("role~^AP", True),
        ("role~web,pp$", True),
        ("db:postgres,shop", True),
        ("!db:postgres,shop", False),
        ('app:""', False),
        ("app:*e*", True),
        ("client:10.2.0.17", True),
        ("client:10.2.0.18", False),
        ("client:10.3.0.0/16,10.2.0.0/16", True),
        ("client:10.2.0.1/16", True),
        ("client:2001:db8::/32", False),
        ("client:::ffff:10.2.0.17", True),
        ("client:10.2.*", True),
        ("client:local", False),
        ("client~^10", True),
        ("state:IDLE", True),
        ("state:idle*", True),
        ("state:active,idle", True),
        ("state:in-transaction", False),
        ("wait:Client", True),
        ("wait:client:clientread", True),
        ("wait:Cl*", True),
        ("wait:Lock*", False),
        ("wait:Clien", False),
        ('!wait:""', True),
        ("type:client-backend", True),
        ('type:"client backend"', True),
        ("type:walsender", False),
        ("query~INVOICES", True),
        ("query:SELECT*id*", True),
        ('query:"SELECT * FROM invoices WHERE id = $1"', True),
        ("query~i{1,2}n,nothing", True),
        ("query~x{1,2},nothing", False),
        ("query~[a,b]z", False),
        (r"query~a\,b,invoices", True),
        ("source:aws", True),
        ("source:a*,b", True),
        ("source:supabase", False),
        ("leak:yes", True),
        ("leak:no", False),
        ("leak:yes,no", True),
        ("blocked:no", True),
        ("blocked:yes", False),
        ("blocked:4711", False),
        ("idle>59s", True),
        ("idle>60s", False),
        ("idle>60", False),
        ("idle<60", False),
        ("idle<1m1s", True),
        ("idle>0.5m", True),
        ("idle>59999ms", True),
        ("age>59m age<1h1s", True),
        ("AGE>0.0001d", True),
        ("xact>1s", False),
        ("!xact>1s", True),
        ("xact<1s", False),
        ("query_age>60s query_age<62s", True),
        ("state_age<2d", True),
        ("INVOICES", True),
        ("10.2", True),
        ("clientread", True),
        ("20", True),
        ("471", True),
        ("nothing,shop", True),
        ("!nothing", True),
        ("!shop", False),
        ('"id = $1"', True),
        ('"app:web"', False),
        ("id=", False),
    ],
)
def test_matches(text: str, expected: bool) -> None:
    assert matches(text, make_backend()) is expected


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('state:"idle in transaction"', IN_TRANSACTION),
        ("state:idle-in-transaction", IN_TRANSACTION),
        ("state:in-transaction", IN_TRANSACTION),
        ("state:aborted", ABORTED),
        ('state:"idle in transaction (aborted)"', ABORTED),
        ("state:fastpath", "fastpath function call"),
        ("state:disabled", "disabled"),
        ("state:starting", "starting"),
        ('state:""', None),
    ],
)
def test_short_form_names_exactly_one_state(text: str, state: str | None) -> None:
    states = (ACTIVE, IDLE, IN_TRANSACTION, ABORTED, "fastpath function call", "disabled", "starting", None)
    assert [other for other in states if matches(text, make_backend(state=other))] == [state]


def test_aborted_transaction_is_aged_by_its_state() -> None:
    aborted = make_backend(state=ABORTED, xact_start=None, state_change=NOW - 600)
    assert matches("xact>9m idle>9m", aborted)


def test_blocked_by_that_process() -> None:
    waiting = make_backend(state=ACTIVE, wait_event_type="Lock", wait_event="transactionid", blocked_by=(17, 18))
    assert matches("blocked:yes wait:Lock", waiting)
    assert matches("blocked:18", waiting)
    assert matches("blocked:no,17", waiting)
    assert not matches("blocked:19", waiting)


def test_white_space_in_a_query_counts_as_shown() -> None:
    backend = make_backend(query="SELECT *\n\t FROM  invoices")
    assert matches('query~"\\* from invoices"', backend)
    assert matches('"* from invoices"', backend)
    assert matches('query:"SELECT * FROM invoices"', backend)


def test_quotes() -> None:
    assert matches('app:"a b,c"', make_backend(app="a b,c"))
    assert matches('app:"a ""b"""', make_backend(app='a "b"'))
    assert matches('app:"a b"*', make_backend(app="a b c"))
    assert matches('app:"",x', make_backend(app=""))
    assert not matches('!app:""', make_backend(app=""))
    assert matches('"!"', make_backend(query="a != b"))
    assert matches('"WHERE id = $1"', make_backend())


def test_controls_in_a_name_match_as_they_are_shown() -> None:
    assert matches("role:ev\x1b[31mil", make_backend(role=clean("ev\x1b[31mil")))
    assert parse("role:ev\x1b").text == "role:ev␛"


@pytest.mark.parametrize(
    "term", ["state:idle", "type:*", "client:local", "wait:*", "query~.*", "idle>0", "age>0", "xact>0", "query_age<1d"]
)
@pytest.mark.parametrize("negation", ["", "!"])
def test_hidden_matches_neither_plain_nor_negated(term: str, negation: str) -> None:
    assert not matches(negation + term, make_hidden())


def test_hidden_row_is_known_by_role_database_application_and_pid() -> None:
    hidden = make_hidden(role="web", database="shop", app="billing")
    assert matches("role:web db:shop app:b* pid:4712 !role:x billing", hidden)
    # A column that is hidden could hold the word.
    assert not matches("!nothing", hidden)


def test_hidden_leak_and_blockers_are_unknown_unless_found() -> None:
    assert not any(
        matches(text, make_hidden()) for text in ("leak:no", "leak:yes", "!leak:yes", "blocked:no", "!blocked:1")
    )
    assert matches("blocked:1", make_hidden(blocked_by=(1,)))


def test_tracking_switched_off_leaves_activity_unknown() -> None:
    disabled = make_backend(state="disabled", query="", query_start=None, state_change=None, wait_event_type="")
    for term in ("idle>0", "xact>0", "query_age>0", "state_age>0", 'query:""', 'wait:""'):
        assert not matches(term, disabled)
        assert not matches(f"!{term}", disabled)
    assert matches("state:disabled !state:idle age>1m client:10.2.0.17", disabled)


def test_idle_is_false_for_what_is_not_idle() -> None:
    active = make_backend(state=ACTIVE)
    assert not matches("idle>10s", active)
    assert not matches("idle<10d", active)
    assert matches("!idle>10s !idle<10d", active)


def test_background_processes_have_known_empty_columns() -> None:
    assert matches('type:checkpointer role:"" client:"" state:"" !idle>1s leak:no', make_background())
    assert matches("type:walsender state:active role:replicator", make_walsender())


@pytest.mark.parametrize("key", KEYS)
def test_mentions(key: str) -> None:
    value = {"pid": ":1", "leak": ":yes", "blocked": ":yes", "client": ":local", "state": ":idle"}.get(key, ":x")
    text = f"{key}{'>1s' if key in DURATION_KEYS else value}"
    assert parse(text).mentions(key)
    assert parse(f"role:x !{text}").mentions(key)
    assert not parse("").mentions(key)
    assert not parse(f'"{text}" {key}').mentions(key)
    assert HELP[key]


@pytest.mark.parametrize(
    ("text", "pointed", "expected"),
    [
        ("app:web stat:idle", "stat:idle", "did you mean state?"),
        ("user:x", "user:x", "did you mean role?"),
        ("10:30", "10:30", "put it in quotes"),
        (":x", ":x", "expected a key"),
        ("idle:10m", "idle:10m", "write idle>10m"),
        ("xact~3", "xact~3", "write xact>10m"),
        ("idle>", "idle>", "expected one like 90s"),
        ("idle>=10m", "idle>=10m", "expected one like 90s"),
        ("idle>10x", "idle>10x", "expected one like 90s"),
        ("idle>1e3", "idle>1e3", "expected one like 90s"),
        ("idle>-1", "idle>-1", "expected one like 90s"),
        ("idle>10m,20m", "idle>10m,20m", "expected one like 90s"),
        ("app>3", "app>3", "write app:value or app~"),
        ("leak>3", "leak>3", "write leak:yes"),
        ("leak:maybe", "leak:maybe", "write leak:yes or leak:no"),
        ("blocked:maybe", "blocked:maybe", "blocked:4711"),
        ("pid:x", "pid:x", "write pid:4711"),
        ("pid~4", "pid~4", "write pid:4711"),
        ("pid:４", "pid:４", "write pid:4711"),
        ("pid:" + "9" * 4000, "pid:" + "9" * 4000, "write pid:4711"),
        ("state:idel", "state:idel", "did you mean idle"),
        ("!state:zzz", "!state:zzz", "expected idle, active"),
        ("client:web1", "client:web1", "10.2.0.0/16, or local"),
        ("client:10.2.0.0/33", "client:10.2.0.0/33", "10.2.0.0/16, or local"),
        ("app: web", "app:", 'written ""'),
        ("app:a,,b", "app:a,,b", "each comma"),
        ("a,", "a,", "before and after each comma"),
        ("web !", "!", "expected one term after !"),
        ("!!web", "!!web", "expected one term after !"),
        ('x "abc d', '"abc d', "not closed"),
        ('app:a" ', 'app:a" ', "not closed"),
        ('""', '""', "between the quotes"),
        ("bill*", "bill*", "app:web*"),
        ("state=idle", "state=idle", "write state:value"),
        ("idle!=3", "idle!=3", "write idle>10m"),
        ("query~", "query~", "expected a value"),
        ('query~""', 'query~""', "expected a regular expression"),
        ("query~[", "query~[", "no regular expression"),
        ("query~(?P<a", "query~(?P<a", "no regular expression"),
        ("query~a{99999999999}", "query~a{99999999999}", "no regular expression"),
        ("query~a++b", "query~a++b", "cannot have a repeat that ends in +; write it simpler"),
        (r"query~(a)\1", r"query~(a)\1", r"cannot have the reference \1; write it simpler"),
        ("query~(?=a)", "query~(?=a)", "cannot have the group (?=a; write it simpler"),
        ("query~(a{99}){99}", "query~(a{99}){99}", "cannot have so many repeats; write it simpler"),
        ("query~" + "a" * 201, "query~" + "a" * 201, "longer than 200"),
        ("\u3000role:x zzz:1", "zzz:1", "the keys are"),
    ],
)
def test_error_points_at_the_word_and_says_what_was_expected(text: str, pointed: str, expected: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse(text)
    error = raised.value
    assert error.text[error.start : error.end] == pointed
    assert expected in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d{1,3}\.){3}\d+",
        "(?i)in",
        r"\(a+\)+",
        "[(+]+",
        "(abc)+",
        "(a|b)c*",
        "[[a]--b]",
        "(a+)+",
        "(a|aa)*b",
        "(ab)?c+",
    ],
)
def test_harmless_expressions_are_accepted(pattern: str) -> None:
    parse(f'query~"{pattern}"')


def test_wildcards_are_never_slow() -> None:
    backend = make_backend(query="a" * 100_000)
    # Trying every way to divide the text would not end.
    assert not matches("query:" + "*a" * 60 + "*b", backend)


def test_two_thousand_rows_with_every_kind_of_term() -> None:
    rows = [make_backend(pid, query="SELECT a,\n b FROM invoices " * 20) for pid in range(2000)]
    chosen = parse("state:idle idle>10s app:w* role:web,app client:10.2.0.0/16 query~invoices !db:postgres")
    assert sum(chosen.matches(row, NOW, TAGS) for row in rows) == 2000


def test_tags_are_bound_to_the_session_not_to_its_pid() -> None:
    tags = Tags(leak={BackendKey(4711, NOW - 3600.0): "old"})
    assert matches("leak:yes", make_backend(), tags)
    assert not matches("leak:yes", make_backend(backend_start=NOW - 1.0), tags)
