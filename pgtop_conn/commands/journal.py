"""journal: what was signalled from this account: who, when, where, why, and how each session ended."""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from textwrap import indent

from pgtop_conn import folders
from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.exit_codes import DONE
from pgtop_conn.commands.common.values import count
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.signalling.journal import Damage, Entry, entries
from pgtop_conn.model.text import clean
from pgtop_conn.storage import journal_file
from pgtop_conn.terminal import streams
from pgtop_conn.terminal.console import answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of journal's own."""
    parser.add_argument("--json", action="store_true", help="every field, as JSON")
    parser.add_argument("--last", metavar="N", help="only the newest N signals")


def run(invocation: Invocation) -> int:
    """Print the entries; the exit code."""
    found = invocation.found
    last = count(found["last"], "last") if "last" in found else None
    write = partial(streams.write, flush=False)
    remark = journal(folders.journal_file(), last, write, as_json=found.get("json", False))
    return answer("", remark, DONE)


def journal(path: Path, last: int | None, write: Callable[[str], object], *, as_json: bool) -> str:
    """Write the newest `last` entries of the file, or all, newest last; gives a remark for stderr.

    Without `last` each is written as it is read, whatever the size of the file. Raises BadInput where that fails.
    """
    try:
        lines = journal_file.lines(path)
    except FileNotFoundError:
        if as_json:
            write("[]\n")
        return f"nothing was signalled from this account so far ({clean(str(path))})"
    except OSError as error:
        raise BadInput(f"the journal {clean(str(path))} can't be read: {error.strerror or error}") from None
    damage = Damage()
    found: Iterable[Entry] = entries(lines, damage)
    if last is not None:
        found = deque(found, maxlen=last)
    (_write_json if as_json else _write_text)(found, write)
    several = "line is" if damage.lines == 1 else "lines are"
    return f"{damage.lines} {several} damaged and left out" if damage.lines else ""


def _write_text(found: Iterable[Entry], write: Callable[[str], object]) -> None:
    for entry in found:
        write(f"{entry.text()}\n")


def _write_json(found: Iterable[Entry], write: Callable[[str], object]) -> None:
    between = "[\n"
    for entry in found:
        write(between + indent(json.dumps(entry.document(), ensure_ascii=False, indent=2), "  "))
        between = ",\n"
    write("[]\n" if between == "[\n" else "\n]\n")


COMMAND = Command(run, add_arguments, connects=False)
