"""Indented JSON is byte for byte what the standard library writes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.view.export.indented_json import pretty

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner))


@given(values)
def test_it_is_what_the_standard_library_writes(value: object) -> None:
    assert pretty(value) == json.dumps(value, ensure_ascii=False, indent=2)
