"""`python -m tests.drivers [--only WORD …]`: play the scenarios with the real drivers, and print the confusion matrix.

--record keeps the recordings for the fast tests; --replay judges those that are kept, and plays nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.support.drivers.matrix import counts, explained, incidents, matrix
from tests.support.drivers.player import Playing, judged
from tests.support.drivers.scenario import Fill, Scenario
from tests.support.drivers.table import VERSIONS, scenarios
from tests.support.drivers.verdicts import Judgement
from tests.support.servers import Servers, server_versions, versions_folder

RECORDINGS = Path(__file__).resolve().parent / "recordings"
LANES = 8


def main(arguments: list[str]) -> int:
    """1 when a verdict is wrong, or a driver is missing in CI."""
    options = _parser().parse_args(arguments)
    if options.replay:
        kept = sorted(RECORDINGS.glob("*.pgtop"))
        return _reported({path.stem: judged(path) for path in kept if _is_meant(path.stem, options)}, {})
    number, parts = options.part
    wanted = [one for one in [*scenarios(every=options.every)][number - 1 :: parts] if _is_wanted(one, options)]
    servers = Servers(server_versions(_servers_folder()))
    with tempfile.TemporaryDirectory(prefix="pgtop-conn-drivers-") as scratch:
        folder = RECORDINGS if options.record else Path(scratch)
        playing = Playing(servers, folder, Path(scratch), _tell)
        try:
            asyncio.run(playing.play(wanted, options.lanes, again=not options.record))
        finally:
            left = servers.end()
        code = _reported(playing.results, playing.skipped)
    for one in left:
        _tell(f"left running: {one}")
    return 1 if left else code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.drivers", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="drivers or behaviours of that name"
    )
    parser.add_argument("--version", type=int, choices=VERSIONS, help="on this version alone")
    parser.add_argument("--full", dest="fill", action="store_const", const=Fill.FULL, help="on the small server alone")
    parser.add_argument("--half", dest="fill", action="store_const", const=Fill.HALF, help="on the large server alone")
    parser.add_argument("--every", action="store_true", help="each scenario on every version and server")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="N/M", help="one of M parts, evenly chosen")
    parser.add_argument("--record", action="store_true", help="keep the recordings in tests/drivers/recordings")
    parser.add_argument("--replay", action="store_true", help="judge the kept recordings")
    parser.add_argument("--lanes", type=int, default=LANES, metavar="N", help="how many at a time")
    return parser


def _part(text: str) -> tuple[int, int]:
    """Raises ValueError, of which argparse makes a line."""
    number, _, parts = text.partition("/")
    if not 1 <= int(number) <= int(parts):
        raise ValueError(text)
    return int(number), int(parts)


def _servers_folder() -> Path:
    """The tests' own, or where .ci/fetch-postgres was told to put them."""
    folder = versions_folder()
    return folder if folder.is_dir() else Path.home() / ".cache" / "pgtop-conn-postgres"


def _is_wanted(scenario: Scenario, options: argparse.Namespace) -> bool:
    if options.version not in (None, scenario.major) or options.fill not in (None, scenario.fill):
        return False
    return _is_meant(scenario.name, options)


def _is_meant(name: str, options: argparse.Namespace) -> bool:
    words = [word.replace(" ", "_") for word in options.only]
    return not words or any(word in name for word in words)


def _reported(results: dict[str, Judgement | str], skipped: dict[str, str]) -> int:
    lines = [*matrix(results), "", *incidents(results), "", *explained(results), counts(results)]
    lines += [f"skipped: {name}: {why}" for name, why in sorted(skipped.items())]
    for line in lines:
        _tell(line)
    wrong = bool(explained(results)) or (bool(skipped) and bool(os.environ.get("CI")))
    return 1 if wrong or not results else 0


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
