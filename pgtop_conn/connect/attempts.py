"""Ways in: an ordinary slot, the doors, and waiting for the first slot that is freed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pgtop_conn.model.errors import ConnectError, Failure, PasswordNeeded, SlotsExhausted
from pgtop_conn.model.snapshot import HOST_DOOR, WALSENDER_DOOR
from pgtop_conn.model.source import Source
from pgtop_conn.sources.role_memory import recall
from pgtop_conn.terminal.console import connecting, tell

if TYPE_CHECKING:
    from pgtop_conn.postgres.conninfo.conninfo import ConnInfo
    from pgtop_conn.postgres.session import Session

#: Between two attempts, drawn anew each time: a login costs the server a process, and others wait, too.
WAIT_S = (0.2, 0.6)
#: Limits that keep walsenders out, too; no pooler passes them on.
SHUTS_WALSENDERS = ("max_wal_senders", "newcomers", "pooler")

Opening = Callable[[], Awaitable[Source]]


@dataclass(slots=True)
class Way:
    """Where to, and what is known meanwhile: a password that was typed is typed once."""

    info: ConnInfo
    #: Asks for the password of a role; None where nobody may be asked.
    ask: Callable[[str], str] | None
    #: Where what was remembered of servers may be.
    state_folders: Sequence[Path]
    #: The command line, for the next one to type.
    typed: Sequence[str] = ()
    #: Whether somebody waits: then it is known that it takes a while.
    waiting: bool = False

    async def session(self, *, by_door: bool = False) -> Source:
        """A session in an ordinary slot, or through the walsender door; what its login came to is told."""
        session = await self._opened(by_door)
        for remark in session.remarks:
            tell(remark)
        return session

    async def _opened(self, by_door: bool) -> Session:
        from pgtop_conn.postgres.connection.connect import read_again
        from pgtop_conn.postgres.session import Session

        if self.waiting:
            # A password may be changed while somebody waits for a slot.
            self.info, _ = await read_again(self.info)
        hosts = () if self.waiting else self.info.hosts
        self.waiting = True
        try:
            with connecting(hosts):
                return await Session.open(self.info, by_door=by_door)
        except PasswordNeeded as error:
            if self.ask is None or self.info.password is not None:
                raise
            if any(host.no_password for host in self.info.hosts):
                # Who keeps a password file wonders why there is a question at all.
                tell(str(error))
        self.info = self.info.with_password(self.ask(self.info.user))
        with connecting(hosts):
            return await Session.open(self.info, by_door=by_door)

    async def host(self) -> Source:
        """The server's processes, from its host."""
        from pgtop_conn.postgres.host_door.door import HostDoor, NotOurs

        try:
            return await HostDoor.open(self.info, partial(recall, self.state_folders))
        except NotOurs as error:
            from pgtop_conn.connect.advice import host_command

            host = self.info.hosts[0]
            command = host_command(self.typed, host.name, host.port, sudo=True)
            raise ConnectError(f"{error}: {command}", failure=error.failure) from None

    @property
    def host_is_at_hand(self) -> bool:
        """Whether the host door would open."""
        from pgtop_conn.postgres.host_door.door import is_at_hand

        return is_at_hand(self.info)


async def enter(way: Way, *, door: str, wait: bool, offer: Callable[[str], bool] | None) -> Source:
    """By the door that was asked for, else as everybody; then, when no slot is free, wait or offer what is left.

    Raises ConnectError: SlotsExhausted when nothing helped.
    """
    if door == HOST_DOOR:
        return await way.host()
    opening = partial(way.session, by_door=door == WALSENDER_DOOR)
    try:
        return await opening()
    except ConnectError as error:
        if wait and (error.failure.is_full or error.failure is Failure.STARTING):
            tell(str(error))
            return await waited(opening, error)
        if offer is None or not isinstance(error, SlotsExhausted):
            raise
        return await _offered(way, error, offer)


async def _offered(way: Way, error: SlotsExhausted, offer: Callable[[str], bool]) -> Source:
    """Each way that may be open, in turn; the first error when none is taken."""
    tell(str(error))
    ways: list[tuple[str, Opening]] = []
    if error.kind not in SHUTS_WALSENDERS:
        ways.append(("Go in by the walsender door, which takes no slot?", lambda: way.session(by_door=True)))
    if way.host_is_at_hand:
        ways.append(("Go in by the host door, by the server's processes?", way.host))
    ways.append(("Wait for the first slot that is freed?", lambda: waited(way.session, error)))
    for question, opening in ways:
        if offer(question):
            try:
                return await opening()
            except ConnectError as refused:
                tell(str(refused))
    raise error


async def waited(opening: Opening, error: ConnectError) -> Source:
    """Try until a slot is free, and through any other failure that concerns every client.

    The caller has reported `error`.
    """
    tell("waiting for a slot (Ctrl-C ends it)")
    began, refusals, said = time.monotonic(), 1, str(error)
    while True:
        await asyncio.sleep(random.uniform(*WAIT_S))
        try:
            source = await opening()
        except ConnectError as again:
            if not again.failure.concerns_all:
                raise
            refusals += 1
            if str(again) != said:
                said = str(again)
                tell(said)
        else:
            tell(f"in after {time.monotonic() - began:.0f} s and {refusals} refusals")
            return source
