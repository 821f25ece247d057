"""What the conductor and a client say to each other: a line `COMMAND [NUMBER]` in, one line of JSON out.

work N         take N connections at once, run a statement on each, give all back; `pids` were used
worker K       the same on the connection that worker K has for itself
ping           let the driver check each of the connections that it keeps
leak           take a connection, run a statement, end the transaction and never give it back; `leaked` names it
error          the same after a statement that failed
transaction    the same without an end of the transaction
unread         the same with a result that is read to its first row only
stalled        the same with a pipeline that is never ended by a Sync
engine         make a pool for one request, give the connection back to it, and forget the pool
with           connect without a pool and never close
reload N       make a new pool and use N connections of it; `leaked` are those of the pool before, if there was one
once N         connect, run a statement and disconnect, N times
quit           close what the driver would close, and end

`refused` in an answer says why there was no connection; anything else that goes wrong ends the client.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

Answer: TypeAlias = Mapping[str, object]
Command: TypeAlias = Callable[[int], Answer]

AN_INVOICE = "SELECT pg_backend_pid() AS pid, id, total FROM invoices WHERE id = 7"
AN_ORDER = "SELECT pg_backend_pid() AS pid, id, status FROM orders WHERE id = 7"
A_FAILURE = "SELECT 1 / (id - id) FROM orders WHERE id = 7"
#: More than the buffers of both ends hold.
A_LONG_RESULT = "SELECT pg_backend_pid() AS pid, repeat('x', 8000) AS body FROM generate_series(1, 100000)"


class Refused(Exception):
    """No connection was to be had."""


def options() -> dict[str, Any]:
    """What the client was started with: host, port, user, database, app, driver, least, most and the driver's own."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def say(answer: Answer) -> None:
    """One line to the conductor."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def words(line: str) -> tuple[str, int]:
    """The command and its number."""
    command, _, number = line.strip().partition(" ")
    return command, int(number or 1)


def serve(commands: Mapping[str, Command]) -> None:
    """Do what is told until `quit`, or until nobody is there to tell anything."""
    say({"ready": True})
    for line in sys.stdin:
        command, number = words(line)
        if command == "quit":
            say({})
            return
        try:
            say(commands[command](number))
        except Refused as error:
            say({"refused": str(error)})


async def serve_async(
    commands: Mapping[str, Callable[[int], Awaitable[Answer]]], next_line: Callable[[], Awaitable[str]]
) -> None:
    """The same for commands that are awaited."""
    say({"ready": True})
    while line := await next_line():
        command, number = words(line)
        if command == "quit":
            say({})
            return
        try:
            say(await commands[command](number))
        except Refused as error:
            say({"refused": str(error)})
