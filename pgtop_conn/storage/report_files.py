"""Reports as files that nobody else can read, and that take no other file's place unless told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pgtop_conn import __version__, private_files
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.findings import Case, Finding
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.signalling.journal import Damage, Entry, entries, lines_since
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.text import clean
from pgtop_conn.storage import journal_file
from pgtop_conn.view.format import iso
from pgtop_conn.view.reports.incident import ACTIONS_S, Report, report

#: Names that are tried before giving up: several reports may be written in one second.
TRIES = 100
_NO_SIGNS = str.maketrans("", "", "-+:")


class ReportNotWritten(PgtopError):
    """No folder would take the report; the message says why."""


def make_report(
    case: Case,
    findings: Sequence[Finding],
    journal: Path,
    *,
    redact: bool = True,
    filter_text: str = "",
) -> str:
    """The report's text, with what the journal tells of this server."""
    about = Report(
        case=case,
        findings=findings,
        sizing=sizing(case),
        actions=recent_actions(journal, case.snapshot),
        redact=redact,
        filter_text=filter_text,
        version=__version__,
    )
    return report(about)


def recent_actions(journal: Path, snapshot: Snapshot) -> list[Entry] | None:
    """Signals to this server of the last 24 hours, oldest first; None where the journal can't be read."""
    server = f"{snapshot.server.host}:{snapshot.server.port}"
    try:
        return list(signals_since(journal, server, snapshot.taken_at - ACTIONS_S))
    except FileNotFoundError:
        return []
    except OSError:
        return None


def signals_since(journal: Path, server: str, since: float) -> Iterator[Entry]:
    """Signals to this HOST:PORT from a time on, in the order they were asked. Raises OSError."""
    found = entries(lines_since(journal_file.lines(journal), iso(since)), Damage())
    return (one for one in found if one.word("server") == server and (one.asked_at or 0.0) >= since)


def write_report(case: Case, findings: Sequence[Finding], journal: Path, folders: Sequence[Path]) -> Path:
    """Write the report into the first folder that takes it, mode 0600, beside whatever is there; gives its path.

    Raises ReportNotWritten.
    """
    text = make_report(case, findings, journal)
    troubles = []
    for folder in folders:
        try:
            return _written(folder, stem_of(case.snapshot), text)
        except OSError as error:
            troubles.append(f"{folder}: {error.strerror or error}")
    raise ReportNotWritten(f"the report was not written: {'; '.join(troubles)}")


def write_file(path: Path, text: str, *, replaces: bool = False) -> None:
    """Write a report into a file of that name, mode 0600; another one's place it takes only when told to, at once.

    Raises ReportNotWritten.
    """
    try:
        (private_files.replace if replaces else private_files.create)(path, text)
    except FileExistsError:
        raise ReportNotWritten(f"{clean(str(path))} is there already; --force replaces it") from None
    except OSError as error:
        raise ReportNotWritten(f"{clean(str(path))} was not written: {error.strerror or error}") from None


def stem_of(snapshot: Snapshot) -> str:
    """Only characters that a file name may hold anywhere; a socket's folder is `local`."""
    host = "local" if snapshot.server.is_unix_socket else snapshot.server.host
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in host)[:100]
    # A server may say that it is any time.
    at = iso(snapshot.taken_at).partition(".")[0].translate(_NO_SIGNS)
    return f"pgtop-conn-{safe.strip('-') or 'server'}-{at}Z"


def _written(folder: Path, stem: str, text: str) -> Path:
    private_files.make_folder(folder)
    for number in range(TRIES):
        path = folder / (f"{stem}-{number}.md" if number else f"{stem}.md")
        try:
            private_files.create(path, text)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(0, f"{stem}.md and {TRIES - 1} more like it are there")
