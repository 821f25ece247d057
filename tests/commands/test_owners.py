"""Whose sessions they are, as typed: provider and labels in the JSON, the CSV, the table, groups and filters."""

from __future__ import annotations

import csv
import io
import json

import pytest

from pgtop_conn.demo.server import Cluster
from tests.conftest import MakeCluster
from tests.support.command_line import run
from tests.support.servers import Clients

LABELS = ("--labels", "Web shop=role:shop app:web;Nobody=client:10.0.0.0/8")


@pytest.fixture
async def supabase(make_cluster: MakeCluster, clients: Clients) -> Cluster:
    made = make_cluster(settings={"supautils.reserved_roles": "'x'"})
    for name in ("authenticator", "supabase_auth_admin", "shop"):
        await clients.role(made, name)
    await clients.many(3, made, role="authenticator", app="postgrest")
    await clients(made, role="supabase_auth_admin", app="gotrue")
    await clients.many(2, made, role="shop", app="web")
    await clients(made, role="shop", app="cron")
    return made


async def test_json_groups_filters_csv_and_table(supabase: Cluster) -> None:
    code, out, err = await run("snapshot", "--json", "--group", "source", *LABELS, supabase.uri())
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["server"]["provider"] == "Supabase"
    assert {found["key"]["source"]: found["count"] for found in told["groups"]} == {
        "PostgREST": 3,
        "Web shop": 2,
        "Other": 1,
        "Auth": 1,
        "Postgres": 1,
    }
    assert {one["source"] for one in told["backends"] if one["app"] == "gotrue"} == {"Auth"}
    assert {one["source"] for one in told["backends"] if one["backend_type"] == "checkpointer"} == {None}

    code, out, _ = await run("snapshot", "--csv", "--filter", 'source:"Web shop",Auth', *LABELS, supabase.uri())
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, sorted(row["source"] for row in rows)) == (0, ["Auth", "Web shop", "Web shop"])

    code, out, _ = await run("snapshot", *LABELS, supabase.uri(), environ={"COLUMNS": "140"})
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "SOURCE" in lines["APP"]
    assert "PostgREST" in lines["postgrest"]
    assert "Web shop" in lines["web"]


async def test_without_provider_and_labels_there_is_no_column(cluster: Cluster, clients: Clients) -> None:
    await clients.role(cluster, "shop")
    await clients(cluster, role="shop", app="web")
    _, out, _ = await run("snapshot", cluster.uri(), environ={"COLUMNS": "160"})
    assert "SOURCE" not in out
    _, out, _ = await run("snapshot", "--group", "source", cluster.uri())
    assert "(unlabelled)" in out
    _, out, _ = await run("snapshot", "--json", cluster.uri())
    told = json.loads(out)
    assert told["server"]["provider"] is None
    assert {one["source"] for one in told["backends"]} == {None}
