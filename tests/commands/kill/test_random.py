"""Random populations of real sessions: no protected one is ever signalled, and permission is what the server says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import judge
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Status, Target
from pgtop_conn.monitor.campaign import Campaign
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.support.kill.cast import MONITORS, PARTS, Cast, Part
from tests.support.kill.choices import FAST, Scene, Watched, dead_are_the_signalled
from tests.support.kill.oracle import Rules, Truth, expected, look
from tests.support.kill.tally import TALLY
from tests.support.servers import Connection
from tests.support.waits import HANG_S

EXAMPLES = 50

#: Monitors and parts of which something is signalled come more often than those that are there to be left alone.
MONITORS_DRAWN = (*MONITORS, *("m_super", "m_signal", "m_member") * 4)
PARTS_DRAWN = (*PARTS, *[part for part in PARTS if part.role in ("web", "other")] * 2)


@dataclass(frozen=True, slots=True)
class Draw:
    """One example; `chosen` are positions in the snapshot, taken modulo its length."""

    monitor: str
    parts: tuple[Part, ...]
    rules: Rules
    everybody: bool
    chosen: frozenset[int]


draws = st.builds(
    Draw,
    monitor=st.sampled_from(MONITORS_DRAWN),
    parts=st.lists(st.sampled_from(PARTS_DRAWN), min_size=1, max_size=7).map(tuple),
    rules=st.builds(
        Rules,
        bulk=st.just(True),
        allow_replication=st.booleans(),
        allow_superuser=st.booleans(),
        protected=st.sampled_from(("vault_", "vault_", "vault_", "web")),
        replicates=st.sampled_from(("mirror_", "mirror_", "other")),
        cancel=st.sampled_from((False, False, True)),
    ),
    everybody=st.booleans(),
    chosen=st.frozensets(st.integers(0, 30), min_size=1, max_size=8),
)


def test_random_populations(every_cluster: Cluster) -> None:
    with asyncio.Runner() as runner:
        cast = runner.run(Cast.on(every_cluster))

        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
        @given(draws)
        def example(draw: Draw) -> None:
            runner.run(_example(cast, draw))

        try:
            example()
        finally:
            runner.run(cast.close())


async def _example(cast: Cast, draw: Draw) -> None:
    try:
        await cast.fill(draw.parts)
        uri = cast.cluster.uri(user=draw.monitor)
        source = Watched(await Session.open(resolve(uri, environ={})))
        try:
            TALLY.populations += 1
            scene = Scene(cast, source, draw.monitor, draw.rules)
            await _choose_and_check(scene, draw)
            await dead_are_the_signalled(scene)
            await _ask_directly(scene, await source.poll())
        finally:
            await source.close()
    finally:
        await cast.clear()


async def _choose_and_check(scene: Scene, draw: Draw) -> None:
    snapshot = await scene.source.poll()
    truth = await look(scene.cast.admin, scene.monitor)
    rows = [backend for backend in snapshot.backends if backend.app != "admin"]
    chosen = rows if draw.everybody else [rows[index] for index in sorted({one % len(rows) for one in draw.chosen})]
    rules = Rules(
        len(chosen) > 1,
        draw.rules.allow_replication,
        draw.rules.allow_superuser,
        draw.rules.protected,
        draw.rules.replicates,
        draw.rules.cancel,
    )
    plan = make_plan(scene.action, [Target.of(one, "draw") for one in chosen], snapshot, scene.policy)
    TALLY.plans += 1
    outcomes = await Campaign(scene.source, scene.source.poll, plan, scene.policy, per_second=FAST).run()
    protected = {pid for pid in scene.source.signalled if truth[pid].protected(rules)}
    denied = {outcome.target.key.pid for outcome in outcomes if outcome.status is Status.DENIED}
    TALLY.protected += len(protected)
    TALLY.mispredicted += len(denied)
    assert (protected, denied) == (set(), set())
    assert scene.source.signalled == expected(truth, [one.pid for one in chosen], rules)


async def _ask_directly(scene: Scene, snapshot: Snapshot) -> None:
    """Ask the server for a signal to each survivor of the cast, and compare with what the guards say of permission."""
    truth = await look(scene.cast.admin, scene.monitor)
    asking: Connection = await asyncpg.connect(scene.cast.cluster.uri(user=scene.monitor), timeout=HANG_S)
    try:
        for backend in snapshot.backends:
            if backend.pid not in scene.cast.pids:
                continue
            refused = await _refuses(asking, backend.pid)
            # Where the role hides who it is, the guard for that speaks too, and this one still knows the role.
            said = "permission" in judge(backend, snapshot, scene.policy).names
            TALLY.permissions += 1
            TALLY.mispredicted += said is not refused
            assert said is refused, _about(truth[backend.pid], scene.monitor)
            assert refused is not truth[backend.pid].permitted, _about(truth[backend.pid], scene.monitor)
    finally:
        await asking.close()


async def _refuses(asking: Connection, pid: int) -> bool:
    """A cancel is allowed to whom a terminate is, and ends no session."""
    try:
        await asking.execute("SELECT pg_cancel_backend($1)", pid)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


def _about(one: Truth, monitor: str) -> str:
    return f"{monitor} and {one.pid} of {one.role}"
