"""Names of applications as servers and poolers decorate them: read once, found by filters, and never lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.application_name import CUT_AT, AppName, app_name, raw_name
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.text import clean
from tests.support.data.factories import NOW, make_backend

HOSTS = ("10.0.0.7:5123", "[::1]:5432", "[2001:db8::7]:65535", "unix:6432", "unix(4711@web):6432")


@pytest.mark.parametrize(
    ("raw", "name", "host"),
    [
        ("web", "web", ""),
        ("", "", ""),
        ("web - 10.0.0.7:5123", "web", "10.0.0.7:5123"),
        ("pgtop-conn - unix(4711@web):6432", "pgtop-conn", "unix(4711@web):6432"),
        ("a - b - [::1]:5432", "a - b", "[::1]:5432"),
        (r"B\xc3\xbcro", "Büro", ""),
        (r"B\xc3\xbcro - 10.0.0.7:5123", "Büro", "10.0.0.7:5123"),
        # What is no such thing stays as it is.
        ("web - 10.0.0.7", "web - 10.0.0.7", ""),
        ("web - shop", "web - shop", ""),
        ("web - 10.0.0.7:5123 x", "web - 10.0.0.7:5123 x", ""),
        (r"C:\xampp", r"C:\xampp", ""),
        (r"\x41\x1b", r"\x41\x1b", ""),
        (r"\xc3", r"\xc3", ""),
        (r"\xe2\x80\xae", r"\xe2\x80\xae", ""),
        ("x" * 50 + " - 10.0.0.7:5", "x" * 50, "10.0.0.7:5"),
    ],
)
def test_the_name_that_was_meant_and_the_host(raw: str, name: str, host: str) -> None:
    assert app_name(raw) == AppName(name, host)
    assert raw_name(name, host) == raw


@pytest.mark.parametrize(
    "rest", ["10.0.0.7", "10.0.0.7:", "10.0.0.7:512", "10.0.", "unix(", "unix(4711@w", "[2001", "[::1]:"]
)
def test_a_host_that_was_cut_off_is_no_part_of_the_name(rest: str) -> None:
    """A server keeps 63 bytes."""
    raw = f" - {rest}".rjust(CUT_AT, "w")
    found = app_name(raw)
    assert (found.name.strip("w"), bool(found.host)) == ("", True)
    assert raw_name(*found) == raw


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), max_size=15),
    st.sampled_from(("", *HOSTS)),
)
def test_what_a_server_escapes_is_read_again(name: str, host: str) -> None:
    name = clean(name)
    stored = raw_name(name, host)
    assert stored.isascii()
    found = app_name(stored)
    assert raw_name(*found) == stored
    if "\\x" not in name and " - " not in name and "\ufffd" not in name:
        assert found == (name, host)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=63))
def test_nothing_that_a_server_can_store_is_lost(raw: str) -> None:
    found = app_name(raw)
    assert raw_name(*found) == raw
    assert clean(found.name) == found.name


@pytest.mark.parametrize(
    "text",
    ["app:web", "app:we*", 'app:"web - 10.0.0.7:5123"', "app~^web$", "app~5123", "10.0.0.7", "!app:other"],
)
def test_a_filter_finds_the_name_with_the_host_and_without(text: str) -> None:
    assert parse(text).matches(make_backend(app="web - 10.0.0.7:5123", client="10.9.9.9"), NOW)


def test_a_session_is_made_of_the_name_that_was_meant() -> None:
    row = make_backend(app=r"B\xc3\xbcro - 10.0.0.7:5123")
    assert (row.app, row.app_host, row.whole_app) == ("Büro", "10.0.0.7:5123", "Büro - 10.0.0.7:5123")
    assert row.pool == ("Büro", "app", "shop")
    assert make_backend(app="pgtop-conn - 10.0.0.7:5123").pool is None
