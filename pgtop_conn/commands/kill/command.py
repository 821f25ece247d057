"""kill: cancel or terminate every session that matches a filter, with the guards of the screen."""

from __future__ import annotations

from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.run import opened, policy_of, run_async
from pgtop_conn.commands.kill.options import Options, add_arguments, notes, options_of
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.terminal.console import answer


def run(invocation: Invocation) -> int:
    """Plan, signal, and say how each session ended; the exit code."""
    # Before anything that a refusal need not wait for is loaded.
    options = options_of(invocation.found, invocation.settings.read_only)
    return run_async(_kill(invocation.login(), invocation.settings, options))


async def _kill(login: Login, settings: Settings, options: Options) -> int:
    from pgtop_conn.commands.kill.run import kill

    async with opened(login, settings) as source:
        done = await kill(source, options, policy_of(settings), settings)
    return answer(done.out, done.err, done.code)


#: The filter is its first argument, and none from elsewhere may narrow or widen it.
COMMAND = Command(run, add_arguments, notes, without=frozenset({"filter"}))
