"""Counting statements, and waiting for a poll that shows something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action
from pgtop_conn.postgres.connection.link import Link, Rows
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import files, signalling, versioned
from tests.support.waits import HANG_S

#: Asks the server one statement with its arguments.
Answer = Callable[[str, Sequence[Any]], Awaitable[Rows]]
#: Answers in the server's place, or asks it by the first argument.
Between = Callable[[Answer, str, Sequence[Any]], Awaitable[Rows]]


class Recorder:
    """Notes the name of each statement a session asks from now on."""

    def __init__(self, session: Session) -> None:
        assert session.link is not None
        self.link: Link = session.link
        self._names = {versioned("activity", self.link.version_num): "activity"}
        for name in files():
            self._names.setdefault(versioned(name, self.link.version_num), name)
        self._names |= {signalling(action): action.value for action in Action}
        self._asked: list[str] = []
        self.last_arguments: tuple[Any, ...] = ()
        self._answer: Answer = self.link.ask
        self._between: Between | None = None
        self.link.ask = self._ask  # type: ignore[method-assign]

    async def _ask(self, text: str, arguments: Sequence[Any]) -> Rows:
        self._asked.append(self._names.get(text, text))
        self.last_arguments = tuple(arguments)
        if self._between is None:
            return await self._answer(text, arguments)
        return await self._between(self._answer, text, arguments)

    def stand_between(self, between: Between) -> None:
        """Give each statement to this function from now on, with what the server would be asked by."""
        self._between = between

    def stand_aside(self) -> None:
        """Let the server answer again."""
        self._between = None

    def taken(self) -> list[str]:
        """What was asked since the last call."""
        asked, self._asked = self._asked, []
        return asked


async def until(session: Session, condition: Callable[[Snapshot], bool]) -> Snapshot:
    """Poll until a snapshot fulfils the condition; fails when it hangs."""
    async with asyncio.timeout(HANG_S):
        while True:
            snapshot = await session.poll()
            if condition(snapshot):
                return snapshot
            await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until the answer is yes; fails when it hangs."""
    async with asyncio.timeout(HANG_S):
        while not await condition():  # noqa: ASYNC110  a server has no event to wait for
            await asyncio.sleep(0.01)
