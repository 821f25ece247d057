"""man: the manual page, made from the parsers that --help is made from and from the table of settings."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence

from pgtop_conn import __version__
from pgtop_conn.commands.common.command import Command, Invocation, command_named
from pgtop_conn.commands.common.exit_codes import DONE
from pgtop_conn.commands.common.parser import EPILOG, parser_of
from pgtop_conn.commands.common.theme_names import theme_names
from pgtop_conn.config import SETTINGS
from pgtop_conn.program import ABOUT, PROGRAM
from pgtop_conn.terminal.console import answer


def run(invocation: Invocation) -> int:
    """Print the page; the exit code."""
    return answer(manual(invocation.commands, theme_names()), "", DONE)


def manual(commands: Mapping[str, str], themes: Sequence[str]) -> str:
    """The page as roff, for man."""
    shared = {setting.field for setting in SETTINGS}
    watch = [action for action in parser_of("watch", commands)._actions if action.option_strings]
    general = {action.dest for action in watch}
    lines = [
        f'.TH "{_text(PROGRAM.upper())}" 1 "" "{_text(f"{PROGRAM} {__version__}")}" "User Commands"',
        *_section("NAME", f"{PROGRAM} - {ABOUT}", raw=True),
        *_section("SYNOPSIS", f"{PROGRAM} [COMMAND] [OPTIONS] [CONNINFO]"),
        *_section("DESCRIPTION", EPILOG),
        ".SH COMMANDS",
    ]
    for name, told in commands.items():
        lines += [f'.SS "{_text(name)}"', *_paragraph(told)]
        own = [action for action in parser_of(name, commands)._actions if action.dest not in general | {"conninfo"}]
        lines += [line for action in own for line in _option(action)]
        if notes := command_named(name).notes():
            lines += [".PP", ".nf", *(_line(line) for line in notes.strip().splitlines()), ".fi"]
    lines += [".SH OPTIONS", *(line for action in watch if action.dest not in shared for line in _option(action))]
    lines += [line for action in watch if action.dest in shared for line in _option(action)]
    lines += _section("THEMES", ", ".join(themes))
    lines += _settings()
    lines += _section(
        "FILES",
        "The configuration is config.toml in the user's configuration folder (~/.config/pgtop-conn on Linux); "
        "the journal of every signal, and the layout of the screen, are in the state folder "
        f"(~/.local/state/pgtop-conn). {PROGRAM} config shows where.",
    )
    lines += _section(
        "EXIT STATUS",
        "0 done, 1 not everything could be done, 2 bad input, refused, or no connection; "
        "check has the monitoring plugins' own.",
    )
    lines += _section("SEE ALSO", "psql(1)")
    return "\n".join(lines) + "\n"


def _settings() -> Iterator[str]:
    yield from _section(
        "CONFIGURATION",
        "Each setting may stand in the TOML file, in the environment, or on the command line, which wins. "
        f"{PROGRAM} config --init writes a commented file, {PROGRAM} config --check validates it.",
    )
    for setting in SETTINGS:
        yield from (".TP", f".B {_text(setting.name)}", _line(f"{setting.variable}: {setting.help}"))


def _section(title: str, text: str, *, raw: bool = False) -> list[str]:
    return [f'.SH "{title}"', *([_line(text, dash=False)] if raw else _paragraph(text))]


def _paragraph(text: str) -> list[str]:
    return [_line(line) for line in text.strip().splitlines()]


def _option(action: argparse.Action) -> Iterator[str]:
    value = str(action.metavar or "") if action.nargs != 0 else ""
    names = ", ".join(f"\\fB{_text(flag)}\\fR" for flag in action.option_strings)
    taken = f"\\fI{_text(value)}\\fR"
    yield ".TP"
    yield f"{names} {taken}" if names and value else names or taken
    yield _line(" ".join((action.help or "").split()))


def _line(text: str, *, dash: bool = True) -> str:
    """A line of text: a point or an apostrophe at its beginning would be a request."""
    found = _text(text, dash=dash)
    return f"\\&{found}" if found[:1] in (".", "'") else found


def _text(text: str, *, dash: bool = True) -> str:
    """Text as it is, whatever roff makes of its characters."""
    found = text.replace("\\", "\\e").replace('"', "\\(dq").replace("^", "\\(ha").replace("~", "\\(ti")
    found = found.replace("'", "\\(aq").replace("`", "\\(ga")
    found = found.replace("-", "\\-") if dash else found
    return re.sub(r"[^\x00-\x7f]", lambda match: f"\\[u{ord(match[0]):04X}]", found)


COMMAND = Command(run, connects=False, loads=False)
