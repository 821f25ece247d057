"""What can go wrong, as one tree.

    PgtopError                  a sentence for the user; never a traceback
    ├── BadInput                what the user typed is wrong: exit code 2
    │   └── FilterError         points at the word of a filter that does not parse
    ├── ConnectError            no session could be opened: exit code 2
    │   ├── PasswordNeeded      the server asks for a password and none is known
    │   └── SlotsExhausted      refused with SQLSTATE 53300
    ├── SourceLost              a session that was open is gone; the next poll() reconnects
    └── PollFailed              this refresh failed, the session lives (a timeout, a lock)

Every message is cleaned text: it may hold role names and server texts, and is safe to print as it is.
"""

from __future__ import annotations

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


class ConnectError(PgtopError):
    """No session could be opened; `sqlstate` is the server's code, or None when no server answered."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class PasswordNeeded(ConnectError):
    """The server asks for a password and none was given, or the one that was given is wrong (28P01)."""


class SlotsExhausted(ConnectError):
    """The server has no slot for this login (SQLSTATE 53300).

    `kind` names the limit that refused, `host` (a name, an address or the folder of a socket) and `port` who did;
    `advice` is a line for each way in that is left, with its command, put there by whoever knows what was typed.
    """

    def __init__(
        self, message: str, sqlstate: str | None = None, kind: str = "unknown", host: str = "", port: int = 0
    ) -> None:
        super().__init__(message, sqlstate)
        self.kind = kind
        self.host = host
        self.port = port
        self.advice: tuple[str, ...] = ()


class SourceLost(PgtopError):
    """The session is gone (restart, failover, terminated, network); the next poll() tries to reconnect."""


class PollFailed(PgtopError):
    """One refresh could not be read; the session is still there and the next poll() may succeed."""


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
