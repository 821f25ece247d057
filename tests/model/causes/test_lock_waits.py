"""Trees of waits: roots first, every session once, rings and long queues included."""

from __future__ import annotations

from pgtop_conn.model.causes.lock_waits import PREPARED, chains
from pgtop_conn.model.snapshot import ACTIVE, Backend, Snapshot
from tests.support.data.factories import make_backend, make_snapshot


def waiting(pid: int, *blockers: int) -> Backend:
    return make_backend(pid, state=ACTIVE, wait_event_type="Lock", wait_event="tuple", blocked_by=blockers)


def seen(*backends: Backend) -> Snapshot:
    return make_snapshot(backends)


def test_nobody_waits() -> None:
    assert chains(seen(make_backend(1))) == []


def test_a_queue_hangs_under_its_holder_and_is_freed_as_a_whole() -> None:
    links = chains(seen(make_backend(9), waiting(1, 9), waiting(2, 9, 1), waiting(3, 1, 2)))
    assert [(link.pid, link.depth) for link in links] == [(9, 0), (1, 1), (3, 2), (2, 1)]
    assert links[0].freed == 3


def test_what_waits_for_two_is_freed_by_neither_and_the_most_useful_root_comes_first() -> None:
    links = chains(seen(make_backend(1), make_backend(2), waiting(5, 1, 2), waiting(6, 2)))
    assert [(link.pid, link.freed) for link in links if not link.depth] == [(2, 1), (1, 0)]
    assert sorted(link.pid for link in links) == [1, 2, 5, 6]


def test_a_ring_has_no_root_and_is_still_listed() -> None:
    links = chains(seen(waiting(4, 3), waiting(3, 4)))
    assert [(link.pid, link.depth) for link in links] == [(3, 0), (4, 1)]


def test_a_prepared_transaction_has_no_session() -> None:
    links = chains(seen(waiting(4, PREPARED)))
    assert (links[0].pid, links[0].backend, links[0].freed) == (PREPARED, None, 1)


def test_a_long_queue_is_walked_without_recursion() -> None:
    queue = [waiting(pid, *range(1, pid)) for pid in range(2, 400)]
    links = chains(seen(make_backend(1), *queue))
    assert len(links) == 399
    assert links[0].freed == 398
