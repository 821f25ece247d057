"""Application: a client program that runs beside us and does what it is told, line by line; and whose hosts differ."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ANSWER_S = 90.0
END_S = 3.0
#: How often a pool is asked until it has opened what it was told to.
WARMING = 40


@dataclass(frozen=True, slots=True)
class Leaked:
    """A session that its application will neither use nor give back any more; since when, by this machine's clock."""

    pid: int
    since: float


@dataclass(slots=True)
class Application:
    """`leaked` grows with what it tells."""

    process: asyncio.subprocess.Process
    log: Path
    leaked: list[Leaked] = field(default_factory=list)
    #: What it was refused last, and how often.
    refused: str = ""
    refusals: int = 0

    @classmethod
    async def start(cls, command: Sequence[str], options: Mapping[str, object], log: Path, folder: Path) -> Self:
        """Begin it and wait until it is ready."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                json.dumps(options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=_environment(),
            )
        application = cls(process, log)
        await application._answer()
        return application

    async def ask(self, command: str, number: int = 1) -> Mapping[str, Any]:
        """Let it do this, and wait until it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command} {number}\n".encode())
        await self.process.stdin.drain()
        answer = await self._answer()
        now = time.time()
        self.leaked.extend(Leaked(pid, now) for pid in answer.get("leaked", ()))
        if "refused" in answer:
            self.refused, self.refusals = answer["refused"], self.refusals + 1
        return answer

    async def warm(self, count: int) -> None:
        """Let it use so many connections at once; a pool that opens them beside its work is asked again meanwhile."""
        for _ in range(WARMING):
            if "refused" not in await self.ask("work", count):
                return
        raise ClientFailed(f"never had {count} connections: {self.refused}")

    async def quit(self) -> None:
        """End it as a deployment does: it is asked, and killed when it does not hear."""
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), END_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def _answer(self) -> Mapping[str, Any]:
        assert self.process.stdout is not None
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), ANSWER_S)
        except TimeoutError:
            raise ClientFailed(f"no answer within {ANSWER_S:g} s; {self._last_words()}") from None
        if not line:
            raise ClientFailed(self._last_words())
        try:
            answer: Mapping[str, Any] = json.loads(line)
        except ValueError:
            raise ClientFailed(f"it said {line!r}") from None
        return answer

    def _last_words(self) -> str:
        said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(said[:2] + said[2:][-2:]) or "it said nothing"


class ClientFailed(Exception):
    """A client program ended, or does not answer: its last words."""


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1"}


class Host:
    """Lets an application connect from an address of its own: 127.0.0.N in place of 127.0.0.1."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self._port = port
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where the application connects to."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.create_task(self._linked(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _linked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self.address, 0))
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_passed_on(reader, back))
                both.create_task(_passed_on(there, writer))
        finally:
            writer.close()
            back.close()


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every byte until either end closes; then the other one is closed."""
    try:
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
