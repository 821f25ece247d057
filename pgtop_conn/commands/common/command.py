"""Command: what a command is to the command line, and Invocation: what it is run with.

Add a command: a folder here whose command.py says COMMAND, or a module that does, and its line of help in cli.COMMANDS.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login, login_of


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call from the command line. `found` are its arguments by name, without those that were not typed."""

    found: Mapping[str, Any]
    settings: Settings
    #: The whole command line.
    typed: tuple[str, ...] = ()
    #: What the command line says of settings, by their fields.
    given: Mapping[str, object] = field(default_factory=dict)
    #: Every command and its line of help.
    commands: Mapping[str, str] = field(default_factory=dict)

    def login(self) -> Login:
        """Where to connect to. Raises BadInput."""
        return login_of(self.found, self.typed)


@dataclass(frozen=True, slots=True)
class Command:
    """`run` gives the exit code; `arguments` adds the command's own to its parser."""

    run: Callable[[Invocation], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _parser: None
    #: What --help says at the end; asked for only when the command is the one to run.
    notes: Callable[[], str] = lambda: ""
    #: Whether it takes CONNINFO.
    connects: bool = True
    #: Shared options that it does not take, by the names of their fields.
    without: frozenset[str] = frozenset()
    #: Whether the settings are read before it runs; one that helps with them must run when they can't be.
    loads: bool = True
    #: How it tells that it can't be done, and with which exit code; None is a line on stderr and 2.
    complain: Callable[[str], int] | None = None
    #: Its exit code where stdout can't be written; None is 1 and a line on stderr.
    without_output: int | None = None


def command_named(name: str) -> Command:
    """The command of the folder or the module of that name; loaded here, and no other is."""
    place = import_module(f"pgtop_conn.commands.{name}")
    if hasattr(place, "__path__"):
        place = import_module(f"{place.__name__}.command")
    command: Command = place.COMMAND
    return command
