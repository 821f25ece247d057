"""Whatever was done, tmux shows what a full repaint shows."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import shutil
import struct
import sys
import termios
from pathlib import Path
from random import Random

import pyte
import pytest

from pgtop_conn.demo.server import Cluster
from tests.support.servers import Clients
from tests.support.terminals import seen
from tests.support.waits import wait_until

Cells = list[list[tuple[object, ...]]]
REPAINT = "\x0c"
#: What a user does, in pieces that are typed one after the other. Nothing of it shows what goes away by itself.
ACTIONS = (
    *((key,) for key in ("j", "j", "k", "g", "G", "\x1b[C", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b")),
    *(("\x1b", key) for key in ("s", "S", "\t", "\x1b[Z", "?", "i", "d", " ")),
)
QUERIES = ("billing", "größe", "日本語", "שלום", "web ⚠ 🙂 e\u0301", "a-long-name-of-an-application-that-is-cut")
SIZES = ((120, 36), (80, 24))


async def crowd(cluster: Cluster, clients: Clients) -> None:
    """Sessions whose queries take every kind of cell."""
    for number, text in enumerate(QUERIES):
        for connection in await clients.many(1 + number % 3, cluster, app="billing" if number % 2 else "web"):
            await connection.fetch(f"SELECT '{text}'")


def differing(whole: Cells, changed: Cells) -> list[object]:
    """Line, column, and the cell after a full repaint and before it."""
    return [
        (y, x, one, other)
        for y, (line, before) in enumerate(zip(whole, changed, strict=True))
        for x, (one, other) in enumerate(zip(line, before, strict=True))
        if one != other
    ]


class Tmux:
    """A session of tmux with a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"

    async def call(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *("tmux", "-S", str(self._socket), "-f", os.devnull, *arguments),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        out, _ = await process.communicate()
        return out.decode()

    async def text(self) -> str:
        return await self.call("capture-pane", "-p")

    async def cells(self, columns: int, rows: int) -> Cells:
        """The screen of the pane, as tmux has it."""
        screen = pyte.Screen(columns, rows)
        captured = (await self.call("capture-pane", "-epN")).rstrip("\n").replace("\u200e", "")
        stream = pyte.Stream(screen)
        for y, line in enumerate(captured.split("\n")):
            stream.feed(f"\x1b[{y + 1}H{line}")
        return [[seen(screen.buffer[y][x]) for x in range(columns)] for y in range(rows)]

    async def started(self) -> None:
        """Note which process draws, and on which terminal."""
        pid, tty = (await self.call("list-panes", "-F", "#{pane_pid} #{pane_tty}")).split()
        self._pid, self._tty = int(pid), Path(tty)

    def _rests(self) -> str:
        """How much processor time the program has had, when it has read its keys and waits for more; otherwise ""."""
        descriptor = os.open(self._tty, os.O_RDONLY | os.O_NOCTTY)
        try:
            (unread,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
        finally:
            os.close(descriptor)
        stats = [path.read_text().rpartition(")")[2].split() for path in Path(f"/proc/{self._pid}/task").glob("*/stat")]
        return "" if unread or any(one[0] != "S" for one in stats) else str([one[11:13] for one in stats])

    async def settled(self, columns: int, rows: int) -> Cells:
        """The screen once the program has nothing to do, however long a busy machine makes it wait, and it stays."""
        last: list[tuple[str, Cells]] = []

        async def same() -> bool:
            nonlocal last
            before, cells, after = self._rests(), await self.cells(columns, rows), self._rests()
            last = [*last[-2:], (after, cells)] if before and before == after else []
            return len(last) == 3 and last[0] == last[1] == last[2]

        await wait_until(same, "the screen stays", every_s=0.2)
        return last[-1][1]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
@pytest.mark.parametrize("columns_rows", SIZES, ids=str)
async def test_tmux_shows_what_a_full_repaint_shows(
    cluster: Cluster, clients: Clients, tmp_path: Path, columns_rows: tuple[int, int]
) -> None:
    await crowd(cluster, clients)
    columns, rows = columns_rows
    random, tmux = Random(rows), Tmux(tmp_path)
    command = "exec " + shlex.join([sys.executable, "-m", "pgtop_conn", "--interval", "60", cluster.uri()])
    await tmux.call("new-session", "-d", "-x", str(columns), "-y", str(rows), command)
    try:
        await tmux.call("set", "-g", "status", "off")
        await tmux.call("resize-window", "-x", str(columns), "-y", str(rows))

        async def shown() -> bool:
            return "billing" in await tmux.text()

        await wait_until(shown, "tmux shows the table")
        await tmux.started()
        for _ in range(8):
            done = random.choices(ACTIONS, k=3)
            for piece in (piece for action in done for piece in action):
                await tmux.call("send-keys", "-l", piece)
                await tmux.settled(columns, rows)
            if random.random() < 0.3:
                columns, rows = random.choice(SIZES)
                await tmux.call("resize-window", "-x", str(columns), "-y", str(rows))
            changed = await tmux.settled(columns, rows)
            await tmux.call("send-keys", "C-l")
            whole = await tmux.settled(columns, rows)
            assert not differing(whole, changed), f"after {done} at {columns}×{rows}:\n{await tmux.text()}"
    finally:
        await tmux.call("kill-server")
