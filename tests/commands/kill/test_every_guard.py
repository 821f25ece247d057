"""Every guard, chosen in every way, by every kind of monitor role: who is signalled is whom an oracle names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from pgtop_conn.demo.server import Cluster
from tests.postgres.conftest import OpenSession
from tests.support.kill.cast import MONITORS, PARTS, Cast
from tests.support.kill.choices import (
    Scene,
    Watched,
    dead_are_the_signalled,
    filtered,
    freed,
    groups,
    headless,
    marks,
    single,
)
from tests.support.kill.oracle import Rules
from tests.support.kill.tally import TALLY

WAYS: tuple[tuple[Callable[[Scene], Awaitable[None]], Rules], ...] = (
    (single, Rules(bulk=False)),
    (single, Rules(bulk=False, allow_replication=True)),
    (marks, Rules(bulk=True)),
    (marks, Rules(bulk=True, allow_replication=True, allow_superuser=True)),
    (marks, Rules(bulk=True, cancel=True)),
    (groups, Rules(bulk=True)),
    (filtered, Rules(bulk=True)),
    (freed, Rules(bulk=True, allow_replication=True, allow_superuser=True)),
    (headless, Rules(bulk=True, headless=True)),
    (headless, Rules(bulk=True, headless=True, allow_superuser=True)),
    (headless, Rules(bulk=True, headless=True, include_cautioned=True)),
    (headless, Rules(bulk=True, headless=True, cancel=True)),
)


@pytest.mark.parametrize("monitor", MONITORS)
async def test_the_signalled_are_those_of_the_oracle(
    every_cluster: Cluster, sessions: OpenSession, monitor: str
) -> None:
    cast = await Cast.on(every_cluster)
    try:
        source = await sessions(every_cluster, user=monitor)
        for way, rules in WAYS:
            await cast.fill(PARTS)
            TALLY.populations += 1
            scene = Scene(cast, Watched(source), monitor, rules)
            await way(scene)
            await dead_are_the_signalled(scene)
    finally:
        await cast.close()
