"""What `report` is asked for: its arguments, their help, and the Options they make. Light enough for --help."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean

#: Endings of --output, and the form they mean.
FORMS = {".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown"}


@dataclass(frozen=True, slots=True)
class Options:
    """`form` is markdown or html; without `output` the report goes to stdout."""

    recording: Path
    form: str = "markdown"
    output: Path | None = None
    replaces: bool = False
    redact: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE and the options of report's own."""
    parser.add_argument("recording", metavar="FILE", help="a recording: what `record FILE` wrote")
    group = parser.add_argument_group("output")
    group.add_argument("--html", action="store_true", help="one self-contained page with charts, instead of Markdown")
    group.add_argument("--output", "-o", metavar="FILE", help="into a file; .html makes it a page, .md Markdown")
    group.add_argument("--force", action="store_true", help="replace the output file where there is one")
    group.add_argument(
        "--redact", action=argparse.BooleanOptionalAction, help="mask the literals of statements (the default)"
    )


def options_of(found: Mapping[str, Any]) -> Options:
    """The options. Raises BadInput."""
    recording, output = Path(found["recording"]), Path(found["output"]) if found.get("output") else None
    form = "html" if found.get("html") else "markdown"
    if output is not None:
        ending = FORMS.get(output.suffix.lower())
        if ending is None and not found.get("html"):
            raise BadInput(f"--output: expected a name that ends in {', '.join(FORMS)}, not {clean(output.name)!r}")
        if ending == "markdown" and found.get("html"):
            raise BadInput(f"--html writes a page, and {clean(output.name)!r} is the name of Markdown")
        if output.absolute() == recording.absolute():
            raise BadInput("--output: the report would take the place of its own recording")
        form = ending or form
    elif found.get("force"):
        raise BadInput("--force replaces a file: it needs --output")
    return Options(
        recording=recording,
        form=form,
        output=output,
        replaces=found.get("force", False),
        redact=found.get("redact", True),
    )


def notes() -> str:
    """What --help says at the end."""
    return """
The report tells when and how full the server was, who grew, what was signalled and whether it helped, restarts and
gaps, and how much could still be given to pools. Times are UTC. The page is whole: no
script, and nothing is loaded.

exit codes:
  0  the report was made; what is damaged in the recording is said in it
  2  bad input, no recording, or the output is there already (see --force)
"""
