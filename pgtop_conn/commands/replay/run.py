"""From a recording to the screen that plays it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

from pgtop_conn import config
from pgtop_conn.commands.common.screen_options import screen_options_of
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.recording.recording import Recording
from pgtop_conn.terminal.console import tell
from pgtop_conn.tui.app import run

#: Pauses at the beginning that tell the interval of a recording.
FIRST_PAUSES = 50


async def replay(path: Path, settings: config.Settings, policy: Policy) -> int:
    """The recording on the screen until the user leaves; the exit code. Raises BadInput for what is none."""
    recording = Recording.open(path)
    try:
        first = recording.moment(0).snapshot
        remark = f"The recording is {recording.ends}" if recording.ends else ""
        options = replace(
            screen_options_of(settings, policy, first),
            interval_s=interval_of(recording.times, settings.interval_s),
            tape=recording,
            tape_remark=remark,
        )
        code = await run(recording, options)
    finally:
        await recording.close()
    if remark:
        tell(remark)
    return code


def interval_of(times: Sequence[float], otherwise: float) -> float:
    """Seconds between two polls of a recording, as its beginning has it, to a quarter of a second.

    >>> interval_of([10.0, 12.01, 14.0, 16.02, 40.0], 5.0), interval_of([10.0], 5.0)
    (2.0, 5.0)
    """
    pauses = [later - earlier for earlier, later in pairwise(times[: FIRST_PAUSES + 1])]
    return max(0.25, round(4 * median(pauses)) / 4) if pauses else otherwise
