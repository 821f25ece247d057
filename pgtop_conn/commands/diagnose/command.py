"""diagnose: why the slots are gone, with evidence, and what to do."""

from __future__ import annotations

from pgtop_conn import folders
from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.exit_codes import DONE
from pgtop_conn.commands.common.run import opened, run_async
from pgtop_conn.commands.diagnose.options import Options, add_arguments, notes, options_of
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.terminal import streams


def run(invocation: Invocation) -> int:
    """Print the diagnosis; the exit code."""
    options = options_of(invocation.found)
    streams.write(run_async(_diagnose(invocation.login(), invocation.settings, options)))
    return DONE


async def _diagnose(login: Login, settings: Settings, options: Options) -> str:
    from pgtop_conn.commands.diagnose.run import diagnose

    async with opened(login, settings) as source:
        return await diagnose(source, settings, options, folders.journal_file())


COMMAND = Command(run, add_arguments, notes)
