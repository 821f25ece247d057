"""snapshot: one poll of the server on stdout, or one after the other for a pipe."""

from __future__ import annotations

from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.exit_codes import DONE
from pgtop_conn.commands.common.run import opened, policy_of, run_async
from pgtop_conn.commands.snapshot.options import Options, add_arguments, notes, options_of
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.terminal import streams


def run(invocation: Invocation) -> int:
    """Print what was asked for; the exit code."""
    options = options_of(invocation.found)
    streams.write(run_async(_snapshot(invocation.login(), invocation.settings, options)))
    return DONE


async def _snapshot(login: Login, settings: Settings, options: Options) -> str:
    from pgtop_conn.commands.snapshot.run import snapshot, snapshots

    async with opened(login, settings) as source:
        if options.every_s is None:
            return await snapshot(source, settings, policy_of(settings), options.form)
        await snapshots(source, settings, policy_of(settings), options)
        return ""


COMMAND = Command(run, add_arguments, notes)
