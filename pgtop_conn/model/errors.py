"""What can go wrong, as one tree.

    PgtopError                  a sentence for the user; never a traceback
    ├── BadInput                what the user typed is wrong: exit code 2
    │   └── FilterError         points at the word of a filter that does not parse
    ├── ConnectError            no session could be opened: exit code 2
    │   ├── PasswordNeeded      the server asks for a password and none is known
    │   └── SlotsExhausted      no slot is left for us, at the server or at a pooler before it
    ├── SourceLost              a session that was open is gone; the next poll() reconnects
    └── PollFailed              this refresh failed, the session lives (a timeout, a lock)
        └── NotPermitted        the server does not let our role read something

Every message is cleaned text: it may hold role names and server texts, and is safe to print as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

#: Characters of a value that a message repeats.
_NAMED_MOST = 100


class PgtopError(Exception):
    """Base of every error this program raises on purpose; `str(error)` is one line for the user."""


class BadInput(PgtopError):
    """Something the user typed is wrong; the message says what was expected."""


class FilterError(BadInput):
    """A filter that does not parse; `start` and `end` are character offsets of the word in `text`."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        super().__init__(message)
        self.text = text
        self.start = start
        self.end = end

    def pointed(self) -> str:
        """The filter with a line of carets under the word, for a terminal."""
        return f"{self.text}\n{' ' * self.start}{'^' * max(1, self.end - self.start)}"


class Failure(StrEnum):
    """Why no session could be opened. Set where the error is raised; checks, waiting and advice read only this.

    Of several failures the first in this order counts: where one server refuses us alone, nobody knows that others get
    in nowhere.
    """

    #: The server refuses our login, and others may get in: password, role, database, pg_hba.conf, TLS, authentication.
    LOGIN = "login"
    #: Something is wrong on our side: a file, a setting, a missing privilege of the operating system.
    OURS = "ours"
    #: The server has no slot for this login (53300).
    FULL = "full"
    #: A pooler before the server is at a limit of its own.
    POOLER_FULL = "pooler full"
    #: The server, or the pooler, is starting, stopping or recovering.
    STARTING = "starting"
    #: It answers and can serve nobody at the moment: out of memory, a broken disk, a pooler without its server.
    UNABLE = "unable"
    #: It answers and is not the kind of server that was asked for (target_session_attrs).
    UNWANTED = "unwanted"
    #: Nobody answers there, or what answers is not PostgreSQL.
    UNREACHABLE = "unreachable"

    @classmethod
    def of_all(cls, failures: Iterable[Failure]) -> Failure:
        """The one that counts for all of them."""
        return min(failures, key=list(cls).index)

    @property
    def concerns_all(self) -> bool:
        """Whether others get no session either, as far as we can tell."""
        return self not in (Failure.LOGIN, Failure.OURS)

    @property
    def is_full(self) -> bool:
        """Whether a limit keeps us out: we get in as soon as somebody leaves."""
        return self in (Failure.FULL, Failure.POOLER_FULL)


class ConnectError(PgtopError):
    """No session could be opened; `sqlstate` is the server's code, or None when no server sent one."""

    def __init__(self, message: str, sqlstate: str | None = None, *, failure: Failure) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.failure = failure


class PasswordNeeded(ConnectError):
    """The server asks for a password and none was given, or the one that was given is wrong (28P01)."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message, sqlstate, failure=Failure.LOGIN)


class SlotsExhausted(ConnectError):
    """No slot is left for this login: at the server (53300), or at a pooler before it.

    `kind` names the limit that refused, `host` (a name, an address or the folder of a socket) and `port` who did;
    `advice` is a line for each way in that is left, with its command, put there by whoever knows what was typed.
    """

    def __init__(
        self,
        message: str,
        sqlstate: str | None = None,
        kind: str = "unknown",
        host: str = "",
        port: int = 0,
        *,
        failure: Failure = Failure.FULL,
    ) -> None:
        super().__init__(message, sqlstate, failure=failure)
        self.kind = kind
        self.host = host
        self.port = port
        self.advice: tuple[str, ...] = ()


class SourceLost(PgtopError):
    """The session is gone (restart, failover, terminated, network); the next poll() tries to reconnect."""


class PollFailed(PgtopError):
    """One refresh could not be read; the session is still there and the next poll() may succeed."""


class NotPermitted(PollFailed):
    """The server does not let our role read something."""


def named(value: object) -> str:
    """A value that does not fit, as a message shows it: on one line, not at any length, never a reason to fail.

    >>> named("secret"), named(7), named(10**5000), len(named(["x"] * 50))
    ("'secret'", '7', 'a number of 16,610 bits', 100)
    """
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length():,} bits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
    return text if len(text) <= _NAMED_MOST else f"{text[: _NAMED_MOST - 1]}…"
