"""Whether our own connection can be overheard, and what was left out of the conninfo."""

from __future__ import annotations

import pytest

from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.view.dialogs.counting import cautions
from pgtop_conn.view.status.server_lines import ScreenStatus, server_line
from tests.support.data.factories import make_server, make_snapshot
from tests.support.data.fields import ServerFields


@pytest.mark.parametrize(
    ("server", "shown", "style"),
    [
        ({"tls": "TLSv1.3, TLS_AES_256_GCM_SHA384"}, "TLS 1.3", "dim"),
        ({"tls": ""}, "no TLS", "warning"),
        ({"tls": "", "host": "127.0.0.1"}, "", "dim"),
        ({"tls": "", "host": "/run/postgresql"}, "", "dim"),
        ({"tls": None}, "", "dim"),
    ],
)
def test_the_server_line(server: ServerFields, shown: str, style: str) -> None:
    snapshot = make_snapshot(server=make_server(**server))
    cells = server_line(snapshot, SlotBudget.of(snapshot), ScreenStatus(interval_s=2), 120)
    found = [cell for cell in cells if "TLS" in cell.text]
    assert [(cell.text.strip(), cell.style) for cell in found] == ([(shown, style)] if shown else [])
    narrow = "".join(
        cell.text for cell in server_line(snapshot, SlotBudget.of(snapshot), ScreenStatus(interval_s=2), 60)
    )
    assert ("no TLS" in narrow) == (shown == "no TLS")


def test_what_was_left_out_is_told() -> None:
    server = make_server(tls="TLSv1.2, X", notes=("PGTZ is left out: it has no meaning here",))
    told = cautions(make_snapshot(server=server))
    assert told[:2] == ["Our own connection: TLSv1.2, X.", "Of the conninfo: PGTZ is left out: it has no meaning here."]
    assert "has no TLS" in cautions(make_snapshot(server=make_server(tls="")))[0]
