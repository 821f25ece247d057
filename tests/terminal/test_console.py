"""Connecting that takes long says so on a terminal, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from pgtop_conn.terminal.console import connecting
from tests.support.fake_source import until

HOSTS = ["db.example.org:5432"]


class Stderr:
    """What was written, and whether it is a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        self.text = ""
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        """Nothing is kept back."""


async def test_a_terminal_is_told_where_to_and_how_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Stderr(terminal=True)
    monkeypatch.setattr("sys.stderr", stderr)
    with connecting(HOSTS, 0.0):
        await until(lambda: bool(stderr.text))
    assert stderr.text == "pgtop-conn: connecting to db.example.org:5432 … (Ctrl-C ends it)\n"


async def test_who_connects_quickly_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Stderr(terminal=True)
    monkeypatch.setattr("sys.stderr", stderr)
    with connecting([*HOSTS, "other"], 0.0):
        pass
    await asyncio.sleep(0)
    assert stderr.text == ""


async def test_a_pipe_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Stderr(terminal=False)
    monkeypatch.setattr("sys.stderr", stderr)
    with connecting(HOSTS, 0.0):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert stderr.text == ""
