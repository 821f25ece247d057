"""What our role may not read is said to be unknown, never to be nothing."""

from __future__ import annotations

import pytest

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.view.dialogs.counting import cautions
from pgtop_conn.view.export.snapshot import document
from pgtop_conn.view.status.server_lines import states_line
from tests.support.data.factories import make_backend, make_server, make_snapshot

ROLES = "what roles may do, and their limits: GRANT SELECT ON pg_catalog.pg_roles TO dba"
BLOCKERS = "who blocks whom: GRANT EXECUTE ON FUNCTION pg_catalog.pg_blocking_pids(integer) TO dba"


def lacking(*lines: str) -> Snapshot:
    waiting = make_backend(4, wait_event_type="Lock", wait_event="tuple")
    return make_snapshot([waiting], server=make_server(missing=lines))


def printed(snapshot: Snapshot) -> dict[str, object]:
    return document(snapshot, SlotBudget.of(snapshot), Policy(), parse(""), "app")


def test_limits_and_rooms_are_null() -> None:
    assert (printed(lacking(ROLES))["limits"], printed(lacking(ROLES))["rooms"]) == (None, None)
    assert printed(lacking(BLOCKERS))["limits"] == []


@pytest.mark.parametrize(("lines", "said"), [((), "blocked 0"), ((BLOCKERS,), "blocked ?")])
def test_the_blocked_are_not_counted(lines: tuple[str, ...], said: str) -> None:
    snapshot = lacking(*lines)
    assert said in "".join(cell.text for cell in states_line(snapshot, SlotBudget.of(snapshot), 120))


def test_who_blocks_is_null() -> None:
    backends = printed(lacking(BLOCKERS))["backends"]
    assert isinstance(backends, list)
    assert backends[0]["blocked_by"] is None


def test_each_is_said_with_its_grant() -> None:
    assert f"Our role may not read {ROLES}." in cautions(lacking(ROLES))
    assert printed(lacking(ROLES))["server"]["missing"] == [ROLES]  # type: ignore[index]
