"""check: one line for a monitoring system, with the exit codes of its plugins."""

from __future__ import annotations

import os
from dataclasses import replace

from pgtop_conn.commands.check.options import Options, add_arguments, notes, options_of
from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.run import run_async
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.terminal.console import answer
from pgtop_conn.view.export.check import PluginStatus, said


def run(invocation: Invocation) -> int:
    """Print the line; the exit code."""
    from pgtop_conn.commands.check.run import alarm, patience_s

    settings = invocation.settings
    options = options_of(invocation.found, settings)
    seconds = patience_s(settings, options)
    login = replace(invocation.login(), never_ask=True, patience_s=seconds)
    with alarm(seconds):
        line, code = run_async(_check(login, settings, options))
    return answer(f"{line}\n", "", code)


async def _check(login: Login, settings: Settings, options: Options) -> tuple[str, int]:
    from pgtop_conn.commands.check.run import check
    from pgtop_conn.connect.open import open_source

    # Who waits for a slot does not tell that there is none.
    settings = replace(settings, wait=False)
    return await check(lambda: open_source(login, os.environ, settings), settings, options)


def complain(message: str) -> int:
    """A monitoring plugin has one line for everything, on stdout."""
    return answer(f"{said(PluginStatus.UNKNOWN, message)}\n", "", PluginStatus.UNKNOWN)


COMMAND = Command(
    run,
    add_arguments,
    notes,
    without=frozenset({"warning", "critical", "wait"}),
    complain=complain,
    without_output=PluginStatus.UNKNOWN,
)
