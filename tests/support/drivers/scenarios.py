"""Composing: recordings put together on one server, and recordings from which sessions are taken away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot

#: Pids of what is added are apart from those that are there.
PIDS_APART = 5_000_000


def together(first: Sequence[Snapshot], second: Sequence[Snapshot], app: str) -> list[Snapshot]:
    """The first server as it was, with the sessions of the second one beside its own, under this application's name.

    Its slots are as many more as the second one's.
    """
    later_s = first[0].taken_at - second[0].taken_at
    added: dict[int, Backend] = {}
    found = []
    for one, other in zip(first, second, strict=False):
        guests = []
        for session in other.backends:
            if session.pid == other.server.own_pid or not session.is_client:
                continue
            if id(session) not in added:
                added[id(session)] = _guest(session, later_s, app)
            guests.append(added[id(session)])
        server = replace(one.server, max_connections=one.server.max_connections + other.server.max_connections)
        found.append(replace(one, server=server, backends=(*one.backends, *guests)))
    return found


def without(snapshots: Sequence[Snapshot], since: int, ended: Collection[BackendKey]) -> list[Snapshot]:
    """From the poll at index `since` on these sessions are gone."""
    return [
        snapshot
        if index < since
        else replace(snapshot, backends=tuple(one for one in snapshot.backends if one.key not in ended))
        for index, snapshot in enumerate(snapshots)
    ]


def _guest(session: Backend, later_s: float, app: str) -> Backend:
    start = session.key.backend_start
    return replace(
        session,
        key=BackendKey(session.pid + PIDS_APART, None if start is None else start + later_s),
        app=app,
        xact_start=_moved(session.xact_start, later_s),
        query_start=_moved(session.query_start, later_s),
        state_change=_moved(session.state_change, later_s),
    )


def _moved(at: float | None, later_s: float) -> float | None:
    return None if at is None else at + later_s
