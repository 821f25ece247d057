"""pgtop-conn diagnose on real servers: the JSON's keys, the report, the text, and what each kind of login can know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from pgtop_conn.commands.common.observe import Watch, observe
from pgtop_conn.commands.common.values import memory
from pgtop_conn.commands.diagnose.options import options_of
from pgtop_conn.config import Settings
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import BadInput, PollFailed, SourceLost
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.findings import Cause, Effect, RemedyKind, Severity
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Target
from tests.conftest import MakeCluster
from tests.postgres.connection.test_pooler import StartBouncer, bouncer
from tests.support.command_line import run
from tests.support.data.factories import NOW, make_snapshot
from tests.support.servers import Clients
from tests.support.waits import wait_until

__all__ = ["bouncer"]

FINDING = {"cause", "severity", "summary", "evidence", "sessions", "remedies"}
REMEDY = {"kind", "text", "takes_effect", "why"}
TOP = {"taken_at", "findings", "sizing", "refused", "leaks", "unknown"}


async def diagnosed(uri: str, *options: str) -> dict[str, Any]:
    code, out, err = await run("diagnose", "--json", "--for", "0", *options, uri)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def check_schema(found: dict[str, Any]) -> None:
    assert set(found) == TOP
    assert found["taken_at"].endswith("Z")
    for finding in found["findings"]:
        assert set(finding) == FINDING
        Cause(finding["cause"]), Severity(finding["severity"])
        assert all(isinstance(pid, int) for pid in finding["sessions"])
    for remedy in [*found["sizing"], *(one for finding in found["findings"] for one in finding["remedies"])]:
        assert set(remedy) == REMEDY
        RemedyKind(remedy["kind"]), Effect(remedy["takes_effect"])
    assert set(found["refused"]) == {"source", "unknown", "by_hour", "since_reset"}
    assert (found["refused"]["by_hour"] is None) == bool(found["refused"]["unknown"])


async def test_json_has_the_documented_keys(every_cluster: Cluster, clients: Clients) -> None:
    await clients.many(3, every_cluster, app="web")
    check_schema(await diagnosed(every_cluster.uri()))


async def test_nothing_wrong_is_an_empty_list_and_exit_code_0(make_cluster: MakeCluster) -> None:
    quiet = make_cluster(settings={"max_connections": "20"})
    found = await diagnosed(quiet.uri())
    check_schema(found)
    assert found["findings"] == []
    code, out, err = await run("diagnose", "--for", "0", quiet.uri())
    assert (code, err) == (0, "")
    assert "nothing is wrong" in out


async def test_a_recording_of_the_server_stands_for_the_watch(every_cluster: Cluster, tmp_path: Path) -> None:
    film = tmp_path / "film.pgtop"
    code, _, err = await run("record", "--duration", "1s", "--interval", "0.25", str(film), every_cluster.uri())
    assert code == 0, err
    code, out, err = await run("diagnose", "--recording", str(film), every_cluster.uri())
    assert (code, err) == (0, "")
    assert "after one look" not in out


async def test_a_recording_of_another_server_is_refused(make_cluster: MakeCluster, tmp_path: Path) -> None:
    film, one, other = tmp_path / "film.pgtop", make_cluster(), make_cluster()
    code, _, err = await run("record", "--duration", "1s", "--interval", "0.25", str(film), one.uri())
    assert code == 0, err
    code, out, err = await run("diagnose", "--recording", str(film), other.uri())
    assert (code, out) == (2, "")
    assert "expected one of the server at" in err
    assert err.count("\n") == 1


@asynccontextmanager
async def stuck(cluster: Cluster, clients: Clients) -> AsyncIterator[list[int]]:
    """A transaction that holds a lock, and sessions that wait for it for a while: their pids, the blocker's first."""
    owner = await clients(cluster, app="billing")
    await owner.execute("CREATE TABLE IF NOT EXISTS stuck (a int)")
    await owner.execute("BEGIN; LOCK TABLE stuck; SELECT 'private', 4242")
    pids = [owner.get_server_pid()]
    waiting = []
    for _ in range(3):
        waiter = await clients(cluster, app="checkout")
        pids.append(waiter.get_server_pid())
        waiting.append(asyncio.create_task(waiter.execute("SELECT a FROM stuck WHERE a = 777000")))

    async def wait() -> bool:
        lasting = (
            "SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE pid = ANY($1::int[]) AND wait_event_type = 'Lock'"
        )
        since = f"{lasting} AND state_change < clock_timestamp() - interval '2.2 s'"
        return bool(await owner.fetchval(since, pids[1:]) == len(pids) - 1)

    await wait_until(wait, "all wait for the lock")
    try:
        yield pids
    finally:
        await owner.execute("ROLLBACK")
        await asyncio.gather(*waiting)


async def test_text_markdown_and_json_tell_the_same(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"max_connections": "10"})
    async with stuck(cluster, clients) as pids:
        found = await diagnosed(cluster.uri())
        told = [await run("diagnose", "--for", "0", *form, cluster.uri()) for form in ([], ["--markdown"])]
        _, shown, _ = await run("diagnose", "--markdown", "--no-redact", "--for", "0", cluster.uri())
    assert [(code, err) for code, _, err in told] == [(0, ""), (0, "")]
    text, report = (out for _, out, _ in told)
    check_schema(found)
    summaries = {finding["cause"]: finding["summary"] for finding in found["findings"]}
    assert str(pids[0]) in summaries[str(Cause.BLOCKER)]
    assert str(pids[0]) in text
    assert report.startswith("# Connections of ")
    assert "## Findings" in report
    for part in (json.dumps(found), text, report):
        assert not [literal for literal in ("private", "4242", "777000") if literal in part]
    assert "777000" in shown
    kinds = [token.type for token in MarkdownIt("commonmark").enable("table").parse(report)]
    assert kinds.count("table_open") == kinds.count("table_close") > 2


async def test_a_filter_narrows_what_is_looked_at(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"max_connections": "10"})
    async with stuck(cluster, clients):
        found = await diagnosed(cluster.uri(), "--filter", "app:nobody")
    check_schema(found)
    assert all(not finding["sessions"] for finding in found["findings"])
    assert found["sizing"] == []
    assert any("app:nobody" in sentence for sentence in found["unknown"])


async def test_an_unprivileged_role_hears_what_it_cannot_see(cluster: Cluster, clients: Clients) -> None:
    role = await clients.role(cluster, "guest")
    await clients.many(2, cluster, app="web")
    found = await diagnosed(cluster.uri(user=role))
    check_schema(found)
    assert any("hidden from role guest" in sentence and "pg_monitor" in sentence for sentence in found["unknown"])
    code, report, _err = await run("diagnose", "--markdown", "--for", "0", cluster.uri(user=role))
    assert code == 0
    assert "**Mind:** what " in report
    code, text, _err = await run("diagnose", "--for", "0", cluster.uri(user=role))
    assert code == 0
    assert "Mind: what " in text


async def test_through_a_pooler_it_says_what_is_meaningless(bouncer: StartBouncer, clients: Clients) -> None:
    uri = await bouncer()
    found = await diagnosed(uri)
    check_schema(found)
    assert any("goes through a pooler" in sentence for sentence in found["unknown"])


async def test_a_full_server_is_diagnosed(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"max_connections": "8", "superuser_reserved_connections": "2"})
    role = await clients.role(cluster, "app")
    await clients.many(6, cluster, role=role, app="app")
    code, text, _err = await run("diagnose", "--for", "0", cluster.uri())
    assert code == 0
    assert "FULL" in text
    code, out, err = await run("diagnose", "--for", "0", cluster.uri(user=role))
    assert (code, out) == (2, "")
    assert err.startswith("pgtop-conn: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--ram", "lots"], "--ram"),
        (["--ram", "16"], "a unit"),
        (["--ram", "1MB"], "between"),
        (["--for", "x"], "--for"),
        (["--for", "nan"], "--for"),
        (["--for", "-1"], "--for"),
        (["--for", "99999"], "--for"),
        (["--json", "--markdown"], "not allowed"),
        (["--filter", "idle>"], "filter"),
        (["--host", "127.0.0.1", "--port", "1"], "no server"),
    ],
    ids=" ".join,
)
async def test_bad_input_is_one_line(arguments: list[str], expected: str) -> None:
    code, out, err = await run("diagnose", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("pgtop-conn: ")
    assert expected in err
    assert "Traceback" not in err


def test_sizes_of_memory() -> None:
    assert (
        memory("16GB", "ram")
        == memory("16 gib", "ram")
        == memory("16384MB", "ram")
        == memory("0.015625TB", "ram")
        == 16 * 1024**3
    )
    for text in ("", "GB", "-1GB", "1e9GB", "16GBB", "9999999TB", "1kB", "١GB"):
        with pytest.raises(BadInput, match="--ram"):
            memory(text, "ram")
    assert options_of({}).redact
    assert not options_of({"redact": False}).redact


class Flickering:
    """A source of which some polls fail."""

    def __init__(self, *answers: Snapshot | Exception) -> None:
        self.answers = list(answers)

    async def poll(self) -> Snapshot:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        raise AssertionError("a diagnosis signals nobody")

    def settle(self, action: Action, outcome: Outcome) -> None:
        return

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        pass


async def test_polls_that_fail_are_left_out() -> None:
    first, last = make_snapshot(), make_snapshot(taken_at=NOW + 1)
    source = Flickering(first, PollFailed("slow"), SourceLost("gone"), last)
    seen, budget, observation = await observe(source, Settings(interval_s=0.01), Watch.for_s(0.1))
    assert seen is last
    assert budget.used == 2
    assert observation.history.points()[0] == (NOW, 2)
    with pytest.raises(SourceLost):
        await observe(Flickering(SourceLost("gone")), Settings(), Watch.for_s(0.1))


async def test_one_look_polls_once() -> None:
    source = Flickering(make_snapshot(), AssertionError("a second poll"))
    seen, _budget, _observation = await observe(source, Settings(), Watch.for_s(0.0))
    assert seen.taken_at == NOW
