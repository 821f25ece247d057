"""Which server answers: the same one, one that was restarted, or another."""

from __future__ import annotations

import pytest

from pgtop_conn.model.signalling.server_identity import Relation, place_of
from pgtop_conn.model.snapshot import HOST_DOOR
from tests.support.data.factories import NOW, make_server, make_snapshot
from tests.support.data.fields import ServerFields

PRIMARY = {"system_id": "7", "timeline": "00000001"}
LATER = {"started_at": NOW + 5.0}
EARLIER = {"started_at": NOW - 9.0}
NOTHING = {"system_id": "", "timeline": "", "started_at": None}


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        pytest.param(PRIMARY, PRIMARY, Relation.SAME, id="nothing changed"),
        pytest.param(PRIMARY, PRIMARY | {"host": "10.0.0.9"}, Relation.SAME, id="by another address"),
        pytest.param(PRIMARY, PRIMARY | {"system_id": ""}, Relation.SAME, id="its identifier can't be read any more"),
        pytest.param({}, {"in_recovery": True}, Relation.SAME, id="the start alone is known"),
        pytest.param(PRIMARY, PRIMARY | {"system_id": "8"}, Relation.OTHER, id="another cluster"),
        pytest.param(PRIMARY, PRIMARY | {"system_id": "8"} | LATER, Relation.OTHER, id="another one, started since"),
        pytest.param(PRIMARY, PRIMARY | EARLIER, Relation.OTHER, id="a copy that ran beside it"),
        pytest.param({}, EARLIER, Relation.OTHER, id="it ran beside, and nothing else is known"),
        pytest.param(PRIMARY, PRIMARY | LATER, Relation.RESTARTED, id="the same primary, started since"),
        pytest.param(PRIMARY, PRIMARY | LATER | {"timeline": "00000002"}, Relation.UNSURE, id="promoted since"),
        pytest.param(PRIMARY, PRIMARY | LATER | {"timeline": ""}, Relation.UNSURE, id="a standby, started since"),
        pytest.param({"system_id": "7"}, {"system_id": "7"} | LATER, Relation.UNSURE, id="two standbys, or one"),
        pytest.param({}, LATER, Relation.UNSURE, id="started since, and nothing else is known"),
        pytest.param(PRIMARY, PRIMARY | {"started_at": None}, Relation.UNSURE, id="its start is hidden now"),
        pytest.param(NOTHING, NOTHING, Relation.SAME, id="nothing is known, at the same address"),
        pytest.param(NOTHING, NOTHING | {"port": 5433}, Relation.UNSURE, id="nothing is known, at another address"),
        pytest.param({"door": HOST_DOOR}, {"door": HOST_DOOR} | LATER, Relation.RESTARTED, id="the host door's folder"),
        pytest.param({"door": HOST_DOOR}, LATER, Relation.UNSURE, id="the host door, then a session"),
    ],
)
def test_the_relation_of_two_polls(first: ServerFields, then: ServerFields, expected: Relation) -> None:
    before, now = make_snapshot(server=make_server(**first)), make_snapshot(server=make_server(**then))
    relation = place_of(before).relation(now)
    assert relation is expected
    assert relation.tells is (expected in (Relation.SAME, Relation.RESTARTED))
