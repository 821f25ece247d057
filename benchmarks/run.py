"""Measures the product beside its peers, on a server and a load of its own, and writes RESULTS.md.

python benchmarks/run.py [--quick] [--long] [--only steady,keys] [--sessions 50,500,2000] [--output FILE]

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
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import environment

RESULTS, NOTES = environment.HERE / "RESULTS.md", environment.HERE / "NOTES.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare what is needed, then measure."""
    given = _parser().parse_args(argv)
    if problem := environment.missing():
        sys.stderr.write(f"run.py: {problem}\n")
        return 2
    if given.prepared is None:
        return prepare(sys.argv[1:] if argv is None else list(argv))
    # Whatever asks us to end lets everything that was started be ended first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))
    try:
        return measure(given)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        if not given.keep:
            shutil.rmtree(given.prepared, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--long", action="store_true", help="also 2,000 refreshes of real sessions that come and go")
    parser.add_argument(
        "--only", default="", help="some of: commands,idle,synthetic,memory,steady,startup,keys,snapshot"
    )
    parser.add_argument("--sessions", default="50,500,2000", help="real sessions to measure on")
    parser.add_argument("--output", type=Path, help="where to write; a part of the measurements goes nowhere otherwise")
    parser.add_argument("--raw", type=Path, help="a file for every single figure, a line of JSON each run")
    parser.add_argument("--prepared", type=Path, help="a folder that a run with --keep has left")
    parser.add_argument("--keep", action="store_true", help="leave the environments for --prepared")
    return parser


def prepare(argv: Sequence[str]) -> int:
    """Make the environments and go on in them; does not return unless that fails."""
    folder = Path(tempfile.mkdtemp(prefix="pgtop-conn-benchmarks-"))
    sys.stderr.write(f"installing into {folder}\n")
    try:
        environment.build(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, subprocess.CalledProcessError):
            sys.stderr.write(f"run.py: could not install what is needed: {error}\n")
            return 2
        raise
    python = str(environment.python_of(folder, environment.TOOLS))
    os.execv(python, [python, str(Path(__file__).resolve()), *argv, "--prepared", str(folder)])


def measure(given: argparse.Namespace) -> int:
    """Run everything that was asked for and show what came out; exit code 0 whether goals were met or not."""
    from benchmarks.figures import Figures
    from benchmarks.laboratory import laboratory
    from benchmarks.measuring import QUICK, STAGES, Effort, Session, tell_on_stderr
    from benchmarks.report import results

    stages = frozenset(given.only.split(",") if given.only else STAGES)
    if unknown := stages - set(STAGES):
        sys.stderr.write(f"run.py: --only takes {', '.join(STAGES)}, not {', '.join(sorted(unknown))}\n")
        return 2
    sessions = [int(count) for count in given.sessions.split(",")]
    programs = environment.find_programs(given.prepared)
    about = _about(programs)
    with laboratory(programs["psql"]) as made:
        about["server"] = f"PostgreSQL {made.ask('SHOW server_version').strip()}"
        session = Session(made, programs, QUICK if given.quick else Effort(), tell_on_stderr)
        try:
            session.measure(stages, sessions, long=given.long)
        finally:
            _write_raw(given.raw, [asdict(one) for one in session.records])
    notes = NOTES.read_text(encoding="utf-8") if NOTES.exists() else ""
    text = results(Figures(session.records), about, session.troubles, notes)
    sys.stdout.write(text)
    whole = not (given.quick or given.only) and given.sessions == _parser().get_default("sessions")
    if output := given.output or (RESULTS if whole else None):
        output.write_text(text, encoding="utf-8")
    return 0


def _about(programs: dict[str, str]) -> dict[str, str]:
    told = environment.versions(programs)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
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
