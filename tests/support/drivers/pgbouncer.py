"""A PgBouncer between the applications of one scenario and its server."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from pgtop_conn.demo.server import Cluster
from tests.support.drivers.application import ClientFailed
from tests.support.pgbouncer import pooler_program, running

#: Seconds that a client waits for a server connection.
WAIT_S = 1


def bouncer(cluster: Cluster, mode: str, role: str) -> AbstractAsyncContextManager[int]:
    """Its port; `mode` is "session" or "transaction"."""
    program = pooler_program()
    if program is None:
        raise ClientFailed("no pgbouncer here")
    limits = {"default_pool_size": 60, "max_client_conn": 200, "query_wait_timeout": WAIT_S}
    return running(program, cluster, role, pool_mode=mode, **limits)
