"""Make every screenshot of this folder: the real program on the demo server, driven by keys, nothing edited.

    python screenshots/make.py [SCENE …]  (needs rsvg-convert, Debian's librsvg2-bin, and a monospaced font)

Each scene names the keys that lead to it; the picture is Textual's own export of the screen, turned into a PNG.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from textual.pilot import Pilot

from pgtop_conn import demo
from pgtop_conn.commands.opening import Login, open_source
from pgtop_conn.config import Settings
from pgtop_conn.demo.binaries import find_binaries
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.guards import Policy
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.view.table import ViewState

FOLDER = Path(__file__).resolve().parent
SIZES = ((120, 36), (80, 24))
#: The leak needs this long to show its rate; later scenes show a full server.
WATCHED_S = 18
#: The applications of an ordinary day, and their sessions.
CALM = (("web", 12), ("checkout", 4), ("billing-worker", 3), ("bi-dashboard", 2), ("cron", 1))


@dataclass(frozen=True, slots=True)
class Scene:
    """`keys` are pressed on the main screen, watched for so long; `grouping` is what it is started with.

    `calm` is an ordinary day of another server; `theme` "" is without colours, as NO_COLOR asks for it.
    """

    name: str
    keys: tuple[str, ...] = ()
    grouping: str = "app"
    sizes: tuple[tuple[int, int], ...] = SIZES
    watched_s: float = WATCHED_S
    theme: str = "dark"
    calm: bool = False


OPEN = ("g", "right", "down", "down", "space", "down", "space", "down")
LARGE = ((120, 36),)

SCENES = (
    Scene("main", OPEN),
    Scene("calm", ("g",), sizes=LARGE, calm=True),
    Scene("critical", ("g",), sizes=LARGE, watched_s=26),
    Scene("light", OPEN, sizes=LARGE, theme="light"),
    Scene("no-color", OPEN, sizes=LARGE, theme=""),
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
    source = await open_source(Login(conninfo=uri, never_ask=True), os.environ, Settings())
    try:
        view, first = ViewState(grouping=scene.grouping), await source.poll()
        options = ScreenOptions(interval_s=1.0, policy=Policy(), view=view, first=first, theme=scene.theme or None)
        if not scene.theme:
            os.environ["NO_COLOR"] = "1"
        app = MonitorApp(source, options)
        async with app.run_test(size=(width, height)) as pilot:
            await asyncio.sleep(scene.watched_s)
            await _press(pilot, scene.keys)
            svg = app.export_screenshot(title="pgtop-conn")
        await app.finish()
        return svg
    finally:
        os.environ.pop("NO_COLOR", None)
        await source.close()


@asynccontextmanager
async def ordinary_day() -> AsyncIterator[str]:
    """A server with room, and applications that hold what they need."""
    with Cluster(find_binaries()) as cluster:
        async with AsyncExitStack() as stack:
            for app, count in CALM:
                for _ in range(count):
                    session = await asyncpg.connect(cluster.uri(), server_settings={"application_name": app})
                    stack.push_async_callback(session.close)
                    await session.fetch("SELECT count(*) FROM pg_catalog.pg_class")
            yield cluster.uri()


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
    asyncio.run(_all(sys.argv[1:]))
    return 0


async def _all(names: list[str]) -> None:
    for scene in SCENES:
        for width, height in scene.sizes if not names or scene.name in names else ():
            target = FOLDER / f"{scene.name}-{width}x{height}.png"
            if scene.calm:
                async with ordinary_day() as uri:
                    convert(await picture(uri, scene, width, height), target)
            else:
                with demo.running_demo() as uri:
                    convert(await picture(uri, scene, width, height), target)
            sys.stdout.write(f"{target.name}\n")


if __name__ == "__main__":
    sys.exit(main())
