"""argv to Settings to one command. Each command, and the screen, is imported only when it runs.

Add a command: one entry in COMMANDS. Add an option: config.SETTINGS, or the command's own arguments.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from pgtop_conn import __version__, config
from pgtop_conn.commands.parsing import PROGRAM, Command, login_of, parser_of
from pgtop_conn.model.errors import BadInput, FilterError, PgtopError, SlotsExhausted

if TYPE_CHECKING:
    from pgtop_conn.commands.checking import Demand
    from pgtop_conn.commands.looks import Looks
    from pgtop_conn.commands.opening import Login
    from pgtop_conn.commands.order import Order
    from pgtop_conn.commands.request import Request
    from pgtop_conn.model.guards import Policy

T = TypeVar("T")

DONE, NOT_ALL, REFUSED = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of PRODUCT.md and never lets a traceback out."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    complain: Callable[[str], int] = _complain
    try:
        name, rest = _command_of(words)
        complain = COMMANDS[name].complain or _complain
        return _main(name, rest, words)
    except FilterError as error:
        return complain(f"filter: {error}\n{error.pointed()}")
    except SlotsExhausted as error:
        return complain("\n  ".join((str(error), *error.advice)))
    except PgtopError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output is gone; nothing is left to say, and Python's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return complain(error.strerror or str(error))
    except Exception as error:
        # The outermost border: a defect of ours is one line, too, and its traceback goes to the log.
        _log_defect(error)
        return complain(f"unexpected {type(error).__name__}; --log-file FILE records the details")


def _log_defect(error: Exception) -> None:
    import logging

    logging.getLogger(__name__).critical("unexpected error", exc_info=error)


def _complain(message: str) -> int:
    sys.stderr.write(f"{PROGRAM}: {message}\n")
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
        from pgtop_conn.model.filters import parse

        parse(settings.filter)
    _log_to(settings.log_file)
    return command.run(arguments, settings)


def _log_to(path: str) -> None:
    """Log to the file, or nowhere: without a handler Python would write warnings across the screen."""
    import logging

    try:
        handler = logging.FileHandler(path, encoding="utf-8") if path else logging.NullHandler()
    except OSError as error:
        raise BadInput(f"--log-file {path}: {error.strerror or error}") from None
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


#: Names that are kept for commands to come, so that none of them is taken for a database.
RESERVED = ("record", "replay", "report")


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
        elif word in RESERVED:
            raise BadInput(
                f"{word!r} is a command that {__version__} does not have yet"
                f" (a database of that name: {PROGRAM} watch {word})"
            )
        else:
            _refuse_misspelt(word, argv[index + 1 :])
            break
    return "watch", argv


def _refuse_misspelt(word: str, rest: Sequence[str]) -> None:
    """A database may be called anything, but there is one: with a second CONNINFO behind it, it is a command."""
    near = get_close_matches(word, COMMANDS, 1, 0.75)
    if near and any("://" in other or "=" in other for other in rest if not other.startswith("-")):
        raise BadInput(f"{word!r} is no command; did you mean {near[0]}?")


def _valued() -> set[str]:
    """Options that take a value as the next word."""
    options = {"-h", "--host", "-p", "--port", "-U", "--username", "-d", "--dbname", "--config"}
    return options | {f"--{setting.name}" for setting in config.SETTINGS if setting.metavar}


def _run(work: Coroutine[object, object, T]) -> T:
    """asyncio.run(), imported only by the commands that need it: it is the slowest import of --help."""
    import asyncio

    return asyncio.run(work)


def policy_of(settings: config.Settings) -> Policy:
    """What the guards are told of the settings."""
    from pgtop_conn.model.guards import Policy

    return Policy(
        read_only=settings.read_only,
        allow_replication=settings.allow_replication,
        allow_superuser=settings.allow_superuser,
        protected_roles=settings.protected_roles,
        replication_roles=settings.replication_roles,
    )


def _watch(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.starting import need_terminal

    need_terminal(settings)
    return _run(_watch_async(login_of(arguments), settings))


async def _watch_async(login: Login, settings: config.Settings) -> int:
    from pgtop_conn.commands.opening import open_source
    from pgtop_conn.starting import show

    source = await open_source(login, os.environ, settings, offers=True)
    try:
        return await show(source, settings, policy_of(settings))
    finally:
        await source.close()


def _snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.looks import add_arguments

    add_arguments(parser)


def _snapshot_notes() -> str:
    from pgtop_conn.commands.looks import notes

    return notes()


def _snapshot(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.looks import looks_of

    looks = looks_of(vars(arguments))
    sys.stdout.write(_run(_snapshot_async(login_of(arguments), settings, looks)))
    sys.stdout.flush()
    return DONE


async def _snapshot_async(login: Login, settings: config.Settings, looks: Looks) -> str:
    from pgtop_conn.commands.opening import open_source
    from pgtop_conn.commands.snapshot import snapshot, snapshots

    source = await open_source(login, os.environ, settings)
    try:
        if looks.every_s is None:
            return await snapshot(source, settings, policy_of(settings), looks.form)
        await snapshots(source, settings, policy_of(settings), looks)
        return ""
    finally:
        await source.close()


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.checking import add_arguments

    add_arguments(parser)


def _check_notes() -> str:
    from pgtop_conn.commands.checking import notes

    return notes()


def _check_complains(message: str) -> int:
    """A monitoring plugin has one line for everything, on stdout."""
    from pgtop_conn.view.plugin import Status, said

    return _answer(f"{said(Status.UNKNOWN, message)}\n", "", Status.UNKNOWN)


def _check(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.check import alarm, patience_s
    from pgtop_conn.commands.checking import demand_of

    demand = demand_of(vars(arguments), settings)
    login = replace(login_of(arguments), never_ask=True)
    with alarm(patience_s(settings, demand)):
        line, code = _run(_check_async(login, settings, demand))
    return _answer(f"{line}\n", "", code)


async def _check_async(login: Login, settings: config.Settings, demand: Demand) -> tuple[str, int]:
    from pgtop_conn.commands.check import check
    from pgtop_conn.commands.opening import open_source

    # Who waits for a slot does not tell that there is none.
    settings = replace(settings, wait=False)
    return await check(lambda: open_source(login, os.environ, settings), settings, demand)


def _diagnose_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.request import add_arguments

    add_arguments(parser)


def _diagnose_notes() -> str:
    from pgtop_conn.commands.request import notes

    return notes()


def _diagnose(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.request import request_of

    request = request_of(vars(arguments))
    sys.stdout.write(_run(_diagnose_async(login_of(arguments), settings, request)))
    sys.stdout.flush()
    return DONE


async def _diagnose_async(login: Login, settings: config.Settings, request: Request) -> str:
    from pgtop_conn.commands.diagnose import diagnose
    from pgtop_conn.commands.opening import open_source

    source = await open_source(login, os.environ, settings)
    try:
        return await diagnose(source, settings, request, config.journal_file())
    finally:
        await source.close()


def _kill_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.order import add_arguments

    add_arguments(parser)


def _kill_notes() -> str:
    from pgtop_conn.commands.order import notes

    return notes()


def _kill(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.order import order_of

    # Before anything that a refusal need not wait for is loaded.
    order = order_of(vars(arguments), settings.read_only)
    return _run(_kill_async(login_of(arguments), settings, order))


async def _kill_async(login: Login, settings: config.Settings, order: Order) -> int:
    from pgtop_conn.commands.kill import kill
    from pgtop_conn.commands.opening import open_source

    source = await open_source(login, os.environ, settings)
    try:
        answer = await kill(source, order, policy_of(settings), settings)
    finally:
        await source.close()
    return _answer(answer.out, answer.err, answer.code)


def _answer(out: str, remark: str, code: int) -> int:
    """The remark goes first: a reader of stdout who has left must not hide it."""
    if remark:
        sys.stderr.write(f"{PROGRAM}: {remark}\n")
    sys.stdout.write(out)
    sys.stdout.flush()
    return code


def _journal_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="every field, as JSON")
    parser.add_argument("--last", metavar="N", help="only the newest N signals")


def _journal(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.journal import journal
    from pgtop_conn.commands.order import count

    found = vars(arguments)
    last = count(found, "last", 0) if "last" in found else None
    out, remark = journal(config.journal_file(), last, as_json=found.get("json", False))
    return _answer(out, remark, DONE)


def _config_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.config import add_arguments

    add_arguments(parser)


def _config(arguments: argparse.Namespace, _settings: config.Settings) -> int:
    from pgtop_conn.commands.config import run

    answer, code = run(vars(arguments), os.environ, _key_problems, _themes)
    return _answer(answer, "", code)


def _key_problems(keys: Mapping[str, str]) -> Sequence[str]:
    from pgtop_conn.tui.remapping import problems

    return problems(keys)


def _themes() -> Sequence[str]:
    from pgtop_conn.tui.themes import ALIASES, themes

    return [*themes(), *ALIASES]


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def _completion(arguments: argparse.Namespace, _settings: config.Settings) -> int:
    from pgtop_conn.commands.completion import completion

    return _answer(completion(arguments.shell, COMMANDS, _themes()), "", DONE)


def _man(_arguments: argparse.Namespace, _settings: config.Settings) -> int:
    from pgtop_conn.commands.manual import manual

    return _answer(manual(COMMANDS, _themes()), "", DONE)


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="no screen: print the CONNINFO, serve until Ctrl-C")


def _demo(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn import demo

    if getattr(arguments, "headless", False):
        return demo.run_headless()
    from pgtop_conn.commands.opening import Login
    from pgtop_conn.starting import need_terminal

    need_terminal(settings)

    with demo.running_demo() as uri:
        return _run(_watch_async(Login(conninfo=uri, never_ask=True), settings))


COMMANDS: dict[str, Command] = {
    "watch": Command("The live monitor: who holds the slots, and who can still get in.", _watch),
    "snapshot": Command(
        "One look to stdout, or one after the other for a pipe.", _snapshot, _snapshot_arguments, notes=_snapshot_notes
    ),
    "check": Command(
        "One line for a monitoring system: OK, WARNING, CRITICAL or UNKNOWN, with performance data.",
        _check,
        _check_arguments,
        notes=_check_notes,
        without=frozenset({"warning", "critical", "wait"}),
        complain=_check_complains,
    ),
    "diagnose": Command(
        "Why the slots are gone, with evidence, and what to do: text to copy, nothing is run.",
        _diagnose,
        _diagnose_arguments,
        notes=_diagnose_notes,
    ),
    "kill": Command(
        "Cancel or terminate every session that matches a filter, with the guards of the screen.",
        _kill,
        _kill_arguments,
        notes=_kill_notes,
        # The filter is its first argument, and none from elsewhere may narrow or widen it.
        without=frozenset({"filter"}),
    ),
    "journal": Command("What was signalled from this account, and how it ended.", _journal, _journal_arguments, False),
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
        "A private PostgreSQL with leaking applications, to try everything on.", _demo, _demo_arguments, False
    ),
}
