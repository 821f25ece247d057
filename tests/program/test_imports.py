"""What a command loads, seen in sys.modules of a process of its own: static analysis can't tell a deferred import."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(code: str) -> set[str]:
    """Top-level packages loaded after running `code` in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"textual", "rich", "asyncpg", "asyncio"}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import pgtop_conn", HEAVY | {"dataclasses", "argparse"}),
        ("import pgtop_conn.cli", HEAVY | {"platformdirs"}),
        ("import pgtop_conn.config", HEAVY | {"platformdirs"}),
        (
            "import pgtop_conn.model.signalling.plan, pgtop_conn.model.filters.language",
            HEAVY,
        ),
        (
            "import pgtop_conn.view.table.lines, pgtop_conn.view.status.server_lines, pgtop_conn.view.export.snapshot",
            HEAVY,
        ),
        ("import pgtop_conn.postgres.session", {"textual", "rich"}),
        ("import pgtop_conn.sources.journaled", HEAVY - {"asyncio"}),
        (
            "import pgtop_conn.view.reports.incident, pgtop_conn.model.diagnosis, pgtop_conn.model.remedies.sizing",
            HEAVY,
        ),
        ("import pgtop_conn.storage.report_files", HEAVY),
        ("import pgtop_conn.recording.ring, pgtop_conn.recording.recording, pgtop_conn.recording.recorder", HEAVY),
        ("import pgtop_conn.commands.snapshot.run", {"textual", "asyncpg", "rich"}),
        ("import pgtop_conn.commands.diagnose.run", {"textual", "asyncpg"}),
        ("import pgtop_conn.tui.app", {"asyncpg"}),
        # The first frame is there before Textual is loaded.
        ("import pgtop_conn.commands.watch.preload, pgtop_conn.commands.watch.run", {"textual", "asyncpg"}),
        ("import pgtop_conn.tui.rendering.first_frame, pgtop_conn.tui.rendering.held_terminal", {"textual", "asyncpg"}),
    ],
)
def test_a_room_loads_only_what_it_may(code: str, absent: set[str]) -> None:
    assert not loaded(code) & absent


@pytest.mark.parametrize("argument", ["--help", "--version", "--interval=nonsense"])
def test_help_version_and_bad_input_load_nothing_heavy(argument: str) -> None:
    code = f"from pgtop_conn.cli import main\ntry:\n    main([{argument!r}])\nexcept SystemExit:\n    pass"
    assert not loaded(code) & HEAVY


def test_every_command_is_listed_and_says_what_it_is_without_loading_anything_heavy() -> None:
    code = "\n".join(
        [
            "import pkgutil",
            "from pgtop_conn import commands",
            "from pgtop_conn.cli import COMMANDS",
            "from pgtop_conn.commands.common.command import Command, command_named",
            "there = {module.name for module in pkgutil.iter_modules(commands.__path__)} - {'common'}",
            "assert there == set(COMMANDS), there ^ set(COMMANDS)",
            "assert all(isinstance(command_named(name), Command) for name in COMMANDS)",
        ]
    )
    assert not loaded(code) & HEAVY


def test_the_version_is_told_before_anything_is_loaded() -> None:
    code = "sys.argv = ['pgtop-conn', '--version']\nfrom pgtop_conn.__main__ import main\nmain()\nprint()"
    assert not loaded(code) & (HEAVY | {"argparse", "dataclasses"})


def test_collections_wait_while_a_command_starts() -> None:
    code = "\n".join(
        [
            "import gc, sys",
            "from pgtop_conn.commands.common.run import COLLECT_SELDOM, run_async",
            "async def thresholds(): return gc.get_threshold()",
            "print(run_async(thresholds())[0] == COLLECT_SELDOM)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
