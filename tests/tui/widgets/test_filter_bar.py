"""The message below the filter line points at the word, whatever room there is."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from pgtop_conn.model.errors import FilterError
from pgtop_conn.model.filters.language import parse
from pgtop_conn.tui.widgets.filter_bar import PROMPT, pointing


def drawn(text: str, width: int) -> str:
    with pytest.raises(FilterError) as caught:
        parse(text)
    return "".join(cell.text for cell in pointing(caught.value, width))


def test_carets_stand_under_the_word_also_behind_wide_characters() -> None:
    line = drawn("app:漢字 rle:x", 120)
    assert line.index("^") == len(PROMPT) + cell_len("app:漢字 ")
    assert "role" in line


def test_at_the_right_edge_the_message_stands_before_the_carets() -> None:
    text = "app:a " * 17 + "rle:x"
    line = drawn(text, 112)
    assert line.rstrip().endswith("^")
    assert cell_len(line) <= 112
    assert "did you mean role" in line


def test_where_nothing_fits_beside_the_carets_the_message_stands_alone() -> None:
    line = drawn("app:aaaaaaaaaa rle:x", 46)
    assert "rle" in line
    assert line.startswith(PROMPT.replace("/", " "))
