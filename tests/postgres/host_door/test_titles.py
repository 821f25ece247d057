"""Process titles: read from the right, never taken for more than they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.snapshot import ABORTED, ACTIVE, CLIENT_BACKEND, IDLE, IN_TRANSACTION, STARTING, WALSENDER
from pgtop_conn.postgres.host_door.titles import Title, cluster_prefix, parse

CASES = [
    ("web shop [local] idle", Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, IDLE)),
    ("web shop 10.2.0.7(5123) SELECT", Title(CLIENT_BACKEND, (("web", "shop"),), "10.2.0.7", 5123, ACTIVE, "SELECT")),
    (
        "web shop fe80::1%eth0(5123) UPDATE waiting",
        Title(CLIENT_BACKEND, (("web", "shop"),), "fe80::1%eth0", 5123, ACTIVE, "UPDATE", waiting=True),
    ),
    (
        "web shop [local] COMMIT waiting for 0/16B6C50",
        Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, ACTIVE, "COMMIT"),
    ),
    ("web shop [local] idle in transaction", Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, IN_TRANSACTION)),
    (
        "web shop [local] idle in transaction (aborted)",
        Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, ABORTED),
    ),
    ("web shop [local] authentication", Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, STARTING)),
    # update_process_title = off leaves the title of the login.
    ("web shop [local]", Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, None)),
    (
        "web shop [local] CREATE TABLE AS",
        Title(CLIENT_BACKEND, (("web", "shop"),), "local", None, ACTIVE, "CREATE TABLE AS"),
    ),
    (
        "walsender rep [local] streaming 0/1B6A8F8",
        Title(WALSENDER, (("rep", ""),), "local", None, ACTIVE, "streaming 0/1B6A8F8"),
    ),
    (
        "walsender rep shop ::1(77) START_REPLICATION",
        Title(WALSENDER, (("rep", "shop"),), "::1", 77, ACTIVE, "START_REPLICATION"),
    ),
    ("checkpointer", Title("checkpointer")),
    ("autovacuum worker shop", Title("autovacuum worker")),
    ("io worker 2", Title("io worker")),
    ("parallel worker for PID 4711", Title("parallel worker")),
    ("logical replication apply worker for subscription 16390", Title("logical replication worker")),
    ("something new", Title(None)),
    ("", Title(None)),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
@pytest.mark.parametrize("prefix", ["postgres: ", "postgres: demo: "])
def test_every_form(text: str, expected: Title, prefix: str) -> None:
    assert parse(prefix + text, prefix) == expected


def test_a_title_of_another_cluster_name_is_no_client() -> None:
    assert parse("postgres: web shop [local] idle", "postgres: demo: ").kind is None


def test_the_name_of_the_cluster_is_told_by_its_checkpointer() -> None:
    titles = ["postgres: a: b: web shop [local] idle", "postgres: a: b: checkpointer ", "postgres: a: b: walwriter"]
    assert cluster_prefix(titles) == "postgres: a: b: "
    assert cluster_prefix(["postgres: checkpointer"]) == "postgres: "
    # A client can't pass itself off as it: behind its names stands an address.
    assert cluster_prefix(["postgres: x checkpointer [local] idle"]) == "postgres: "


NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20)
ACTIVITIES = st.sampled_from(
    ["idle", "idle in transaction", "idle in transaction (aborted)", "SELECT", "UPDATE waiting"]
)


@given(NAMES, NAMES, ACTIVITIES)
def test_whatever_the_names_the_right_pair_is_among_those_read(role: str, database: str, activity: str) -> None:
    """Or it is taken for something that is never signalled; nobody passes for somebody else."""
    found = parse(f"postgres: {role} {database} 10.0.0.1(5432) {activity}")
    if found.kind == CLIENT_BACKEND:
        assert (found.client, found.port) == ("10.0.0.1", 5432)
        stripped = (role, database.rstrip(" "))
        assert (role, database) in found.names or stripped in found.names or found.ambiguous
        if " " not in role + database:
            assert found.names == ((role, database),)


@given(st.text())
def test_no_title_breaks_it(text: str) -> None:
    parse(f"postgres: {text}")
    cluster_prefix([text])
