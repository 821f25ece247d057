"""journal: what was signalled from this account: who, when, where, why, and how each session ended."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import indent

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.signalling.journal import Damage, Entry, entries
from pgtop_conn.model.text import clean
from pgtop_conn.storage import journal_file


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
