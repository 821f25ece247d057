"""Make every picture in screenshots/: the real program on the demo server, driven by keys, nothing edited.

    python scripts/screenshots.py [SCENE …]  (needs rsvg-convert, Debian's librsvg2-bin, and a monospaced font)

Each scene names the keys that lead to it; the picture is Textual's own export of the screen, turned into a PNG.
What a scene keeps (layout, journal, recording) is in a folder of its own, and gone with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import asyncpg
from textual.pilot import Pilot

from pgtop_conn import demo, folders
from pgtop_conn.commands.watch.memory import with_memory
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.connect.open import open_source
from pgtop_conn.demo.binaries import find_binaries
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.source import Source
from pgtop_conn.recording.recording import Recording
from pgtop_conn.storage import recording_files
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.view.table.lines import ViewState

FOLDER = Path(__file__).resolve().parents[1] / "screenshots"
SIZES = ((120, 36), (80, 24))
#: Of DejaVu Sans Mono, whose characters are 0.602 of that wide: a cell of Textual's export is 12.2.
FONT_PX = 20.266
#: A line of it is 1.164 of that high, one of the export 24.4.
STRETCH = 1.0345
TEXT = re.compile(r'<text (?P<before>[^>]*?) y="(?P<y>[0-9.]+)" textLength="[^"]*" clip-path="[^"]*">')
#: The leak needs this long to show its rate; later scenes show a full server.
WATCHED_S = 18
#: The applications of an ordinary day, and their sessions.
CALM = (("web", 12), ("checkout", 4), ("billing-worker", 3), ("bi-dashboard", 2), ("cron", 1))


Keys: TypeAlias = tuple[str | float, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """`keys` are pressed on the main screen, watched for so long; `grouping` is what it is started with.

    A number among the keys is seconds to wait. `replay` are pressed on the recording of all that. `calm` is an ordinary
    day of another server; `theme` "" is without colours, as NO_COLOR asks for it.
    """

    name: str
    keys: Keys = ()
    replay: Keys = ()
    grouping: str = "app"
    sizes: tuple[tuple[int, int], ...] = SIZES
    watched_s: float = WATCHED_S
    theme: str = "dark"
    calm: bool = False


OPEN = ("g", "right", "down", "down", "space", "down", "space", "down")
LARGE = ((120, 36),)
#: A part of what leaks is ended, and comes again.
ENDED = ("f", 1.0, "1", "5", "enter", 1.0, "ctrl+y", 20.0, "g")

SCENES = (
    Scene("main", OPEN),
    Scene("calm", ("g",), sizes=LARGE, calm=True),
    Scene("critical", ("g",), sizes=LARGE, watched_s=26),
    Scene("light", OPEN, sizes=LARGE, theme="light"),
    Scene("no-color", OPEN, sizes=LARGE, theme=""),
    Scene("roles", ("g",), grouping="role"),
    Scene("leaks", ("l", "g", "right")),
    Scene("diagnosis", ("d", "right", "down"), watched_s=26),
    Scene("confirm", ("g", "x")),
    Scene("detail", ("g", "right", "down", "enter")),
    Scene("free", ("f", 1.0, "1", "5")),
    Scene("blockers", ("b",)),
    Scene("counting", ("i",)),
    Scene("history", (*ENDED, "h", "tab", "N"), watched_s=26),
    Scene("back", (*ENDED, *("left_square_bracket",) * 23, "g", "right", "down"), sizes=LARGE, watched_s=26),
    Scene("replay", ENDED, replay=("n", "left_square_bracket", "g", "right", "down"), sizes=LARGE, watched_s=26),
)


async def picture(uri: str, scene: Scene, width: int, height: int) -> str:
    """The scene as SVG."""
    settings = Settings(record_days=float(bool(scene.replay)))
    source = await open_source(Login(conninfo=uri, never_ask=True), os.environ, settings)
    try:
        view, first = ViewState(grouping=scene.grouping), await source.poll()
        options = ScreenOptions(interval_s=1.0, policy=Policy(), view=view, first=first, theme=scene.theme or None)
        options = with_memory(options, settings)
        svg = await _shown(source, options, (width, height), (scene.watched_s, *scene.keys))
    finally:
        await source.close()
    if not scene.replay:
        return svg
    (path,) = (folders.state_folder() / recording_files.FOLDER).glob(f"*{recording_files.SUFFIX}")
    recording = Recording.open(path)
    try:
        return await _shown(recording, replace(options, tape=recording), (width, height), scene.replay)
    finally:
        await recording.close()


async def _shown(source: Source, options: ScreenOptions, size: tuple[int, int], keys: Keys) -> str:
    """The screen after these keys."""
    app = MonitorApp(source, options)
    async with app.run_test(size=size) as pilot:
        await _press(pilot, keys)
        svg = app.export_screenshot(title="pgtop-conn")
    await app.finish()
    return svg


@contextmanager
def _account(scene: Scene) -> Iterator[None]:
    """A folder of its own for what the program keeps, and no colours where the scene wants none."""
    before = {name: os.environ.get(name) for name in ("XDG_STATE_HOME", "NO_COLOR")}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        if not scene.theme:
            os.environ["NO_COLOR"] = "1"
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


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


async def _press(pilot: Pilot[int], keys: Keys) -> None:
    for key in keys:
        if isinstance(key, str):
            await pilot.press(key)
            await pilot.pause(0.2)
        else:
            await asyncio.sleep(key)


def convert(svg: str, target: Path) -> None:
    """SVG to PNG.

    The renderer trims blanks unless it is told not to, and knows no textLength: the font has to be as large as a cell,
    or lines of a chart and of a frame don't meet.
    """
    svg = svg.replace("font-size: 20px", f"font-size: {FONT_PX}px")
    svg = TEXT.sub(_stretched, svg)
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(svg)
        file.flush()
        subprocess.run(["rsvg-convert", "--zoom", "0.9", "-o", str(target), file.name], check=True)


def _stretched(text: re.Match[str]) -> str:
    """One run of text, as high as its line."""
    y = float(text["y"]) / STRETCH
    return f'<text xml:space="preserve" {text["before"]} y="{y:.3f}" transform="scale(1 {STRETCH})">'


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
            with _account(scene):
                if scene.calm:
                    async with ordinary_day() as uri:
                        convert(await picture(uri, scene, width, height), target)
                else:
                    with demo.running_demo() as uri:
                        convert(await picture(uri, scene, width, height), target)
            sys.stdout.write(f"{target.name}\n")


if __name__ == "__main__":
    sys.exit(main())
