"""Logins that fail."""

from __future__ import annotations

import pytest

from pgtop_conn.model.errors import ConnectError
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session


async def failing(conninfo: str) -> ConnectError:
    """The error of a login that does not succeed; its text can be drawn."""
    with pytest.raises(ConnectError) as caught:
        await (await Session.open(resolve(conninfo, environ={}))).close()
    assert str(caught.value).isprintable()
    return caught.value
