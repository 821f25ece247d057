"""argv to Settings to one command. Each command, and the screen, is imported only when it runs.

Add a command: a line in COMMANDS, and what it does in commands/ (see commands/common/command.py).
Add an option: config.SETTINGS, or the command's own arguments.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pgtop_conn import config
from pgtop_conn.commands.common.command import Command, Invocation, command_named
from pgtop_conn.commands.common.exit_codes import DONE, INTERRUPTED, REFUSED
from pgtop_conn.commands.common.parser import parser_of
from pgtop_conn.model.errors import BadInput, FilterError, PgtopError, SlotsExhausted
from pgtop_conn.terminal import console, streams
from pgtop_conn.terminal.streams import OutputLost

#: Every command and its line of help.
COMMANDS = {
    "watch": "The live monitor: who holds the slots, and who can still get in.",
    "snapshot": "One look to stdout, or one after the other for a pipe.",
    "check": "One line for a monitoring system: OK, WARNING, CRITICAL or UNKNOWN, with performance data.",
    "diagnose": "Why the slots are gone, with evidence, and what to do: text to copy, nothing is run.",
    "kill": "Cancel or terminate every session that matches a filter, with the guards of the screen.",
    "record": "Every poll into a file, without a screen, until it is ended.",
    "journal": "What was signalled from this account, and how it ended.",
    "replay": "A recording on the screen as it was, with a time of its own.",
    "report": (
        "What a recording tells: how full it was and when, who grew, what was done, what could be given to pools."
    ),
    "config": "The settings in force and where each comes from; a commented file to begin with; a file checked.",
    "completion": "Completion for a shell, to stdout: source <(pgtop-conn completion bash).",
    "man": "The manual page, to stdout: pgtop-conn man | man -l -.",
    "demo": "A private PostgreSQL with leaking applications, to try everything on.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see exit_codes.py) and never lets a traceback out."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        name, rest = _command_of(words)
    except BadInput as error:
        return _complain(str(error))
    try:
        command = command_named(name)
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        code = _ended(command.complain or _complain, lambda: _main(name, command, rest, words))
        streams.write("")
    except OutputLost as error:
        return streams.without_output(error, command.without_output)
    return code


def _ended(complain: Callable[[str], int], command: Callable[[], int]) -> int:
    """The exit code of the command, or of what ended it. Raises OutputLost, also out of `complain`."""
    try:
        return command()
    except OutputLost:
        raise
    except SystemExit as error:
        # --help.
        return error.code if isinstance(error.code, int) else DONE
    except FilterError as error:
        return complain(f"filter: {error}\n{error.pointed()}")
    except SlotsExhausted as error:
        return complain("\n  ".join((str(error), *error.advice)))
    except PgtopError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError as error:
        # Of stdout, as `snapshot --watch` sees it: sockets have their own errors.
        raise OutputLost(error) from None
    except OSError as error:
        return complain(error.strerror or str(error))
    except Exception as error:
        # The outermost border: a defect of ours is one line, too, and its traceback goes to the log.
        _log_defect(error)
        return complain(f"unexpected {type(error).__name__}; --log-file FILE records the details")


def _log_defect(error: Exception) -> None:
    import logging

    # Before the log is open, Python would write the traceback to stderr.
    if logging.getLogger().handlers:
        logging.getLogger(__name__).critical("unexpected error", exc_info=error)


def _complain(message: str) -> int:
    from pgtop_conn.model.text import clean

    # What was typed is in some of them.
    lines = "\n".join(map(clean, message.split("\n")))
    console.tell(lines)
    return REFUSED


def _main(name: str, command: Command, rest: list[str], words: list[str]) -> int:
    found = vars(parser_of(name, COMMANDS).parse_intermixed_args(rest))
    given = {setting.field: found[setting.field] for setting in config.SETTINGS if setting.field in found}
    settings = config.load(given, os.environ, found.get("config")) if command.loads else config.Settings()
    if settings.filter and "filter" not in command.without:
        from pgtop_conn.model.filters.language import parse

        parse(settings.filter)
    _log_to(settings.log_file)
    return command.run(Invocation(found, settings, tuple(words), given, COMMANDS))


def _log_to(path: str) -> None:
    """Log to the file, or nowhere: without a handler Python would write warnings across the screen."""
    import logging

    # A log that can't be written is no reason to write across the screen.
    logging.raiseExceptions = False
    handler: logging.Handler = logging.NullHandler()
    if path:
        from pgtop_conn import private_files

        try:
            file = os.fdopen(private_files.append(Path(path)), "a", encoding="utf-8", errors="replace")
        # A name with a NUL in it is a ValueError.
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise BadInput(f"--log-file {path}: {why}") from None
        handler = logging.StreamHandler(file)
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _command_of(argv: list[str]) -> tuple[str, list[str]]:
    """The command is the first word that is not an option or an option's value; without one it is `watch`."""
    skip = False
    for index, word in enumerate(argv):
        if skip:
            skip = False
        elif word == "--":
            break
        elif word.startswith("-") and word != "-":
            skip = word in _valued()
        elif word in COMMANDS:
            return word, [*argv[:index], *argv[index + 1 :]]
        else:
            _refuse_misspelt(word, argv[index + 1 :])
            break
    return "watch", argv


def _refuse_misspelt(word: str, rest: Sequence[str]) -> None:
    """A database may be called anything, but there is one: with a second CONNINFO behind it, it is a command."""
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, 1, 0.75)
    if near and any("://" in other or "=" in other for other in rest if not other.startswith("-")):
        raise BadInput(f"{word!r} is no command; did you mean {near[0]}?")


def _valued() -> set[str]:
    """Options that take a value as the next word."""
    options = {"-h", "--host", "-p", "--port", "-U", "--username", "-d", "--dbname", "--config"}
    return options | {f"--{setting.name}" for setting in config.SETTINGS if setting.metavar}
