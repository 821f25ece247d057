"""SQL in colours: what is which, nothing lost, and fast whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.view.dialogs.sql_highlight import COMMENT, KEYWORD, LITERAL, PLAIN, lines


def styled(text: str, style: str) -> list[str]:
    return [cell.text for line in lines(text) for cell in line if cell.style == style]


def test_keywords_literals_and_comments_are_told_apart() -> None:
    text = "SELECT name, 'it''s', 42, $1 FROM \"select\" -- the end\nWHERE x = $tag$ a 'b' $tag$ AND selected"
    assert styled(text, KEYWORD) == ["SELECT", "FROM", "WHERE", "AND"]
    assert "".join(styled(text, LITERAL)) == "'it''s'42$1$tag$ a 'b' $tag$"
    assert styled(text, COMMENT) == ["-- the end"]
    assert any('"select"' in text for text in styled(text, PLAIN))


@pytest.mark.parametrize(
    ("text", "style", "expected"),
    [
        ("/* a /* nested */ one */ SELECT", COMMENT, ["/* a /* nested */ one */"]),
        ("SELECT 'cut o", LITERAL, ["'cut o"]),
        ("SELECT E'a\\'b' FROM t", LITERAL, ["E'a\\'b'"]),
        ("SELECT $body$ cut", LITERAL, ["$body$ cut"]),
        ("/* cut off\nSELECT 1", COMMENT, ["/* cut off", "SELECT 1"]),
        ("SELECT t1.a2, col$3$x FROM t1", LITERAL, []),
        ("SELECT 1.5e3, a[7]", LITERAL, ["1.5e3", "7"]),
        ("[/bold] [@click=app.quit]x[/]", PLAIN, ["[/bold] [@click=app.quit]x[/]"]),
    ],
)
def test_what_is_cut_nested_or_hostile_is_what_it_looks_like(text: str, style: str, expected: list[str]) -> None:
    assert styled(text, style) == expected


@given(st.text(alphabet="ab1'\"$-/*\\\n\t eE;[]é漢", max_size=80))
def test_no_character_is_lost_or_added(text: str) -> None:
    plain = "\n".join("".join(cell.text for cell in line) for line in lines(text))
    assert plain == "\n".join(line.expandtabs(4) for line in text.split("\n"))


@pytest.mark.parametrize("part", ["SELECT 1, 'x' ", "$a", "$a$ ", "/* ", "'", "E'\\", '"', "-- x\n", "a" * 50, "x$"])
def test_100_kilobytes_of_anything_are_read_at_once(part: str) -> None:
    text = (part * (100_000 // len(part) + 1))[:100_000]
    # Reading that goes back would not end within any test's time.
    lines(text)


def test_many_tags_that_nothing_closes_do_not_add_up() -> None:
    text = " ".join(f"$t{number}$" for number in range(12_000))
    assert lines(text)[0][-1].style == LITERAL
