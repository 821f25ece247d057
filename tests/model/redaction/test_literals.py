"""No literal of a query text survives, whatever stands around it and wherever the text is cut."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pgtop_conn.model.redaction import secret_words
from pgtop_conn.model.redaction.literals import masked, shape, shown
from pgtop_conn.model.text import clean_query
from tests.support.data.secret_statements import MAY_HOLD

TraceFunction = Callable[[FrameType, str, Any], Any]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("SELECT 1", "SELECT ?"),
        ("SELECT -1.5e-3, .5, 0x1F, 1_000, 1.", "SELECT -?, ?, ?, ?, ?"),
        ("SELECT a1, t.b2, $1, $2::int, x[3]", "SELECT a1, t.b2, $1, $2::int, x[?]"),
        ("SELECT 'it''s'", "SELECT ?"),
        (r"SELECT E'it\'s', e'\\', a", "SELECT ?, ?, a"),
        ("SELECT E'a'\n  'b\\'c', d", "SELECT ?, d"),
        (r"SELECT '\\', a", "SELECT ?, a"),
        ("SELECT U&'d\\0061t' UESCAPE '!', B'01', X'FF', N'x'", "SELECT ? UESCAPE ?, ?, ?, ?"),
        ("SELECT $$ ' $$, $a$ $$ x $a$, a$b$c", "SELECT ?, ?, a$b$c"),
        ('SELECT "a 1 \'x\'" FROM "T"', 'SELECT "a 1 \'x\'" FROM "T"'),
        ('SELECT U&"d\\0061t", E."x"', 'SELECT U&"d\\0061t", E."x"'),
        ("SELECT 1 -- secret 2\n, 3 /* a /* b */ 4 */ + 5", "SELECT ? \n, ?   + ?"),
        ("SELECT DATE'2020-01-01', interval '1 day'", "SELECT DATE?, interval ?"),
        ("COPY t FROM '/etc/passwd' WITH (DELIMITER ';')", "COPY t FROM ? WITH (DELIMITER ?)"),
        ("INSERT INTO t VALUES (1, 'a'), (2, NULL)", "INSERT INTO t VALUES (?, ?), (?, NULL)"),
        ("ALTER ROLE a PASSWORD 'x' VALID UNTIL '2030-01-01'", "ALTER ROLE a PASSWORD ? VALID UNTIL ?"),
        ('create user a encrypted password "x y"', "create user a encrypted password ?"),
        ("BEGIN; ALTER USER a PASSWORD hunter2", "BEGIN; ALTER USER a PASSWORD ?"),
        ("ALTER ROLE a PASSWORD NULL", "ALTER ROLE a PASSWORD NULL"),
        ("SELECT password FROM users", "SELECT password FROM users"),
        ("SELECT a FROM t WHERE b = 'cut in the mid", "SELECT a FROM t WHERE b = ?"),
        ("SELECT $a$ cut $a", "SELECT ?"),
        ('SELECT "cut', "SELECT ?"),
        ("SELECT E'cut\\", "SELECT ?"),
        ("SELECT 1 /* cut", "SELECT ?"),
        ("SELECT␍$$x$$", "SELECT␍?"),
        ("SELECT a ? 'b', c->>'d', e #> '{f}'", "SELECT a ? ?, c->>?, e #> ?"),
    ],
)
def test_masked(query: str, expected: str) -> None:
    assert masked(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        r"SELECT 'it\'s a secret', a FROM t",
        r"SELECT 'C:\', 'secret', b",
        r"SELECT '\', E'\'secret', 'secret'",
        r"""SELECT '\' "secret ' secret " secret """,
        "SELECT E'a' -- '\n 'b\\'secret', '\\', 'secret'",
    ],
)
def test_what_can_be_read_in_two_ways_is_masked(query: str) -> None:
    found = masked(query)
    assert "secret" not in found
    assert found.startswith("SELECT")
    assert masked(found) == found


@pytest.mark.parametrize(
    "queries",
    [
        ["SELECT a FROM t WHERE b = 1", "SELECT a\n\tFROM t  WHERE b = 'x' -- y", "SELECT a FROM t WHERE b = $1"],
        ["SELECT a WHERE b IN (1)", "SELECT a WHERE b IN ( 1,-2 , 3)", "SELECT a WHERE b IN ($1, $2)"],
        ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, NULL), (2, 'b'::text)"],
        ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, 'a'), (2", "INSERT INTO t VALUES (1, 'a'), ("],
        ["SELECT a = ANY(ARRAY[1])", "SELECT a = ANY(ARRAY[1, 2, 3])"],
        ["SELECT a WHERE b IN (1, 2", "SELECT a WHERE b IN (1, 2, 'cu", "SELECT a WHERE b IN (1,"],
    ],
)
def test_one_shape_for_one_code_path(queries: list[str]) -> None:
    assert len({shape(query) for query in queries}) == 1


def test_shapes_of_other_code_paths_differ() -> None:
    queries = ["SELECT a FROM t", "SELECT b FROM t", "select a FROM t", "SELECT a FROM u WHERE x = 1", "SELECT f(a, 1)"]
    assert len({shape(query) for query in queries}) == len(queries)
    assert shape("SELECT a\n FROM t WHERE id IN (1, 2)") == "SELECT a FROM t WHERE id IN (?)"


_INSIDE = st.text(st.sampled_from('zq;-/* \n"$\\e(),.1'), max_size=12)
#: Literals that hold a word which stands nowhere else; `inside` is made harmless for the quotes around it.
_LITERALS = st.one_of(
    _INSIDE.map(lambda inside: "'SECRET" + inside.replace("\\", "") + "''SECRET'"),
    _INSIDE.map(lambda inside: "E'SECRET" + inside.replace("\\", r"\\") + r"\'SECRET'"),
    _INSIDE.map(lambda inside: "'SECRET" + inside.replace("\\", "") + "\\'"),
    _INSIDE.map(lambda inside: "$t$SECRET" + inside.replace("$", "") + "'$t$"),
    _INSIDE.map(lambda inside: "$$SECRET" + inside.replace("$", "") + "'$$"),
    _INSIDE.map(lambda inside: "U&'SECRET" + inside.replace("\\", "") + "'"),
    st.just("X'5EC12E7'"),
    st.sampled_from(["5123456", "0x5EC12E7", "51234.56e-7", ".512345"]),
    _INSIDE.map(lambda inside: "/* SECRET' /* */" + inside.replace("*", "").replace("/", "") + "*/"),
    st.just("-- SECRET's\n"),
)
_CODE = st.sampled_from(
    [
        "a",
        "E",
        "_e",
        "SELECT",
        "$1",
        '"it\'s"',
        '"--"',
        "(",
        ")",
        ", ",
        "::text",
        " - ",
        " / ",
        "é",
        "->>",
        ";",
        "u.b",
        "␍",
    ]
)


#: To the server, a string with escapes goes on in the one behind a comment's line break, and so do its escapes: a
#: backslash at the end of that one leaves it open, and what was meant to be the next literal is code.
_LEFT_OPEN = re.compile(r"[eE]'(?:[^'\\]|\\.|'')*'[^']*--[^\n]*\n\s*'[^']*\\'", re.DOTALL)


@given(st.lists(st.one_of(_LITERALS, _CODE), max_size=12), st.integers(0, 300))
def test_no_literal_survives_wherever_the_text_is_cut(parts: list[str], cut: int) -> None:
    assume(not _LEFT_OPEN.search(" ".join(parts)))
    for query in (" ".join(parts), " ".join(parts)[:cut]):
        for text in (masked(query), shape(query)):
            assert "SECRET" not in text
            assert "5EC" not in text
            assert "512" not in text


@given(st.text(st.sampled_from("'\"$a;-/*\\\nE \t1.?(),&uU_é␍bx"), max_size=40))
def test_masking_twice_changes_nothing(query: str) -> None:
    once = masked(query)
    assert masked(once) == once
    assert shape(once) == shape(query)
    assert shape(shape(query)) == shape(query)


@example("\xa00")
@given(st.text(max_size=60))
def test_any_text_is_read(query: str) -> None:
    assert masked(masked(query)) == masked(query)
    assert "\n" not in shape(query)


_PARTS = """/**/ /* ' " $a$ $ ; E'\\' \\' ( */ $1 (?, (?), 1, 1e 1. ARRAY[1, U& - . (((?"""


@pytest.mark.parametrize(
    "part",
    [*_PARTS.split(), "\n", " ", "--\n", "a ", "'' ", "E''\n", "(? ", "(1,2)\n", "E'' --\n", "CREATE USER PASSWORD "],
)
def test_no_text_takes_long(part: str) -> None:
    query = part * (500_000 // len(part)) + "'"
    # Reading that goes back would not end within any test's time.
    masked(query)
    shape(query)


def test_texts_of_one_shape_keep_it_once() -> None:
    assert shape("SELECT 1 FROM kept_once") is shape("SELECT 2 FROM kept_once")


#: A word that stands nowhere else, written in every way in which PostgreSQL takes a text.
_VALUES = st.sampled_from(
    [
        "'S3CRETWORD'",
        "E'x\\'S3CRETWORD'",
        "e'S3CRETWORD\\\\'",
        "'it''s S3CRETWORD'",
        "U&'\\0041S3CRETWORD' UESCAPE '!'",
        "N'S3CRETWORD'",
        "$$S3CRETWORD'$$",
        "$tag$ S3CRETWORD $$ $tag$",
        "'a'\n  'S3CRETWORD'",
        "X'53C4E7'",
        "53C4E7",
        "0x53C4E7",
        "53C_4E7.5e-3",
        "'S3CRETWORD'::text",
        "CAST('S3CRETWORD' AS text)",
        "text 'S3CRETWORD'",
        "/* S3CRETWORD */ 'x'",
        "'x' -- S3CRETWORD\n",
    ]
)
#: The same where a value may be written like a name.
_BARE = st.one_of(_VALUES, st.sampled_from(["S3CRETWORD", '"S3CRETWORD"', "S3CRETWORD, S3CRETWORD", '"a;S3CRETWORD"']))
_NAMES = st.sampled_from(["app.password", '"app"."x"', 'U&"app"', "search_path", "session app.pin", "update", "a.b.c"])
_HOLES = st.sampled_from(
    [
        "SELECT f({value})",
        "INSERT INTO t (a, b) VALUES (1, {value}), ({value}, 2)",
        "UPDATE t SET a = {value} WHERE b = {value}",
        "COPY t FROM PROGRAM {value}",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password {value})",
        "CREATE SUBSCRIPTION s CONNECTION {value} PUBLICATION p",
        "SELECT set_config('app.password', {value}, false)",
        "SELECT dblink_connect({value})",
        "SELECT hmac(data, {value}, 'sha256') FROM t",
        "EXECUTE p({value})",
        "NOTIFY c, {value}",
        "DO {value}",
        "PREPARE p AS SELECT {value}",
        "EXPLAIN (ANALYZE, COSTS off) SELECT {value}",
        "COMMENT ON TABLE t IS {value}",
    ]
)
_BARE_HOLES = st.sampled_from(
    [
        "SET {name} TO {value}",
        "SET LOCAL {name} = {value}",
        "ALTER ROLE {name} SET {name} = {value}",
        "ALTER DATABASE d SET {name} TO {value}",
        "ALTER SYSTEM SET {name} = {value}",
        "ALTER ROLE update SET {name} = {value}",
        "EXPLAIN ALTER ROLE a SET {name} TO {value}",
    ]
)
#: One word only, as nobody may write it, and as the server shows it all the same.
_PASSWORDS = st.sampled_from(
    [
        "ALTER ROLE a PASSWORD {word}",
        "CREATE USER a WITH LOGIN ENCRYPTED PASSWORD {word} VALID UNTIL 'x'",
        'ALTER USER "a;b" PASSWORD {word}',
        "EXPLAIN ALTER ROLE a PASSWORD {word}",
        "PREPARE p AS ALTER ROLE a PASSWORD {word}",
        "CREATE USER a IDENTIFIED BY {word}",
        "ALTER SERVER s OPTIONS (SET password {word} )",
        "SET PASSWORD FOR a = {word}",
        "SELECT * FROM users WHERE token = {word} AND a = b",
        'SELECT * FROM users u WHERE "u"."password" = {word}',
        "SELECT f(api_key => {word})",
    ]
)
_SPACES = st.sampled_from([" ", "\n", "\t", "␋", "␌", "\r", " /* a */ ", " -- b\n", "  "])


@st.composite
def _planted(draw: st.DrawFn) -> str:
    """A statement with a secret in it, perhaps behind another one, its white space of any kind."""
    kind = draw(st.integers(0, 2))
    if kind == 0:
        text = draw(_HOLES).format(value=draw(_VALUES))
    elif kind == 1:
        text = draw(_BARE_HOLES).format(value=draw(_BARE), name=draw(_NAMES))
    else:
        text = draw(_PASSWORDS).format(word=draw(st.sampled_from(["S3CRETWORD", '"S3CRETWORD"', "'S3CRETWORD'"])))
    if "'" not in text and '"' not in text:
        text = draw(_SPACES).join(text.split(" "))
    before = draw(st.sampled_from(["", "BEGIN; ", "/* x */ ", "-- x\n", "SELECT 1;", "UPDATE t SET a = b;"]))
    return before + text


@given(_planted(), st.integers(0, 200))
def test_a_secret_does_not_survive_wherever_a_statement_has_one(text: str, cut: int) -> None:
    for query in (text, clean_query(text), text[:cut], clean_query(text)[:cut]):
        for found in (shown(query, redact=True), shape(query)):
            assert "S3C" not in found
            assert "53C" not in found
        once = masked(query)
        assert masked(once) == once


@pytest.mark.parametrize("query", MAY_HOLD)
def test_what_may_hold_a_secret_is_masked_without_being_asked(query: str) -> None:
    found = shown(query, redact=False)
    assert "S3CRET" not in found
    assert "CRET" not in found


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM subscriptions WHERE user_key = 5 AND pinned = 'x'",
        "UPDATE t SET a = b, c = 1 WHERE d = 2",
        "SET search_path TO a, b",
        "SELECT * FROM t WHERE url = 'https://example.com/a' AND compass = 1",
    ],
)
def test_an_ordinary_statement_is_shown_as_it_is(query: str) -> None:
    assert shown(query, redact=False) == query


def _steps(query: str) -> int:
    """How many lines of Python the looking for secrets takes, which no other process has a part in."""
    count = 0

    def line(_frame: FrameType, event: str, _argument: object) -> TraceFunction:
        nonlocal count
        count += event == "line"
        return line

    def called(frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        return line if frame.f_code.co_filename == secret_words.__file__ else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        secret_words.without_secrets(query)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "part", ["SET ", "SET a ", "SET a.b.c ", "CREATE USER PASSWORD.", "token=a ", "pwd=", "pwd=a.", "PASSWORD ", "://"]
)
def test_looking_for_secrets_takes_as_long_as_the_text_is(part: str) -> None:
    short, long = (_steps(part * count) for count in (500, 2000))
    assert long <= 4 * short + 100
