"""diagnose: why the slots are gone and what to do, as text, as JSON, or as the incident report."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pgtop_conn.commands.drawing import capturing_console, draws, rich_line
from pgtop_conn.commands.observing import observe, tell
from pgtop_conn.commands.request import Request
from pgtop_conn.config import Settings
from pgtop_conn.model.diagnosis import diagnose as find
from pgtop_conn.model.filters import Tags, parse
from pgtop_conn.model.findings import Case, Finding, Remedy
from pgtop_conn.model.labels import tags_of
from pgtop_conn.model.sizing import sizing
from pgtop_conn.model.source import Source
from pgtop_conn.reports import make_report
from pgtop_conn.view import gauge
from pgtop_conn.view.columns import Cell
from pgtop_conn.view.diagnosis import Section, remedy_rows, sections
from pgtop_conn.view.findings import cautions, document, unknowns

#: Columns of text that goes to a file or a pipe.
WIDE = 160
INDENT = "   "


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosed:
    """A case with what was found in it, narrowed to the sessions that the filter leaves."""

    case: Case
    findings: tuple[Finding, ...]
    sizing: tuple[Remedy, ...]


async def diagnose(source: Source, settings: Settings, request: Request, journal: Path) -> str:
    """Watch, ask for the facts, find the causes, and tell them in the form that was asked for."""
    snapshot, budget, observation = await observe(source, settings, request.seconds)
    tell("reading settings and the server's log")
    facts = await source.facts()
    tell("")
    case = Case.of(snapshot, budget, observation, facts, request.ram)
    tags = tags_of(snapshot, settings.labels, observation.leaks(snapshot))
    found = narrowed(case, tags, settings.filter)
    if request.form == "json":
        told = document(found.case, found.findings, found.sizing, settings.filter)
        return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    if request.form == "markdown":
        return make_report(found.case, found.findings, journal, redact=request.redact, filter_text=settings.filter)
    ascii_only = settings.ascii or not draws(sys.stdout.encoding)
    return text(found, settings.filter, ascii_only=ascii_only)


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
    status = gauge.Status(interval_s=None)
    history = case.observation.history
    head = [
        gauge.server_line(case.snapshot, case.budget, status, console.width),
        gauge.slots_line(case.budget, history, console.width, ascii_only=ascii_only),
        gauge.headroom_line(case.budget, console.width),
        gauge.states_line(case.snapshot, case.budget, console.width),
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
