"""report: what a recording tells, as Markdown or as one HTML page."""

from __future__ import annotations

from pgtop_conn import config, folders
from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.exit_codes import DONE
from pgtop_conn.commands.report.options import add_arguments, notes, options_of
from pgtop_conn.terminal.console import answer


def run(invocation: Invocation) -> int:
    """Make the report; the exit code."""
    options = options_of(invocation.found)
    import asyncio

    from pgtop_conn.commands.report.run import report

    out, remark = asyncio.run(report(options, invocation.settings, folders.journal_file()))
    return answer(out, remark, DONE)


COMMAND = Command(
    run,
    add_arguments,
    notes,
    connects=False,
    # What narrows or steers a monitor would be ignored.
    without=frozenset(setting.field for setting in config.SETTINGS) - {"ascii", "warning", "critical", "log_file"},
)
