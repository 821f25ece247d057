"""Keys that were typed before a dialog was seen: on a real terminal and a real server nobody is ended by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.tui.dialogs.decision import IGNORED
from tests.support.servers import Clients, Connection
from tests.support.terminals import YES, Terminal

#: What the cursor is put on: a filter, and its one group.
ONE_GROUP = "/app:crowd\r"
SHOWN = "filter: app:crowd"


def events_of(home: Path) -> list[str]:
    """What the journal has; [] where there is none."""
    journal = home / "state" / "pgtop-conn" / "journal.jsonl"
    return [json.loads(line)["event"] for line in journal.read_text().splitlines()] if journal.exists() else []


async def crowd(cluster: Cluster, clients: Clients, *, others: int) -> list[Connection]:
    """One group of three, idle, that can be ended; with enough others it is less than half of all."""
    role = await clients.role(cluster, "typist")
    sessions = await clients.many(3, cluster, role=role, app="crowd")
    await clients.many(others, cluster, role=role, app="other")
    for session in sessions:
        await session.fetch("SELECT 1")
    return sessions


@pytest.mark.parametrize(
    ("burst", "others"),
    [
        ("xy", 4),
        (f"x{YES}", 4),
        (f"xy{YES}{YES}\r", 4),
        ("x\t\r", 4),
        (f"c{YES}", 4),
        ("x\x1b[200~y\x1b[201~\t\r", 4),
        ("x3\r", 0),
    ],
    ids=["xy", "yes", "all", "the other button", "cancel", "pasted", "count"],
)
async def test_a_burst_ends_nobody(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path, burst: str, others: int
) -> None:
    sessions = await crowd(cluster, clients, others=others)
    async with Terminal(["--interval", "0.5", cluster.uri()], columns=80, rows=24) as terminal:
        await terminal.shows("crowd", "Headroom", "quit")
        terminal.type(ONE_GROUP)
        await terminal.shows(SHOWN)
        terminal.type(burst)
        await terminal.shows(IGNORED)
        terminal.type("\x1b")
        await terminal.hides(IGNORED)
        terminal.type("q")
        assert await terminal.ends() == 0
    assert not any(session.is_closed() for session in sessions)
    assert events_of(scrubbed_environment) == []


@pytest.mark.parametrize("burst", ["f\r", f"f3\r{YES}", f"fg\r{YES}\r"], ids=["enter", "number", "fg"])
async def test_a_burst_frees_nothing(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path, burst: str
) -> None:
    sessions = await crowd(cluster, clients, others=0)
    async with Terminal(["--interval", "0.5", cluster.uri()]) as terminal:
        await terminal.shows("crowd", "Headroom", "quit")
        terminal.type(burst)
        await terminal.shows(IGNORED, "Free how many slots?")
        terminal.type("\x03")
        assert await terminal.ends() == 0
    assert not any(session.is_closed() for session in sessions)
    assert events_of(scrubbed_environment) == []


async def test_what_is_typed_after_the_silence_counts(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path
) -> None:
    sessions = await crowd(cluster, clients, others=4)
    async with Terminal(["--interval", "0.5", cluster.uri()]) as terminal:
        await terminal.shows("crowd", "Headroom", "quit")
        terminal.type(ONE_GROUP)
        await terminal.shows(SHOWN)
        terminal.type(f"x{YES}")
        await terminal.shows(IGNORED)
        await terminal.answers_yes()
        await terminal.shows("3 gone")
        terminal.type("q")
        assert await terminal.ends() == 0
    assert all(session.is_closed() for session in sessions)
    assert events_of(scrubbed_environment).count("sent") == len(sessions)
