"""Expressions that are searched in time proportional to the text: the same answers as Python's own, and never slow."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.filters.linear_regex import Expression, Unsupported
from tests.support.data.factories import NOW, make_backend

TEXTS = st.text(st.sampled_from("abAB1_ .ſKé"), max_size=12)
ATOMS = st.sampled_from(
    ["a", "b", "B", ".", r"\w", r"\W", r"\d", r"\s", "[ab]", "[^a]", "[]a]", r"[\w.]", r"\.", "_", "é", "k", r"\x61"]
)
ANCHORS = st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{,2}", "{2,}", "{0}", "*?", "+?", "??", "{1,2}?"])


def grown(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = st.tuples(st.sampled_from(["(", "(?:"]), children, st.just(")"), REPEATS).map("".join)
    return st.one_of(
        groups,
        st.lists(children, min_size=1, max_size=3).map("".join),
        st.lists(children, min_size=2, max_size=3).map("|".join).map("({})".format),
    )


PATTERNS = st.recursive(st.one_of(st.tuples(ATOMS, REPEATS).map("".join), ANCHORS), grown, max_leaves=8)


@settings(max_examples=1500)
@given(pattern=PATTERNS, text=TEXTS)
@example(pattern="(a*)*", text="")
@example(pattern="(a|b)*a(a|b){3}$", text="babab")
@example(pattern="x{", text="X{")
@example(pattern="(?i)(?P<name>A)b", text="ab")
@example(pattern="", text="a")
@example(pattern="a||b", text="")
def test_the_same_answer_as_pythons_own_engine(pattern: str, text: str) -> None:
    if not text and r"\B" in pattern:
        # Python changed its mind in 3.14 about an empty text.
        return
    try:
        found = Expression(pattern).search(text)
    except Unsupported:
        assert "{" in pattern
        return
    assert found == (re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None)


@given(st.text(st.sampled_from("ab()[]{}|*+?^$\\.,-12:P<>=!#i"), max_size=20))
def test_whatever_is_typed_is_read_as_python_does_or_refused(pattern: str) -> None:
    try:
        reference = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    except (re.error, OverflowError):
        with pytest.raises((re.error, OverflowError)):
            Expression(pattern)
        return
    except FutureWarning:
        return
    try:
        expression = Expression(pattern)
    except Unsupported:
        return
    for text in ("a", "ab12", "(a)", "a{,}b", "-", "a-b{1"):
        assert expression.search(text) == (reference.search(text) is not None)


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", "(?<!a)b", r"(a)\1", "(?P<n>a)(?P=n)", "a++", "a*+", "(?>a)b", "(?x)a b", "(a{99}){99}"]
)
def test_what_an_automaton_cannot_do_is_refused(pattern: str) -> None:
    with pytest.raises(Unsupported):
        Expression(pattern)


#: A search that goes back and forth would not end with them, for which no clock is needed.
HOSTILE = [
    ("a.*b.*c.*d.*e", "abcd" * 255),
    ("(a+)+$", "a" * 1019 + "b"),
    ("(a|aa)*b", "a" * 1020),
    ("a?" * 60 + "a" * 60, "a" * 59),
    ("(a{1,9}){9}b", "a" * 1020),
    (r"(\w+\s?)*!", "word " * 204),
    (".*.*.*=.*", "x" * 1020),
    (r"\w+\d+\w+\d+x", "1" * 1020),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE, ids=[pattern[:16] for pattern, _ in HOSTILE])
def test_no_text_makes_a_search_slow(pattern: str, text: str) -> None:
    rows = [make_backend(pid, query=text[pid % 7 :]) for pid in range(2000)]
    chosen = parse(f'query~"{pattern}"')
    for row in rows:
        chosen.matches(row, NOW)


def test_not_even_many_different_characters() -> None:
    chance = random.Random(1)
    texts = ["".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(1000)) for _ in range(200)]
    expression = Expression("a.*b.*c|[^a]x+y")
    assert not any(expression.search(text) for text in texts)


def test_more_steps_than_are_remembered() -> None:
    """A pattern that needs one state for each of the last twelve characters."""
    chance = random.Random(2)
    expression = Expression("a[ab]{13}c")
    for _ in range(40):
        text = "".join(chance.choice("ab") for _ in range(1000))
        assert expression.search(text) is False
        assert expression.search(f"{text}c") is (text[-14] == "a")
