"""Playing: many scenarios, some at a time, each on a server of its own for as long as it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PgtopError
from tests.support.drivers.application import ClientFailed
from tests.support.drivers.programs import command_of, missing
from tests.support.drivers.scenario import Fill, Scenario
from tests.support.drivers.stage import HBA, perform, populate, settings_of
from tests.support.drivers.verdicts import Judgement, judge
from tests.support.servers import Servers

LONGEST_S = 300.0
#: More that are wrong are no accident.
MOST_AGAIN = 10
#: How often a server is tried to be started.
STARTS = 3


def judged(recording: Path) -> Judgement | str:
    """What was said of it; a text where the verdict itself failed, which must not end what else is played."""
    with ThreadPoolExecutor(1) as executor:
        judging = executor.submit(judge, recording)
        error = judging.exception()
    return f"the verdict failed: {error!r}" if error else judging.result()


class Playing:
    """`results` is what was said of each scenario by its name, or why it could not be played."""

    def __init__(self, servers: Servers, recordings: Path, scratch: Path, tell: Callable[[str], None]) -> None:
        self._servers = servers
        self._recordings = recordings
        self._scratch = scratch
        self._tell = tell
        self.results: dict[str, Judgement | str] = {}
        #: Of those that could not be had here.
        self.skipped: dict[str, str] = {}

    async def play(self, wanted: Iterable[Scenario], lanes: int, *, again: bool) -> None:
        """All of them, so many at a time.

        With `again` the few that are wrong are played once more, since a machine that stands still for a second may
        bend a scenario; what is wrong then is wrong.
        """
        wanted = list(wanted)
        await self._play(wanted, lanes)
        wrong = [one for one in wanted if self._is_wrong(one)]
        if again and 0 < len(wrong) <= MOST_AGAIN:
            self._tell(f"{len(wrong)} are played once more")
            await self._play(wrong, lanes)

    def _is_wrong(self, scenario: Scenario) -> bool:
        result = self.results.get(scenario.name)
        return bool(result if isinstance(result, str) else result and result.wrong)

    async def _play(self, wanted: Iterable[Scenario], lanes: int) -> None:
        waiting: dict[tuple[int, Fill], list[Scenario]] = {}
        for scenario in wanted:
            why = missing(scenario.driver) or self._no_server(scenario)
            if why:
                self.skipped[scenario.driver.name] = why
                continue
            waiting.setdefault((scenario.major, scenario.fill), []).append(scenario)
        drivers = {one.driver.name: one.driver for scenarios in waiting.values() for one in scenarios}
        for driver in drivers.values():
            # What has to be compiled is, once.
            await asyncio.to_thread(command_of, driver)
        each = max(1, lanes // max(1, len(waiting)))
        await asyncio.gather(
            *(self._lane(*kind, scenarios) for kind, scenarios in waiting.items() for _ in range(each))
        )

    def _no_server(self, scenario: Scenario) -> str:
        return "" if scenario.major in self._servers.versions else f"no PostgreSQL {scenario.major} here"

    def _server(self, major: int, fill: Fill) -> Cluster:
        for _ in range(STARTS):
            try:
                return self._servers.make(self._servers.versions[major], settings=settings_of(fill), hba=HBA, tcp=True)
            except PgtopError as error:
                # Somebody else may have taken the port that was free.
                failure = error
        raise failure

    async def _lane(self, major: int, fill: Fill, scenarios: list[Scenario]) -> None:
        if not scenarios:
            return
        cluster = await asyncio.to_thread(self._server, major, fill)
        try:
            await populate(cluster)
            while scenarios:
                scenario = scenarios.pop(0)
                recording = self._recordings / f"{scenario.name}.pgtop"
                try:
                    async with asyncio.timeout(LONGEST_S):
                        await perform(cluster, scenario, recording, self._scratch)
                except (ClientFailed, TimeoutError) as error:
                    self.results[scenario.name] = f"could not be played: {error or f'longer than {LONGEST_S:g} s'}"
                else:
                    # Beside the loop, which polls the other servers meanwhile.
                    self.results[scenario.name] = await asyncio.to_thread(judged, recording)
                result = self.results[scenario.name]
                self._tell(f"{scenario.name}: {result if isinstance(result, str) else result.wrong or result.word}")
        finally:
            await asyncio.to_thread(cluster.destroy)
