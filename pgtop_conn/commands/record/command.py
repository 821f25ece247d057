"""record: every poll into a file, without a screen, until it is ended."""

from __future__ import annotations

import os

from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.run import run_async
from pgtop_conn.commands.record.options import Options, add_arguments, notes, options_of
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login


def run(invocation: Invocation) -> int:
    """Record until it is ended; the exit code."""
    # Before anything that a refusal need not wait for is loaded.
    options = options_of(invocation.found)
    return run_async(_record(invocation.login(), invocation.settings, options))


async def _record(login: Login, settings: Settings, options: Options) -> int:
    from pgtop_conn.commands.record.run import record
    from pgtop_conn.connect.open import open_source

    return await record(lambda: open_source(login, os.environ, settings), options, settings)


#: Every session is recorded, and nobody is signalled.
COMMAND = Command(run, add_arguments, notes, without=frozenset({"filter", "group"}))
