"""Make every screenshot of this folder: the real program on the demo server, driven by keys, nothing edited.

    python screenshots/make.py            (needs rsvg-convert, Debian's librsvg2-bin, and a monospaced font)

Each scene names the keys that lead to it; the picture is Textual's own export of the screen, turned into a PNG.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from pgtop_conn import demo
from pgtop_conn.commands.opening import Login, open_source
from pgtop_conn.model.guards import Policy
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.view.table import ViewState

FOLDER = Path(__file__).resolve().parent
SIZES = ((120, 36), (80, 24))
#: The leak needs this long to show its rate; later scenes show a full server.
WATCHED_S = 18


@dataclass(frozen=True, slots=True)
class Scene:
    """`keys` are pressed on the main screen; `grouping` is what it is started with."""

    name: str
    keys: tuple[str, ...] = ()
    grouping: str = "app"


SCENES = (
    Scene("main", ("g", "right", "down", "down", "space", "down", "space", "down")),
    Scene("roles", ("g",), grouping="role"),
    Scene("leaks", ("l", "g", "right")),
    Scene("diagnosis", ("d", "right", "down")),
    Scene("confirm", ("g", "x")),
    Scene("detail", ("g", "right", "down", "enter")),
    Scene("free", ("f", "1", "5")),
    Scene("blockers", ("b",)),
    Scene("counting", ("i",)),
)


async def picture(uri: str, scene: Scene, width: int, height: int) -> str:
    """The scene as SVG."""
    source = await open_source(Login(conninfo=uri, never_ask=True), os.environ)
    try:
        options = ScreenOptions(
            interval_s=1.0, policy=Policy(), view=ViewState(grouping=scene.grouping), first=await source.poll()
        )
        app = MonitorApp(source, options)
        async with app.run_test(size=(width, height)) as pilot:
            await asyncio.sleep(WATCHED_S)
            await _press(pilot, scene.keys)
            svg = app.export_screenshot(title="pgtop-conn")
        await app.finish()
        return svg
    finally:
        await source.close()


async def _press(pilot: Pilot[int], keys: tuple[str, ...]) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause(0.2)


def convert(svg: str, target: Path) -> None:
    """SVG to PNG. Textual pads with ordinary blanks, which an SVG renderer trims unless it is told not to."""
    svg = svg.replace("<text ", '<text xml:space="preserve" ')
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(svg)
        file.flush()
        subprocess.run(["rsvg-convert", "--zoom", "0.9", "-o", str(target), file.name], check=True)


def main() -> int:
    if shutil.which("rsvg-convert") is None:
        sys.stderr.write("screenshots: rsvg-convert is needed (Debian's librsvg2-bin)\n")
        return 2
    asyncio.run(_all())
    return 0


async def _all() -> None:
    for scene in SCENES:
        for width, height in SIZES:
            target = FOLDER / f"{scene.name}-{width}x{height}.png"
            with demo.running_demo() as uri:
                convert(await picture(uri, scene, width, height), target)
            sys.stdout.write(f"{target.name}\n")


if __name__ == "__main__":
    sys.exit(main())
