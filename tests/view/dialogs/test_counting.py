"""How the numbers are counted: every recipe's figure and the difference that explains it."""

from __future__ import annotations

from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Counters, Snapshot
from pgtop_conn.view.dialogs.counting import Count, cautions, counts_of
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_background,
    make_hidden,
    make_own,
    make_server,
    make_snapshot,
    make_walsender,
)


def found(snapshot: Snapshot) -> dict[str, Count]:
    return {item.recipe: item for item in counts_of(snapshot, SlotBudget.of(snapshot))}


def test_each_figure_reconciles_with_ours() -> None:
    rows = [
        make_own(),
        make_backend(1, state="active"),
        make_walsender(2),
        make_background(3),
        make_backend(4, backend_type="parallel worker"),
    ]
    counters = Counters(NOW, 1, 0, 0, 0, 50, 3)
    items = found(
        make_snapshot(rows, counters=counters, server=make_server(reserved=2, provider_reserved={"rds.x": 4}))
    )
    ours = items["slots used (this program)"]
    everything = items["count(*) FROM pg_stat_activity"]
    assert (ours.figure, everything.figure) == (2, 5)
    for kind in ("1 walsender", "1 checkpointer", "1 parallel worker"):
        assert kind in everything.why
    numbackends = items["sum(numbackends) FROM pg_stat_database"]
    assert numbackends.figure == 3
    assert "1 parallel worker" in numbackends.why
    # Ours and one more client, and the walsender: what the SQL gives.
    assert items["count(*) … WHERE state = 'active'"].figure == 3
    assert "1 walsender" in items["count(*) … WHERE state = 'active'"].why
    limit = items["SHOW max_connections"]
    assert limit.figure == 100
    assert limit.why == (
        "91 for ordinary roles; reserved: 3 for superusers, 2 for pg_use_reserved_connections, 4 by rds.x"
    )


def test_what_is_hidden_is_unknown_not_zero() -> None:
    rows = [make_own(), *(make_hidden(pid) for pid in range(1, 5))]
    items = found(make_snapshot(rows, counted_used=5, counted_exact=False))
    assert items["slots used (this program)"].figure == 5
    assert "at most" in items["slots used (this program)"].why
    assert items["Azure active_connections"].figure is None
    assert items["count(*) … WHERE state = 'active'"].figure is None
    assert items["sum(numbackends) FROM pg_stat_database"].figure is None
    assert "4 hidden from us" in items["count(*) FROM pg_stat_activity"].why


def test_standby_and_pooler_say_whose_numbers_these_are() -> None:
    plain = cautions(make_snapshot())
    assert not any("standby" in text or "pooler" in text for text in plain)
    assert any("sorry, too many clients already" in text for text in plain)
    told = " ".join(cautions(make_snapshot(server=make_server(pooled=True, in_recovery=True))))
    assert "pooler" in told
    assert "standby" in told
