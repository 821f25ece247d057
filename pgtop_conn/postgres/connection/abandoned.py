"""Abandoned: a session of ours that was given up while the server owed it an answer, and may still hold its slot.

A stopped or stuck backend does not see that we have left. Our half of its socket is closed (the kernel has told the
other end, or will as soon as the network lets it), and the other half kept open, unread: the end of the stream, or
anything to read, is news of it. So is a list of sessions that it is not in.
"""

from __future__ import annotations

import socket

from pgtop_conn.model.signalling.server_identity import Place
from pgtop_conn.model.snapshot import BackendKey
from pgtop_conn.postgres.conninfo.conninfo import Host

#: A peer that is gone without a word is taken for gone after about a minute; what a system does not have is left out.
_KEEPALIVE = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPALIVE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}


class Abandoned:
    """`pid` as it was announced by `host`; `key` where its identity is known and is ours alone (no pooler)."""

    def __init__(
        self, witness: socket.socket, host: Host, pid: int, key: BackendKey | None, place: Place | None
    ) -> None:
        self.host = host
        #: The server that it is a session of, where a poll has told that.
        self.place = place
        self.pid = pid
        self.key = key
        #: Whether the server was told to end it.
        self.told = False
        self._socket = witness
        self._ended = False
        witness.setblocking(False)
        witness.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if witness.family in (socket.AF_INET, socket.AF_INET6):
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    witness.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @property
    def ended(self) -> bool:
        """Whether the server's side has ended or, having come back to life, is about to see that we have left."""
        if not self._ended and self._has_news():
            self.close()
        return self._ended

    def close(self) -> None:
        """Stop watching: the server's side ends as soon as it looks at its client again."""
        self._ended = True
        self._socket.close()

    def _has_news(self) -> bool:
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            # Reset, or timed out: whoever was there is there no more.
            return True
        return True
