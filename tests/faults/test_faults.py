"""The fault run of benchmarks/faults.py, shortened: a few faults of each kind of stage."""

from __future__ import annotations

import asyncio
import sys

import pytest

from pgtop_conn.demo.binaries import find_binaries
from tests.support.faults.lane import Order, run_lanes
from tests.support.faults.stage import has_base_backup
from tests.support.faults.tally import table, wrong
from tests.support.pgbouncer import needed_program

ORDERS = (
    Order("direct", 6, seed=4, longest_s=2.0),
    Order("pooler", 5, seed=5, longest_s=2.0),
    Order("pair", 4, seed=6, longest_s=2.0),
)


@pytest.mark.skipif(sys.platform != "linux", reason="connections are counted in /proc/net/tcp")
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.stage)
async def test_a_monitor_survives_random_faults(order: Order) -> None:
    if order.stage == "pooler":
        needed_program()
    if order.stage == "pair" and not has_base_backup(find_binaries()):
        pytest.skip("no pg_basebackup here")
    results = await asyncio.to_thread(run_lanes, [order])
    found = wrong(results, growth=False)
    assert not found, "\n".join([*found, *table(results)])
    assert sum(len(result.ones) for result in results) == order.faults
