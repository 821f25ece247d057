"""journal: what was signalled from this account: who, when, where, why, and how each session ended."""

from __future__ import annotations

import json
from pathlib import Path

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.journal import read
from pgtop_conn.model.text import clean


def journal(path: Path, last: int | None, *, as_json: bool) -> tuple[str, str]:
    """The newest `last` entries of the file, or all, newest last; a remark for stderr beside them.

    Raises BadInput where the file can't be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return ("[]\n" if as_json else ""), f"nothing was signalled from this account so far ({clean(str(path))})"
    except OSError as error:
        raise BadInput(f"the journal {clean(str(path))} can't be read: {error.strerror or error}") from None
    entries, damaged = read(raw.decode("utf-8", errors="replace").split("\n"))
    shown = entries if last is None else entries[len(entries) - min(last, len(entries)) :]
    lines = "line is" if damaged == 1 else "lines are"
    remark = f"{damaged} {lines} damaged and left out" if damaged else ""
    if as_json:
        return json.dumps([entry.document() for entry in shown], ensure_ascii=False, indent=2) + "\n", remark
    return "".join(f"{entry.text()}\n" for entry in shown), remark
