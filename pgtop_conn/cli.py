"""argv to Settings to one command. Each command, and the screen, is imported only when it runs.

Add a command: an entry in COMMANDS, and in running.py what it does.
Add an option: config.SETTINGS, or the command's own arguments.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pgtop_conn import config, folders, running
from pgtop_conn.commands.common.parser import Command, parser_of
from pgtop_conn.model.errors import BadInput, FilterError, PgtopError, SlotsExhausted
from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal import streams
from pgtop_conn.terminal.streams import OutputLost

DONE, REFUSED = 0, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of PRODUCT.md and never lets a traceback out."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        name, rest = _command_of(words)
    except BadInput as error:
        return _complain(str(error))
    command = COMMANDS[name]
    try:
        code = _ended(command.complain or _complain, lambda: _main(name, rest, words))
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
        return 130
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
    streams.say(f"{PROGRAM}: {lines}\n")
    return REFUSED


def _main(name: str, rest: list[str], argv: list[str]) -> int:
    command = COMMANDS[name]
    parser = parser_of(name, COMMANDS)
    arguments = parser.parse_intermixed_args(rest)
    arguments.typed = argv
    given = {
        setting.field: getattr(arguments, setting.field) for setting in config.SETTINGS if setting.field in arguments
    }
    arguments.given = given
    settings = (
        config.load(given, os.environ, getattr(arguments, "config", None)) if command.loads else config.Settings()
    )
    if settings.filter and "filter" not in command.without:
        from pgtop_conn.model.filters.language import parse

        parse(settings.filter)
    _log_to(settings.log_file)
    return command.run(arguments, settings)


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


def _journal_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="every field, as JSON")
    parser.add_argument("--last", metavar="N", help="only the newest N signals")


def _journal(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.journal import journal
    from pgtop_conn.commands.kill.options import count

    found = vars(arguments)
    last = count(found, "last", 0) if "last" in found else None
    write = partial(streams.write, flush=False)
    remark = journal(folders.journal_file(), last, write, as_json=found.get("json", False))
    return running.answer("", remark, DONE)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.report.options import add_arguments

    add_arguments(parser)


def _report_notes() -> str:
    from pgtop_conn.commands.report.options import notes

    return notes()


def _report(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.report.options import wish_of

    wish = wish_of(vars(arguments))
    import asyncio

    from pgtop_conn.commands.report.run import run

    out, remark = asyncio.run(run(wish, settings, folders.journal_file()))
    return running.answer(out, remark, DONE)


def _config_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.config import add_arguments

    add_arguments(parser)


def _config(arguments: argparse.Namespace, _settings: config.Settings) -> int:
    from pgtop_conn.commands.config import run

    answer, code = run(vars(arguments), os.environ, _key_problems, _themes)
    return running.answer(answer, "", code)


def _key_problems(keys: Mapping[str, str]) -> Sequence[str]:
    from pgtop_conn.tui.keys.remapping import problems

    return problems(keys)


def _themes() -> Sequence[str]:
    from pgtop_conn.tui.theme.choice import ALIASES
    from pgtop_conn.tui.theme.themes import themes

    return [*themes(), *ALIASES]


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def _completion(arguments: argparse.Namespace, _settings: config.Settings) -> int:
    from pgtop_conn.commands.completion import completion

    return running.answer(completion(arguments.shell, COMMANDS, _themes()), "", DONE)


def _man(_arguments: argparse.Namespace, _settings: config.Settings) -> int:
    from pgtop_conn.commands.man import manual

    return running.answer(manual(COMMANDS, _themes()), "", DONE)


COMMANDS: dict[str, Command] = {
    "watch": Command("The live monitor: who holds the slots, and who can still get in.", running.watch),
    "snapshot": Command(
        "One look to stdout, or one after the other for a pipe.",
        running.snapshot,
        running.snapshot_arguments,
        notes=running.snapshot_notes,
    ),
    "check": Command(
        "One line for a monitoring system: OK, WARNING, CRITICAL or UNKNOWN, with performance data.",
        running.check,
        running.check_arguments,
        notes=running.check_notes,
        without=frozenset({"warning", "critical", "wait"}),
        complain=running.check_complains,
        without_output=running.CHECK_UNKNOWN,
    ),
    "diagnose": Command(
        "Why the slots are gone, with evidence, and what to do: text to copy, nothing is run.",
        running.diagnose,
        running.diagnose_arguments,
        notes=running.diagnose_notes,
    ),
    "kill": Command(
        "Cancel or terminate every session that matches a filter, with the guards of the screen.",
        running.kill,
        running.kill_arguments,
        notes=running.kill_notes,
        # The filter is its first argument, and none from elsewhere may narrow or widen it.
        without=frozenset({"filter"}),
    ),
    "record": Command(
        "Every poll into a file, without a screen, until it is ended.",
        running.record,
        running.record_arguments,
        notes=running.record_notes,
        # Every session is recorded, and nobody is signalled.
        without=frozenset({"filter", "group"}),
    ),
    "journal": Command("What was signalled from this account, and how it ended.", _journal, _journal_arguments, False),
    "replay": Command(
        "A recording on the screen as it was, with a time of its own.",
        running.replay,
        running.replay_arguments,
        False,
        notes=running.replay_notes,
        without=frozenset({"interval_s", "wait", "door", "record_days", "history_mb"}),
    ),
    "report": Command(
        "What a recording tells: how full it was and when, who grew, what was done, what could be given to pools.",
        _report,
        _report_arguments,
        False,
        notes=_report_notes,
        # What narrows or steers a monitor would be ignored.
        without=frozenset(setting.field for setting in config.SETTINGS) - {"ascii", "warning", "critical", "log_file"},
    ),
    "config": Command(
        "The settings in force and where each comes from; a commented file to begin with; a file checked.",
        _config,
        _config_arguments,
        False,
        loads=False,
    ),
    "completion": Command(
        "Completion for a shell, to stdout: source <(pgtop-conn completion bash).",
        _completion,
        _completion_arguments,
        False,
        loads=False,
    ),
    "man": Command("The manual page, to stdout: pgtop-conn man | man -l -.", _man, connects=False, loads=False),
    "demo": Command(
        "A private PostgreSQL with leaking applications, to try everything on.",
        running.demo,
        running.demo_arguments,
        False,
    ),
}
