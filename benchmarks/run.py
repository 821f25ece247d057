"""Measures the product beside its peers, on a server and a load of its own, and writes RESULTS.md.

python benchmarks/run.py [--quick] [--long] [--only steady,keys] [--sessions 50,500,2000] [--output FILE]
python benchmarks/run.py [--quick] --against REVISION

Makes two environments in a temporary folder, one with the product alone, and runs itself again in the other.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import environment

RESULTS, NOTES = environment.HERE / "RESULTS.md", environment.HERE / "NOTES.md"
EVERYTHING = frozenset(environment.STAGES)
SESSIONS = (50, 500, 2000)
#: What the mix of the load, and the server's max_connections, have room for.
FEWEST_SESSIONS, MOST_SESSIONS = 20, 2900


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare what is needed, then measure."""
    given = _parser().parse_args(argv)
    if problem := environment.missing():
        sys.stderr.write(f"run.py: {problem}\n")
        return 2
    # Whatever asks us to end lets everything that was started be ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))
    try:
        if given.prepared is None:
            return prepare(sys.argv[1:] if argv is None else list(argv), given.against)
        return measure_and_clean_up(given)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def measure_and_clean_up(given: argparse.Namespace) -> int:
    """Measure; the environments go whatever happened, unless they are to be kept."""
    from benchmarks.laboratory import LoadFailed
    from pgtop_conn.model.errors import PgtopError

    try:
        return measure(given)
    except (LoadFailed, PgtopError) as error:
        sys.stderr.write(f"run.py: {error}\n")
        return 2
    finally:
        if not given.keep:
            shutil.rmtree(given.prepared, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--long", action="store_true", help="also 2,000 refreshes of real sessions that come and go")
    parser.add_argument("--only", type=_stages, default=EVERYTHING, help=f"some of: {','.join(environment.STAGES)}")
    parser.add_argument("--sessions", type=_counts, default=SESSIONS, help="real sessions to measure on: 50,500,2000")
    parser.add_argument("--against", metavar="REVISION", help="compare with this revision of git, and print the ratios")
    parser.add_argument("--output", type=Path, help="where to write; a part of the measurements goes nowhere otherwise")
    parser.add_argument("--raw", type=Path, help="a file for every single figure, a line of JSON each run")
    parser.add_argument("--prepared", type=Path, help="a folder that a run with --keep has left")
    parser.add_argument("--keep", action="store_true", help="leave the environments for --prepared")
    return parser


def _stages(text: str) -> frozenset[str]:
    chosen = frozenset(text.split(","))
    if unknown := chosen - EVERYTHING:
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))} among {', '.join(environment.STAGES)}")
    return chosen


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(int(count) for count in text.split(","))
    if not all(FEWEST_SESSIONS <= count <= MOST_SESSIONS for count in counts):
        raise argparse.ArgumentTypeError(f"from {FEWEST_SESSIONS} to {MOST_SESSIONS}")
    return counts


def prepare(argv: Sequence[str], against: str | None) -> int:
    """Make the environments and go on in them; does not return unless that fails."""
    from benchmarks.revisions import UnknownRevision, install_revision

    folder = Path(tempfile.mkdtemp(prefix="pgtop-conn-benchmarks-"))
    sys.stderr.write(f"installing into {folder}\n")
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            if against is not None:
                install_revision(folder, against)
            environment.build(folder)
        except UnknownRevision as error:
            sys.stderr.write(f"run.py: {error}\n")
            return 2
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"run.py: could not install what is needed: {error}\n")
            return 2
        undo.pop_all()
    python = str(environment.python_of(folder, environment.TOOLS))
    os.execv(python, [python, str(Path(__file__).resolve()), *argv, "--prepared", str(folder)])


def measure(given: argparse.Namespace) -> int:
    """Run everything that was asked for and show what came out; exit code 0 whether goals were met or not."""
    from benchmarks.against import compare, table
    from benchmarks.figures import Figures
    from benchmarks.laboratory import laboratory
    from benchmarks.measuring import QUICK, Effort, Session, tell_on_stderr
    from benchmarks.report import results

    programs = environment.find_programs(given.prepared)
    about = _about(programs)
    with laboratory(programs["psql"]) as made:
        about["server"] = f"PostgreSQL {made.ask('SHOW server_version').strip()}"
        session = Session(made, programs, QUICK if given.quick else Effort(), tell_on_stderr)
        try:
            if given.against is not None:
                compare(session)
            else:
                session.measure(given.only, given.sessions, long=given.long)
        finally:
            _write_raw(given.raw, [asdict(one) for one in session.records])
    if given.against is not None:
        facts = [f"- {name}: {value}" for name, value in {**about, "before": given.against}.items()]
        sys.stdout.write("\n".join([*facts, "", *table(session.records)]) + "\n")
        return 0
    notes = NOTES.read_text(encoding="utf-8") if NOTES.exists() else ""
    text = results(Figures(session.records), about, session.troubles, notes)
    sys.stdout.write(text)
    whole = not given.quick and (given.only, given.sessions) == (EVERYTHING, SESSIONS)
    if output := given.output or (RESULTS if whole else None):
        output.write_text(text, encoding="utf-8")
    return 0


def _about(programs: dict[str, str]) -> dict[str, str]:
    told = environment.versions(programs)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "revision": environment.revision(),
        **environment.machine(),
        **{name: version for name, version in told.items() if version},
        "options": " ".join(_shown_options()) or "none",
    }


def _shown_options() -> list[str]:
    """The command line without where things are on this machine."""
    hidden = ("--prepared", "--output", "--raw")
    shown, skip = [], False
    for option in sys.argv[1:]:
        if skip or option.startswith(hidden):
            skip = option in hidden
        elif option != "--keep":
            shown.append(option)
    return shown


def _write_raw(path: Path | None, records: Sequence[dict[str, object]]) -> None:
    if path is not None:
        path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
