"""The border for text from outside: nothing that a terminal acts on, or that hides, gets past it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from pgtop_conn.model.text import clean, clean_query, decode, one_line

#: Every code point, surrogates included: what decode() never makes, an argument of the command line may hold.
any_text = st.text(st.characters(codec=None, categories=None), max_size=60)

#: Code points without a width or a shape of their own that Unicode does not count as controls or formats.
BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
)


def harmful(char: str) -> bool:
    code = ord(char)
    control = code < 0x20 or 0x7F <= code < 0xA0
    return control or unicodedata.category(char) in ("Cf", "Cs", "Co", "Cn", "Zl", "Zp") or char in BLANK_LETTERS


@given(any_text)
@example("\x1b[31mred\x9b31m\x7f\r\n\t")
@example("\u202eevil\u200b\u2066\ufeff\u061c\u2028")
@example(BLANK_LETTERS)
def test_clean_leaves_nothing_harmful_and_keeps_the_length(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert not any(harmful(char) for char in cleaned)
    assert clean(cleaned) == cleaned


def test_every_code_point_alone() -> None:
    wrong = [code for code in range(0x110000) if harmful(clean(chr(code)))]
    assert wrong == []


@given(any_text)
def test_clean_changes_only_what_is_harmful(text: str) -> None:
    assert all(after == before for before, after in zip(text, clean(text), strict=True) if not harmful(before))


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_ascii_is_unchanged(text: str) -> None:
    assert clean(text) == text
    assert clean_query(text) == text


@pytest.mark.parametrize(
    "text", ["größe", "日本語", "Ωμέγα", "имя", "한국", "naïve “quotes” — …", "🐘", "עברית", "e\u0301"]
)
def test_writing_is_unchanged(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31m", "␛[31m"), ("a\nb\tc\0", "a␊b␉c␀"), ("\x7f", "␡"), ("\x9b", "\ufffd"), ("\u202e", "\ufffd")],
)
def test_what_is_replaced_is_seen(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(any_text)
def test_a_cleaned_control_takes_one_cell(text: str) -> None:
    assert all(cell_len(after) == 1 for before, after in zip(text, clean(text), strict=True) if harmful(before))


@given(any_text)
def test_clean_query_keeps_newlines_and_tabs_alone(text: str) -> None:
    cleaned = clean_query(text)
    assert len(cleaned) == len(text)
    assert not any(harmful(char) for char in cleaned if char not in "\n\t")
    assert [char if char in "\n\t" else clean(char) for char in text] == list(cleaned)
    assert clean_query(cleaned) == cleaned


@given(any_text)
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(clean_query(text))
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert "  " not in line
    assert one_line(line) == line


@given(st.binary())
def test_bytes_of_any_encoding_are_text(raw: bytes) -> None:
    assert len(decode(raw).encode()) >= len(raw)


def test_utf8_is_decoded_exactly() -> None:
    assert decode("größe".encode()) == "größe"
    assert decode("größe".encode("latin-1")) == "gr\ufffd\ufffde"


def test_a_query_differs_from_other_text_in_newline_and_tab_alone() -> None:
    for code in range(0x110000):
        text = f"a{chr(code)}b"
        assert clean_query(text) == (text if code in (0x0A, 0x09) else clean(text)), hex(code)
