"""watch: the live monitor on the screen. The command that runs where none is named."""

from __future__ import annotations

from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.need_terminal import need_terminal
from pgtop_conn.commands.common.run import opened, policy_of, run_async
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login


def run(invocation: Invocation) -> int:
    """The monitor until the user leaves; the exit code."""
    need_terminal(invocation.settings)
    return run_async(_watch(invocation.login(), invocation.settings))


async def _watch(login: Login, settings: Settings) -> int:
    import pgtop_conn.connect.open
    import pgtop_conn.postgres.session  # noqa: F401
    from pgtop_conn.commands.watch.preload import load_meanwhile

    load_meanwhile()
    async with opened(login, settings, offers=True) as source:
        first = await source.poll()
        from pgtop_conn.commands.watch.run import show

        return await show(source, first, settings, policy_of(settings))


COMMAND = Command(run)
