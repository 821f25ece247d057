"""Random faults under live monitors on throw-away servers, and what became of them: a tally, and exit code 1 if wrong.

python benchmarks/faults.py --faults 200 [--seed N] [--lanes direct,direct,pooler,pair]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.faults.lane import STAGES, Order, run_lanes
from tests.support.faults.tally import notes, table, wrong
from tests.support.pgbouncer import pooler_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the faults, shared between the lanes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(100_000))
    parser.add_argument("--lanes", default="direct,direct,pooler,pair", help=f"of {', '.join(STAGES)}")
    given = parser.parse_args(argv)
    lanes = [lane for lane in given.lanes.split(",") if lane != "pooler" or pooler_program()]
    orders = [
        Order(lane, given.faults // len(lanes) + (number < given.faults % len(lanes)), given.seed + number)
        for number, lane in enumerate(lanes)
    ]
    began = time.monotonic()
    results = run_lanes(orders)
    found = wrong(results)
    lines = [*table(results), "", *notes(results), "", f"seed {given.seed}, {time.monotonic() - began:.0f} s"]
    sys.stdout.write("\n".join([*lines, f"{len(found)} wrong", *found]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
