"""The fault run of benchmarks/faults.py, shortened: a few faults of each kind of stage."""

from __future__ import annotations

import asyncio
import sys

import pytest

from pgtop_conn.demo.binaries import find_binaries
from tests.faults.lane import Order, run_lanes
from tests.faults.stage import has_base_backup
from tests.faults.tally import table, wrong
from tests.pooling import pooler_program


@pytest.mark.skipif(sys.platform != "linux", reason="connections are counted in /proc/net/tcp")
async def test_a_monitor_survives_random_faults() -> None:
    orders = [Order("direct", 6, seed=4, longest_s=2.0)]
    if pooler_program():
        orders.append(Order("pooler", 5, seed=5, longest_s=2.0))
    if has_base_backup(find_binaries()):
        orders.append(Order("pair", 4, seed=6, longest_s=2.0))
    results = await asyncio.to_thread(run_lanes, orders)
    found = wrong(results, growth=False)
    assert not found, "\n".join([*found, *table(results)])
    assert sum(len(result.ones) for result in results) == sum(order.faults for order in orders)
