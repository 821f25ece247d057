"""What a running query text is asked about before it is ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.signalling.busy_queries import WORDS, busy_with


@pytest.mark.parametrize(
    ("query", "word"),
    [
        *((f"{word.lower()} something", word) for word in sorted(WORDS)),
        ("  /* nightly */ -- x\n vacuum (full) orders", "VACUUM"),
        ("BEGIN; CREATE INDEX ON t (a)", "CREATE"),
        ("SET x=1; VACUUM FULL t", "VACUUM"),
        (";VACUUM", "VACUUM"),
        (";;\n;\tVACUUM;", "VACUUM"),
        ("/* a /* b */ c */ VACUUM", "VACUUM"),
        ("/**/VACUUM", "VACUUM"),
        ("/* '; */ VACUUM", "VACUUM"),
        ("SELECT '/*'; VACUUM", "VACUUM"),
        ("SELECT '--'; VACUUM", "VACUUM"),
        ('SELECT "a;b--"; VACUUM', "VACUUM"),
        ("SELECT 'it''s'; VACUUM", "VACUUM"),
        (r"SELECT E'it\'s'; VACUUM", "VACUUM"),
        (r"SELECT E'\\'; VACUUM", "VACUUM"),
        (r"SELECT '\'; VACUUM", "VACUUM"),
        (r"SELECT 'it\'s'; VACUUM", "VACUUM"),
        ("SELECT $$ ' $$; VACUUM", "VACUUM"),
        ("SELECT $a$ $$ ' $a$; VACUUM", "VACUUM"),
        ("SELECT a$b FROM c$d; VACUUM", "VACUUM"),
        ("SELECT $1, $2; VACUUM", "VACUUM"),
        ("-- a\nVACUUM", "VACUUM"),
        ("-- a␍VACUUM", "VACUUM"),
        ("␍\nVACUUM", "VACUUM"),
        ("EXPLAIN ANALYZE CREATE TABLE a AS SELECT 1", "EXPLAIN"),
        ("explain (analyze, verbose) refresh materialized view a", "EXPLAIN"),
        ("SELECT a INTO b FROM c", "SELECT INTO"),
        ("WITH x AS (SELECT 1) SELECT * INTO TEMP y FROM x", "SELECT INTO"),
        ("(SELECT 1 INTO b)", "SELECT INTO"),
        ("INSERT INTO a VALUES (1); REASSIGN OWNED BY a TO b", "REASSIGN"),
    ],
)
def test_work_that_would_be_lost(query: str, word: str) -> None:
    assert busy_with(query) == word


@pytest.mark.parametrize(
    "query",
    [
        "",
        ";",
        "SELECT 1",
        "SELECT 'vacuum'",
        "SELECT 'x; VACUUM'",
        "SELECT $$; VACUUM$$",
        "SELECT $a$; VACUUM $$; VACUUM $a$",
        "SELECT 1 /* ; VACUUM */",
        "SELECT 1 /* ; /* */ VACUUM */",
        "SELECT 1 -- ; VACUUM",
        "SELECT id,\n  comment,\n  lock FROM t",
        'SELECT 1 AS ";VACUUM"',
        "EXPLAIN ANALYZE SELECT 1",
        "INSERT INTO a SELECT 1",
        "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
        "UPDATE a SET b = 1",
        "DELETE FROM a",
        "SELECT vacuum_count, into_x FROM create_log",
    ],
)
def test_ordinary_queries(query: str) -> None:
    assert busy_with(query) is None


@given(st.text(st.sampled_from("'\"$a;-/*\\\nE \t1"), max_size=30))
def test_whatever_stands_before_a_new_line_of_its_own(noise: str) -> None:
    """Any text is read to its end, and what it leaves open swallows no more than the server's own reading would."""
    closed = noise.count("'") + noise.count('"') + noise.count("$") + noise.count("\\") + noise.count("/*") == 0
    found = busy_with(f"{noise}\n;VACUUM")
    assert found == "VACUUM" or not closed


@pytest.mark.parametrize(
    "part",
    ["/**/", "/*", "'", '"', "$a$", "$", ";", "\n", "--\n", " ", "E'\\'", "\\'", "a ", "vacuum", "'' ", "(", "*/"],
)
def test_no_text_takes_long(part: str) -> None:
    query = part * (1_000_000 // len(part)) + "; VACUUM"
    # Reading that goes back would not end within any test's time.
    busy_with(query)


def test_two_thousand_ordinary_queries() -> None:
    queries = [f"SELECT a, b FROM created WHERE id = {number} AND {'x = 1 AND ' * 80} true" for number in range(2000)]
    assert not any(busy_with(query) for query in queries)
