"""A server with no slot left for anyone, rescued by each way in, as `python -m tests.rescue` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import VERSIONS, MakeCluster
from tests.rescue import SETTINGS, rescue


@pytest.mark.parametrize("major", sorted({min(VERSIONS), max(VERSIONS)}))
async def test_each_way_frees_slots_and_leaves_the_standby_alone(
    make_cluster: MakeCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], major: int
) -> None:
    failed = await rescue(make_cluster(major=major, settings=SETTINGS), tmp_path)
    told = capsys.readouterr().out
    assert failed == 0, told
    assert told.count("# web gets in again") == 2
