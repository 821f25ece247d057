"""replay: a recording on the screen as it was, with a time of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.need_terminal import need_terminal
from pgtop_conn.commands.common.run import policy_of, run_async


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE."""
    parser.add_argument("recording", metavar="FILE", help="a recording: what `record FILE` or R on the screen wrote")


def notes() -> str:
    """What --help says at the end."""
    return """
The same screen as it was, with a time of its own: p plays and holds, + and - change the speed, [ and ] step, t goes to
a time, n and m to the next signal and the next peak, h shows the whole as a chart. Nothing is asked of any server, and
nothing can be cancelled or terminated. What is damaged in the file is left out and said.

exit codes:
  0  the user left
  2  bad input, or FILE is no recording
"""


def run(invocation: Invocation) -> int:
    """The recording on the screen until the user leaves; the exit code."""
    need_terminal(invocation.settings, "report FILE")
    from pgtop_conn.commands.replay.run import replay

    settings = invocation.settings
    return run_async(replay(Path(invocation.found["recording"]), settings, policy_of(settings)))


COMMAND = Command(
    run,
    add_arguments,
    notes,
    connects=False,
    without=frozenset({"interval_s", "wait", "door", "record_days", "history_mb"}),
)
