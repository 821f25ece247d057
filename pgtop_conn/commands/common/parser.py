"""The command line's grammar: shared options, the connection as psql takes it, and what a command adds to them.

Imported for --help: nothing here loads more than argparse and the settings.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import IO, NoReturn

from pgtop_conn import __version__, config
from pgtop_conn.commands.common.command import command_named
from pgtop_conn.model.errors import BadInput
from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal import streams


class _Parser(argparse.ArgumentParser):
    """One clear line instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        what, _, words = message.partition(": ")
        if what == "unrecognized arguments":
            # Never what stands beside an option: it may be a CONNINFO with a password.
            options = [word.partition("=")[0] for word in words.split() if word.startswith("-")]
            message = f"unrecognized option {options[0]}" if options else "expected one CONNINFO, and there is more"
        raise BadInput(f"{message} (see {PROGRAM} --help)")

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]
        """Help and version, which argparse would lose without a word."""
        streams.write(message)


EPILOG = """\
CONNINFO is what psql takes: a URI, a key=value string, or a database name. The environment (PGHOST, PGUSER, ...)
and .pgpass work as with psql. A password is asked for on the terminal, never taken from the command line.
"""


def parser_of(name: str, commands: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser of one of `commands`, which has a line of help for each; `watch`, the default one, lists them all."""
    command = command_named(name)
    usage = f"{PROGRAM} [watch]" if name == "watch" else f"{PROGRAM} {name}"
    listed = "".join(f"  {other:<10} {told}\n" for other, told in commands.items())
    parser = _Parser(
        prog=usage,
        description=commands[name],
        epilog=EPILOG * command.connects + (f"\ncommands:\n{listed}" if name == "watch" else command.notes()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    general = parser.add_argument_group("general")
    general.add_argument("-?", "--help", action="help", help="show this help and exit")
    general.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    general.add_argument("--config", metavar="FILE", help="configuration file to read")
    # First, since its own positional arguments come before CONNINFO.
    command.arguments(parser)
    if command.connects:
        _add_login(parser)
    options = parser.add_argument_group("options")
    for setting in config.SETTINGS:
        if setting.field not in command.without:
            _add_setting(options, setting)
    return parser


def _add_setting(group: argparse._ArgumentGroup, setting: config.Setting) -> None:
    if setting.metavar:
        group.add_argument(f"--{setting.name}", dest=setting.field, metavar=setting.metavar, help=setting.help)
    elif setting.field == "mouse":
        group.add_argument("--no-mouse", dest=setting.field, action="store_const", const=False, help=setting.help)
    else:
        group.add_argument(f"--{setting.name}", dest=setting.field, action="store_const", const=True, help=setting.help)


def _add_login(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("conninfo", metavar="CONNINFO", nargs="?", help="what psql takes")
    login = parser.add_argument_group("connection")
    login.add_argument("-h", "--host", metavar="HOST", help="host name, address or socket directory")
    login.add_argument("-p", "--port", metavar="PORT", help="port")
    login.add_argument("-U", "--username", metavar="USER", help="role to log in as")
    login.add_argument("-d", "--dbname", metavar="DBNAME", help="database name or CONNINFO")
    login.add_argument("-w", "--no-password", action="store_true", help="never ask for a password")
    login.add_argument("-W", "--password", action="store_true", help="ask for a password before connecting")
