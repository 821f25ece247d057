"""Whether the server that answers now is the one that answered before: what absence tells depends on it.

A virtual address, a proxy or a failover leads the same connection string to another server, where nobody of the first
is listed. Its identity is its system identifier, which its standbys share, and its start time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pgtop_conn.model.snapshot import HOST_DOOR, Server, Snapshot


class Relation(StrEnum):
    """What the server of a later poll is to the one of an earlier poll; the value is what a user reads."""

    SAME = "the same server"
    #: All sessions of its former run have ended.
    RESTARTED = "the server was restarted"
    OTHER = "another server answers now"
    UNSURE = "the server was restarted, or another one answers now"

    @property
    def tells(self) -> bool:
        """Whether a session that is not listed has ended."""
        return self in (Relation.SAME, Relation.RESTARTED)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A server as one poll saw it, at server time `seen_at`."""

    server: Server
    seen_at: float

    def relation(self, snapshot: Snapshot) -> Relation:
        """What the server of this snapshot is to this one."""
        return _relation(self.server, self.seen_at, snapshot.server)


def place_of(snapshot: Snapshot) -> Place:
    """The server that this snapshot was read from."""
    return Place(snapshot.server, snapshot.taken_at)


def _relation(before: Server, seen_at: float, now: Server) -> Relation:
    if before is now:
        return Relation.SAME
    if before.system_id and now.system_id and before.system_id != now.system_id:
        return Relation.OTHER
    if before.started_at is None or now.started_at is None:
        known = before.started_at is not now.started_at
        return Relation.UNSURE if known or _address(before) != _address(now) else Relation.SAME
    if before.started_at == now.started_at:
        return Relation.SAME
    if now.started_at < seen_at:
        # It was running already when the first one answered.
        return Relation.OTHER
    return Relation.RESTARTED if _same_data(before, now) else Relation.UNSURE


def _same_data(before: Server, now: Server) -> bool:
    """Whether both ran on the same data: a promotion begins a new timeline, so that a primary's is its own."""
    if before.door == now.door == HOST_DOOR:
        # This door follows a folder of data.
        return _address(before) == _address(now)
    return (
        bool(before.system_id)
        and before.system_id == now.system_id
        and bool(before.timeline)
        and (before.timeline == now.timeline)
    )


def _address(server: Server) -> tuple[str, int]:
    return server.host, server.port
