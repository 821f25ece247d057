"""Lines of the trees of waits: what matters is in them, and at their beginning."""

from __future__ import annotations

from pgtop_conn.model.causes.lock_waits import PREPARED, chains
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.view.dialogs.blockers import link_line
from pgtop_conn.view.table.columns import SESSION_COLUMNS
from pgtop_conn.view.table.lines import Frame
from tests.support.data.factories import NOW, make_backend, make_snapshot
from tests.support.data.fields import BackendFields


def test_a_prepared_transaction_is_called_that() -> None:
    waiting = make_backend(4, blocked_by=(PREPARED,), wait_event_type="Lock", wait_event="tuple")
    links = chains(make_snapshot([waiting]))
    assert "a prepared transaction" in "".join(cell.text for cell in link_line(links[0], NOW))


def test_what_matters_is_within_a_narrow_window_whatever_the_names() -> None:
    long: BackendFields = {"role": "a_role_with_a_long_name", "app": "an application with a name of its own"}
    holder = make_backend(1_234_567, **long)
    lock: BackendFields = {"blocked_by": (1_234_567,), "wait_event_type": "Lock", "wait_event": "x"}
    waiters = [make_backend(4_000_000 + n, **(long | lock)) for n in range(1, 4)]
    first, *others = (
        "".join(cell.text for cell in link_line(link, NOW)) for link in chains(make_snapshot([holder, *waiters]))
    )
    assert "ending it frees" in first[:40]
    assert all("← blocked by 1234567" in line[:60] for line in others)


def test_one_that_is_blocked_by_a_prepared_transaction_says_so_wherever_it_is_shown() -> None:
    waiting = make_backend(4, blocked_by=(PREPARED,), wait_event_type="Lock", wait_event="tuple")
    snapshot = make_snapshot([waiting])
    line = "".join(cell.text for cell in link_line(chains(snapshot)[1], NOW))
    assert "← blocked by a prepared transaction" in line
    wait = next(column for column in SESSION_COLUMNS if column.name == "wait")
    assert (
        wait.cell(waiting, Frame(snapshot, SlotBudget.of(snapshot), Policy(), {})).text == "by a prepared transaction"
    )
