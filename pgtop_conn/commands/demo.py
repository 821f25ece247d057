"""demo: a private PostgreSQL with leaking applications, to try everything on."""

from __future__ import annotations

import argparse
from dataclasses import replace

from pgtop_conn.commands.common.command import Command, Invocation, command_named
from pgtop_conn.commands.common.need_terminal import need_terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of demo's own."""
    parser.add_argument("--headless", action="store_true", help="no screen: print the CONNINFO, serve until Ctrl-C")


def run(invocation: Invocation) -> int:
    """The monitor on the demo's server, or that server alone, until the user leaves; the exit code."""
    from pgtop_conn import demo

    if invocation.found.get("headless", False):
        return demo.run_headless()
    need_terminal(invocation.settings)
    with demo.running_demo() as uri:
        # As somebody would who types the CONNINFO that --headless prints.
        found = {"conninfo": uri, "no_password": True}
        return command_named("watch").run(replace(invocation, found=found, typed=()))


COMMAND = Command(run, add_arguments, connects=False)
