"""What the README documents for scripts is what is printed: keys, their order, their types, columns and metrics."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.view.export.check import METRICS
from pgtop_conn.view.export.snapshot import CSV_COLUMNS
from tests.commands.test_check import DATUM, check
from tests.support.command_line import run, snapshot
from tests.support.servers import PROJECT, Clients

#: Maps whose keys are data.
OPEN = ("states", "key")


def block(kind: str) -> str:
    """The README's first block of this kind."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def differences(documented: object, printed: object, path: str = "") -> Iterator[str]:
    """Where a printed document is not as the documented one; null may stand for anything."""
    if documented is None or printed is None:
        return
    if isinstance(documented, dict) and isinstance(printed, dict):
        if path.rpartition(".")[2] in OPEN:
            return
        if list(documented) != list(printed):
            yield f"{path}: {list(printed)}"
        for key in documented.keys() & printed.keys():
            yield from differences(documented[key], printed[key], f"{path}.{key}")
    elif isinstance(documented, list) and isinstance(printed, list):
        for item in printed:
            yield from differences(documented[0], item, f"{path}[]")
    elif type(documented) is not type(printed) or not _is_word(documented, printed):
        yield f"{path}: {printed!r}"


def _is_word(documented: object, printed: object) -> bool:
    """Whether a value is one of the documented words, where those are listed."""
    return not isinstance(documented, str) or "|" not in documented or printed in documented.split("|")


@pytest.mark.parametrize("by", ["app", "query"])
async def test_the_json_is_as_documented(every_cluster: Cluster, clients: Clients, by: str) -> None:
    role = await clients.role(every_cluster, "reporting", "LOGIN CONNECTION LIMIT 5")
    holder = await clients(every_cluster, role=role)
    await holder.execute("BEGIN; SELECT 1")
    found = await snapshot(every_cluster, "--group", by)
    assert found["limits"]
    assert found["rooms"]
    documented = json.loads(block("json"))
    assert list(differences(documented, found)) == []


async def test_each_line_of_watch_is_as_documented(cluster: Cluster) -> None:
    code, out, _ = await run("snapshot", "--watch", "0.25", "--count", "2", cluster.uri())
    documented = json.loads(block("json"))
    assert code == 0
    for line in out.splitlines():
        assert list(differences(documented, json.loads(line))) == []


def test_a_difference_is_found() -> None:
    documented = {"a": 1, "b": {"c": ["x|y"]}}
    assert list(differences(documented, {"a": 1, "b": {"c": ["x", "y"]}})) == []
    assert len(list(differences(documented, {"b": {"c": ["z"]}, "a": "1"}))) == 3
    assert list(differences(documented, {"a": 1, "b": {}})) == [".b: []"]


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")')


async def test_the_csv_is_as_documented_and_no_formula(cluster: Cluster, clients: Clients) -> None:
    for app in FORMULAS:
        await clients(cluster, app=app)
    quoting = await clients(cluster, app="quotes")
    text = 'SELECT 1 AS "a,b"\n-- =2'
    await quoting.execute(text)
    code, out, err = await run("snapshot", "--csv", cluster.uri())
    assert (code, err) == (0, "")
    assert out.partition("\n")[0] == block("csv").strip() == ",".join(CSV_COLUMNS)
    rows = list(csv.DictReader(io.StringIO(out, newline=""), strict=True))
    assert {f"'{app}" for app in FORMULAS} <= {row["app"] for row in rows}
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "@"))]
    assert [row["query"] for row in rows if row["app"] == "quotes"] == [text]
    printed = await snapshot(cluster)
    backends = printed["backends"]
    assert isinstance(backends, list)
    assert [name for name in backends[0] if name != "query_id_text"] == list(CSV_COLUMNS[:-1])


def test_every_metric_of_check_is_documented() -> None:
    text = Path(PROJECT / "README.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    for name in METRICS:
        assert any(f"`{name}`" in line.split("|")[1] for line in table), name


async def test_the_readmes_line_of_check_is_one(cluster: Cluster) -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    example = next(line for line in text.splitlines() if line.startswith("PGTOP_CONN "))
    labels = [match[1] or match[2] for match in DATUM.finditer(example.partition("|")[2])]
    found = await check(cluster.uri(), code=0)
    assert labels == [*found.data, "role reporting"]
