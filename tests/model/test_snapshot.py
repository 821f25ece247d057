"""Ages and identities of a poll."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IDLE, IN_TRANSACTION, BackendKey, Snapshot, age
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_background,
    make_hidden,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.strategies import snapshots


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_an_age_is_never_negative(at: float, since: float) -> None:
    seconds = age(at, since)
    assert seconds is not None
    assert seconds == max(0.0, at - since)


def test_ages() -> None:
    backend = make_backend(state=IN_TRANSACTION, xact_start=NOW - 5)
    assert backend.session_s(NOW) == 3600
    assert backend.xact_s(NOW) == 5
    assert backend.query_s(NOW) == 61
    assert backend.state_s(NOW) == 60


def test_ages_of_a_hidden_row_are_unknown() -> None:
    hidden = make_hidden()
    assert hidden.session_s(NOW) is hidden.xact_s(NOW) is hidden.query_s(NOW) is hidden.state_s(NOW) is None
    assert hidden.idle_s(NOW) is None
    assert not hidden.is_client


@pytest.mark.parametrize(
    ("state", "idle_s"),
    [(IDLE, 60.0), (IN_TRANSACTION, 60.0), (ABORTED, 60.0), (ACTIVE, None), ("disabled", None), (None, None)],
)
def test_idle_is_time_in_an_idle_state(state: str | None, idle_s: float | None) -> None:
    assert make_backend(state=state).idle_s(NOW) == idle_s


def test_aborted_transaction_has_no_start_and_is_aged_by_its_state() -> None:
    assert make_backend(state=ABORTED, xact_start=None, state_change=NOW - 9).xact_s(NOW) == 9


def test_only_client_backends_hold_a_slot() -> None:
    assert make_backend().is_client
    assert not make_walsender().is_client
    assert not make_background().is_client


def test_wait() -> None:
    assert make_backend().wait == "Client:ClientRead"
    assert make_backend(wait_event_type="", wait_event="").wait == ""


def test_never_queried() -> None:
    assert make_backend(query="", query_start=None).never_queried
    assert not make_backend().never_queried
    assert not make_backend(state=ACTIVE, query="", query_start=None).never_queried
    assert not make_hidden().never_queried


def test_unix_socket() -> None:
    assert make_server(host="/run/postgresql").is_unix_socket
    assert make_server(host="@abstract").is_unix_socket
    assert not make_server(host="db.example").is_unix_socket


@given(snapshots())
def test_a_session_is_found_by_its_identity_alone(snapshot: Snapshot) -> None:
    assert list(snapshot.by_key.values()) == list(snapshot.backends)
    for backend in snapshot.backends:
        assert snapshot.by_key[backend.key] is backend
        assert snapshot.find(backend.pid) is backend
        assert BackendKey(backend.pid, NOW + 1) not in snapshot.by_key


def test_rows_and_polls_compare_by_identity() -> None:
    assert make_backend() != make_backend()
    assert make_snapshot() != make_snapshot()
    assert make_snapshot().find(1) is None
