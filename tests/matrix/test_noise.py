"""What is no client takes no slot: workers of every kind, replication, and connections that say nothing."""

from __future__ import annotations

from contextlib import ExitStack

from tests.matrix.conftest import OpenMonitors
from tests.support.matrix import noise
from tests.support.matrix.judge import Tally
from tests.support.matrix.slot_fillers import Filling
from tests.support.matrix.stage import Layout, Stage

LAYOUT = Layout(18, superuser_reserved=2, reserved=3, role_limit=5, database_limit=7)


async def test_workers_and_walsenders_are_never_counted(stage: Stage, monitors: OpenMonitors, tally: Tally) -> None:
    stage.arrange(LAYOUT, **noise.EAGER_AUTOVACUUM)
    filling = Filling(stage, await monitors(stage.cluster), tally, seed=4)
    with ExitStack() as running:
        running.enter_context(noise.garbage(stage))
        running.enter_context(noise.subscription(stage))
        running.enter_context(noise.parallel_query(stage))
        running.enter_context(noise.silent_connections(stage, 6))
        running.callback(filling.leave)
        for condition in noise.RUNNING:
            await stage.wait_for(noise.is_running(condition), condition)
        await filling.to_the_edge(over=noise.PARALLEL_WORKERS)
        filling.leave()
        with stage.superuser() as admin:
            over = [condition for condition in noise.RUNNING if admin.ask(noise.is_running(condition)) != [("t",)]]
        assert not over
