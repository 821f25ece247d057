"""Tests of one group run in one worker: what is built once for all of them would be built once for each worker else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.servers import PROJECT

GROUP = """
import os, pathlib, pytest
@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test(number):
    with (pathlib.Path(__file__).parent / "workers").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_group_is_one_worker_s(tmp_path: Path) -> None:
    (tmp_path / "test_group.py").write_text(GROUP)
    options = ["-c", os.devnull, "--rootdir", str(tmp_path), "-n", "2", "--dist", "loadgroup", "-p", "no:asyncio"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)], cwd=PROJECT, capture_output=True, check=True
    )
    workers = (tmp_path / "workers").read_text().split()
    assert (len(workers), len(set(workers))) == (8, 1)
