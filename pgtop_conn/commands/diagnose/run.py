"""diagnose: why the slots are gone and what to do, as text, as JSON, or as the incident report."""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pgtop_conn.commands.common.observe import UNTIL_STABLE, Watch, observe
from pgtop_conn.commands.common.rich_lines import capturing_console, draws, rich_line
from pgtop_conn.commands.diagnose.options import Options
from pgtop_conn.config import Settings
from pgtop_conn.model.diagnosis import diagnose as find
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.filters.language import Tags, parse
from pgtop_conn.model.findings import Case, Finding, Remedy
from pgtop_conn.model.labels.labels import tags_of
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.recording.recording import Recording
from pgtop_conn.storage.report_files import make_report
from pgtop_conn.terminal.console import overwrite
from pgtop_conn.view.dialogs.diagnosis import Section, remedy_rows, sections
from pgtop_conn.view.findings import cautions, document, unknowns
from pgtop_conn.view.status import server_lines
from pgtop_conn.view.table.columns import Cell

#: Columns of text that goes to a file or a pipe.
WIDE = 160
INDENT = "   "
#: How much of a recording is looked at: what a monitor that runs all along would remember.
RECORDED_S = 900.0


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosed:
    """A case with what was found in it, narrowed to the sessions that the filter leaves."""

    case: Case
    findings: tuple[Finding, ...]
    sizing: tuple[Remedy, ...]


async def diagnose(source: Source, settings: Settings, options: Options, journal: Path) -> str:
    """Watch, ask for the facts, find the causes, and tell them in the form that was asked for."""
    earlier = recorded(options.recording) if options.recording is not None else ()
    snapshot, budget, observation = await observe(source, settings, _watch(options), earlier)
    overwrite("reading settings and the server's log")
    facts = await source.facts()
    overwrite("")
    case = Case.of(snapshot, budget, observation, facts, options.ram)
    tags = tags_of(snapshot, settings.labels, observation.leaks(snapshot))
    found = narrowed(case, tags, settings.filter)
    if options.form == "json":
        told = document(found.case, found.findings, found.sizing, settings.filter)
        return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    if options.form == "markdown":
        return make_report(found.case, found.findings, journal, redact=options.redact, filter_text=settings.filter)
    ascii_only = settings.ascii or not draws(sys.stdout.encoding)
    return text(found, settings.filter, ascii_only=ascii_only)


def _watch(options: Options) -> Watch:
    """As long as was asked for; with a recording as short as the verdicts allow."""
    if options.seconds is not None:
        return Watch.for_s(options.seconds)
    return UNTIL_STABLE if options.recording is None else Watch(0.0, UNTIL_STABLE.most_s)


def recorded(path: Path) -> Iterator[Snapshot]:
    """The newest polls of a recording, oldest first. Raises BadInput where it can't be read."""
    with Recording.open(path) as tape:
        times = tape.times
        if not times:
            raise BadInput("the recording holds no poll that can be read")
        first = bisect_left(times, times[-1] - RECORDED_S)
        for place in range(first, len(times)):
            yield tape.moment(place).snapshot


def narrowed(case: Case, tags: Tags, filter_text: str) -> Diagnosed:
    """Findings about sessions of which none matches are left out; those about the server as a whole stay."""
    wanted = parse(filter_text)
    at = case.snapshot.taken_at
    clients = tuple(backend for backend in case.clients if wanted.matches(backend, at, tags))
    case = replace(case, clients=clients)
    findings = find(case)
    if filter_text.strip():
        matching = {one.pid for one in case.snapshot.backends if wanted.matches(one, at, tags)}
        findings = tuple(found for found in findings if not found.sessions or matching.intersection(found.sessions))
    # Nobody's sessions tell no size.
    return Diagnosed(case, findings, sizing(case) if clients else ())


def text(found: Diagnosed, filter_text: str = "", *, ascii_only: bool = False) -> str:
    """For people: the gauge, then each section with its remedies; what is to be copied is never folded."""
    case = found.case
    width = None if sys.stdout.isatty() else WIDE
    console = capturing_console(width)
    status = server_lines.ScreenStatus(interval_s=None)
    history = case.observation.history
    head = [
        server_lines.server_line(case.snapshot, case.budget, status, console.width),
        server_lines.slots_line(case.budget, history, console.width, ascii_only=ascii_only),
        server_lines.headroom_line(case.budget, console.width),
        server_lines.states_line(case.snapshot, case.budget, console.width),
    ]
    state = "settings, limits and the server's log"
    with console.capture() as captured:
        for line in head:
            console.print(rich_line(line, ascii_only), no_wrap=True, overflow="ellipsis")
        for caution in cautions(case):
            _print_folded(console, rich_line([Cell(f"Mind: {caution}", "warning")], ascii_only), " ")
        for section in sections(case, found.findings, found.sizing, state):
            _print_section(console, section, ascii_only)
        if filter_text.strip():
            console.print()
            console.print(rich_line([Cell(f" Not looked at: {next(iter(unknowns(case, filter_text)))}")], ascii_only))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _print_section(console: Console, section: Section, ascii_only: bool) -> None:
    console.print()
    title = [Cell(f" {section.word} ", section.style), Cell(f" {section.title}: ", "title"), Cell(section.summary)]
    console.print(rich_line(title, ascii_only))
    for row in section.rows:
        _print_folded(console, rich_line(row, ascii_only))
    for number, remedy in enumerate(section.remedies, 1):
        console.print()
        rows = remedy_rows(number, remedy)
        why = rows.pop() if remedy.why else None
        for row in rows:
            console.print(Text(INDENT).append_text(rich_line(row, ascii_only=False)), soft_wrap=True)
        if why is not None:
            _print_folded(console, rich_line(why[1:], ascii_only), INDENT * 2)


def _print_folded(console: Console, line: Text, indent: str = INDENT) -> None:
    """As many lines as it takes, each indented."""
    console.print(Padding(line, (0, 0, 0, len(indent)), expand=False))
