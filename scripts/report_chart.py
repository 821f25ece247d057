"""Make the picture of a report's chart: the demo's leak, recorded, a part of it ended by `kill`, and reported.

    python scripts/report_chart.py  (needs rsvg-convert, Debian's librsvg2-bin)

It is the chart of the page as it is in the light, with the page's own style; nothing is edited.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pgtop_conn import demo
from pgtop_conn.commands.report.run import story_of
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.connect.open import open_source
from pgtop_conn.model.history.moments import Moment, Totals
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from pgtop_conn.view.charts.history_svg import history_svg
from pgtop_conn.view.reports.recording_html import STYLE

PICTURE = Path(__file__).resolve().parents[1] / "screenshots" / "report-chart.png"
POLLS, EVERY_S, KILL_AT = 120, 0.5, 70
WIDTH = 1400


async def record(uri: str, path: Path, environ: dict[str, str]) -> None:
    """Two polls a second; after a while most of the leak is ended."""
    source = await open_source(Login(conninfo=uri, never_ask=True), os.environ, Settings())
    recorder = Recorder.open(path)
    try:
        for number in range(POLLS):
            snapshot = await source.poll()
            recorder.add(Moment(snapshot, ()), Totals.of(snapshot, SlotBudget.of(snapshot)))
            if number == KILL_AT:
                words = ("kill", "app:billing* state:idle idle>5s", "--yes", "--max", "100", uri)
                kill = await asyncio.create_subprocess_exec(sys.executable, "-m", "pgtop_conn", *words, env=environ)
            await asyncio.sleep(EVERY_S)
        await kill.wait()
    finally:
        recorder.close()
        await source.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, demo.running_demo() as uri:
        path, state = Path(folder) / "demo.rec", Path(folder) / "state"
        asyncio.run(record(uri, path, {**os.environ, "XDG_STATE_HOME": str(state)}))
        story = story_of(Recording.open(path), None, Settings(), state / "pgtop-conn" / "journal.jsonl")
        chart = history_svg(story.totals, story.marks, "app")
        light = STYLE[: STYLE.index("@media")]
        head, rest = chart.split("\n", 1)
        ground = '<rect width="100%" height="100%" fill="#fff"/>'
        svg = Path(folder) / "chart.svg"
        svg.write_text(f"{head}<style>{light}</style>{ground}{rest}", encoding="utf-8")
        subprocess.run(["rsvg-convert", "-w", str(WIDTH), "-o", str(PICTURE), str(svg)], check=True)


if __name__ == "__main__":
    main()
