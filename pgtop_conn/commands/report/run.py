"""report: what a recording tells, as Markdown or as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pgtop_conn import __version__
from pgtop_conn.commands.common.rich_lines import draws
from pgtop_conn.commands.report.options import Options
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Tape, Totals
from pgtop_conn.model.history.usage import usage
from pgtop_conn.model.signalling.journal import Entry
from pgtop_conn.model.text import clean
from pgtop_conn.recording.recording import Recording
from pgtop_conn.storage.report_files import signals_since, write_file
from pgtop_conn.view.reports.recording import Story
from pgtop_conn.view.reports.recording_html import page
from pgtop_conn.view.reports.recording_markdown import chronicle

#: What a calendar can show, in any zone: the years 1971 to 9998.
EARLIEST, LATEST = 31_536_000.0, 253_370_764_800.0
#: A signal of the journal is one of the recording's when their times are no further apart.
SAME_S = 30.0


async def report(options: Options, settings: Settings, journal: Path) -> tuple[str, str]:
    """Make the report: what goes to stdout, and what to stderr. Raises BadInput and ReportNotWritten."""
    recording = Recording.open(options.recording)
    try:
        story = story_of(recording, recording.ends, settings, journal, redact=options.redact)
        ascii_only = settings.ascii or (options.output is None and not draws(sys.stdout.encoding))
        text = page(story) if options.form == "html" else chronicle(story, ascii_only=ascii_only)
    finally:
        await recording.close()
    if options.output is None:
        return text, ""
    write_file(options.output, text, replaces=options.replaces)
    return "", f"written to {clean(str(options.output))}"


def story_of(tape: Tape, ends: str | None, settings: Settings, journal: Path, *, redact: bool = True) -> Story:
    """What the report is made of: the totals, and the sessions at the peak and at the end.

    `ends` says where the recording is damaged. Raises BadInput for one without any poll that can be read.
    """
    damage = [f"the recording is {ends}"] if ends else []
    polls = _polls(tape, damage)
    found = usage([one for _, one in polls], warning=settings.warning, critical=settings.critical)
    if found is None:
        raise BadInput("; ".join(("the recording holds no poll that can be read", *damage)))
    highest, _ = max(polls, key=lambda poll: poll[1].used)
    at_peak, at_end = (_moment(tape, index, damage) for index in (highest, polls[-1][0]))
    known = at_end or at_peak
    signals = [mark for mark in tape.marks if EARLIEST < mark.at < LATEST]
    if known is not None:
        server = f"{known.snapshot.server.host}:{known.snapshot.server.port}"
        signals += journalled(journal, server, found.first_at, found.last_at, signals)
    return Story(
        totals=[one for _, one in polls],
        marks=sorted(signals, key=lambda mark: mark.at),
        usage=found,
        at_peak=at_peak,
        at_end=at_end,
        damage=tuple(dict.fromkeys(damage)),
        redact=redact,
        warning=settings.warning,
        critical=settings.critical,
        version=__version__,
    )


def _polls(tape: Tape, damage: list[str]) -> list[tuple[int, Totals]]:
    """Each poll that can be read with its index, in the order of time."""
    found, left_out = [], 0
    for index in range(len(tape.totals)):
        try:
            one = tape.totals[index]
        except PgtopError as error:
            damage.append(str(error))
            continue
        if EARLIEST < one.at < LATEST:
            found.append((index, one))
        else:
            left_out += 1
    if left_out:
        damage.append(f"{left_out} polls are of times that no calendar has, and were left out")
    return sorted(found, key=lambda poll: poll[1].at)


def _moment(tape: Tape, index: int, damage: list[str]) -> Moment | None:
    try:
        return tape.moment(index)
    except PgtopError as error:
        damage.append(str(error))
        return None


def journalled(journal: Path, server: str, since: float, until: float, known: Sequence[Mark]) -> list[Mark]:
    """Signals of this account to that server while it was recorded, that the recording itself does not tell.

    A recording without a screen has none of its own. A journal that can't be read tells none.
    """
    try:
        # A signal is settled a moment after it was asked.
        marks = [_mark(one) for one in signals_since(journal, server, since - SAME_S)]
    except OSError:
        return []
    return [
        one
        for one in marks
        if one is not None
        and since <= one.at <= until
        and not any(
            (one.action, one.pid) == (other.action, other.pid) and abs(one.at - other.at) <= SAME_S for other in known
        )
    ]


def _mark(one: Entry) -> Mark | None:
    at, pid = one.settled_at or one.asked_at, one.word("pid")
    if at is None or not pid.isdigit():
        return None
    names = {name: one.word(name) for name in ("action", "role", "app", "chosen_by")}
    return Mark(at=at, pid=int(pid), outcome=one.outcome, **names)
