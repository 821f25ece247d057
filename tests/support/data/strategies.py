"""Hypothesis strategies: backends and snapshots as servers really show them, hidden rows and odd texts included."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from pgtop_conn.model.snapshot import ABORTED, ACTIVE, CLIENT_BACKEND, IDLE, IN_TRANSACTION, Backend, Server, Snapshot
from pgtop_conn.model.text import clean, clean_query
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_background,
    make_hidden,
    make_server,
    make_snapshot,
    make_walsender,
)

STATES = (ACTIVE, IDLE, IN_TRANSACTION, ABORTED, "fastpath function call", "disabled", "starting")
NAMES = ("app", "web", "Web", "billing-worker", "reporting", "a b", "x,y", "", "[red]", "größe", "日本", "postgres")
CLIENTS = ("local", "", "10.2.0.17", "10.2.1.9", "192.168.0.1", "::1", "fe80::1", "2001:db8::7")
WAITS = (("", ""), ("Client", "ClientRead"), ("Lock", "transactionid"), ("Lock", "relation"), ("LWLock", "WALWrite"))
QUERIES = (
    "",
    "SELECT * FROM invoices",
    "select 1",
    "COMMIT",
    "UPDATE t SET x = '[/b]'\n WHERE id = 1",
    "VACUUM ANALYZE",
)

#: Any text a server might send, before it is cleaned.
raw_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
names = st.one_of(st.sampled_from(NAMES), raw_text.map(clean))
pids = st.integers(1, 4_194_304)
ages = st.one_of(st.none(), st.floats(0, 400 * 86_400), st.sampled_from((0.0, 1.0, 60.0, 600.0, 3600.0)))
times = ages.map(lambda seconds: None if seconds is None else NOW - seconds)


@st.composite
def client_backends(draw: st.DrawFn, pid: st.SearchStrategy[int] = pids) -> Backend:
    """A client backend whose every column is ours to see."""
    state = draw(st.sampled_from(STATES))
    known = state != "disabled"
    wait_event_type, wait_event = draw(st.sampled_from(WAITS))
    client = draw(st.sampled_from(CLIENTS))
    return make_backend(
        draw(pid),
        backend_start=NOW - draw(st.floats(0, 400 * 86_400)),
        backend_type=CLIENT_BACKEND,
        role=draw(names),
        role_oid=draw(st.integers(16_384, 16_390)),
        database=draw(names),
        app=draw(names),
        client=client,
        client_port=draw(st.integers(1, 65_535)) if client not in ("", "local") else None,
        state=state,
        xact_start=draw(times) if known and state not in (IDLE, ABORTED) else None,
        query_start=draw(times) if known else None,
        state_change=draw(times.filter(lambda time: time is not None)) if known else None,
        wait_event_type=wait_event_type,
        wait_event=wait_event,
        query=draw(st.one_of(st.sampled_from(QUERIES), raw_text.map(clean_query))) if known else "",
        blocked_by=tuple(draw(st.lists(pids, max_size=2, unique=True))) if wait_event_type == "Lock" else (),
        wrote=draw(st.booleans()),
        holds_xmin=draw(st.booleans()),
        ssl=draw(st.booleans()),
    )


@st.composite
def backends(draw: st.DrawFn, pid: st.SearchStrategy[int] = pids) -> Backend:
    """A row of any kind: mostly client backends, sometimes hidden, a walsender or a background process."""
    kind = draw(st.sampled_from(("client", "client", "client", "hidden", "walsender", "background")))
    if kind == "client":
        return draw(client_backends(pid))
    if kind == "hidden":
        return make_hidden(draw(pid), role=draw(names), database=draw(names), app=draw(names))
    if kind == "walsender":
        return make_walsender(draw(pid), role=draw(names), app=draw(names))
    background = ("checkpointer", "autovacuum worker", "io worker", "logical replication launcher")
    return make_background(draw(pid), draw(st.sampled_from(background)))


@st.composite
def servers(draw: st.DrawFn) -> Server:
    """A server of any tested version with few enough slots to run out of."""
    version = draw(st.sampled_from((13, 14, 15, 16, 17, 18)))
    superuser = draw(st.booleans())
    return make_server(
        version_num=version * 10_000 + 4,
        version=f"{version}.4",
        max_connections=draw(st.integers(8, 60)),
        superuser_reserved=draw(st.integers(0, 3)),
        reserved=draw(st.integers(0, 3)) if version >= 16 else 0,
        in_recovery=draw(st.booleans()),
        superuser=superuser,
        can_signal=superuser or draw(st.booleans()),
    )


@st.composite
def snapshots(draw: st.DrawFn, max_size: int = 30) -> Snapshot:
    """A poll of up to `max_size` rows with distinct pids; rows are hidden only from a role that may not see all."""
    chosen = draw(st.lists(pids, max_size=max_size, unique=True))
    rows = [draw(backends(st.just(pid))) for pid in chosen]
    hidden = any(row.hidden for row in rows)
    server = draw(servers())
    if hidden:
        server = replace(server, superuser=False, sees_all=False)
    return make_snapshot(rows, server=server, counted_used=len(rows) if hidden else None)
