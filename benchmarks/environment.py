"""What a run needs on this machine: the product installed, its peers, and the machine's own description.

Standard library only: this runs before anything is installed. Add a peer: PEERS, and a file in specs/.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
#: The product alone, as a user installs it; and what measures, with the peers that come as wheels.
PRODUCT, TOOLS = "product", "tools"
#: Another revision of the product, to be compared with.
BEFORE = "before"
WHEELS = ("pg_activity>=3.6,<4", "psycopg[binary]>=3.2,<4")
#: Programs that are taken from PATH.
PEERS = ("psql", "pg_top", "pgcenter")
#: What can be measured, in order.
STAGES = ("commands", "idle", "synthetic", "memory", "steady", "startup", "keys", "snapshot")
#: How to ask each program for its version.
VERSION_OPTIONS = {"pgtop-conn": "--version", "pg_activity": "--version", "pg_top": "-V", "psql": "--version"}


def build(folder: Path) -> None:
    """Make both environments in the folder. Raises CalledProcessError when something can't be installed."""
    install(folder, PRODUCT, str(PROJECT))
    install(folder, TOOLS, f"{PROJECT}[bench]", *WHEELS)


def install(folder: Path, name: str, *wanted: str) -> None:
    """Make one environment with what is wanted in it. Raises CalledProcessError when something can't be installed."""
    venv.create(folder / name, with_pip=True)
    command = [str(python_of(folder, name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def python_of(folder: Path, name: str) -> Path:
    """The interpreter of one of the environments."""
    return folder / name / "bin" / "python"


def find_programs(folder: Path) -> dict[str, str]:
    """Name to path, of all that are here."""
    programs = {
        "pgtop-conn": str(folder / PRODUCT / "bin" / "pgtop-conn"),
        BEFORE: str(folder / BEFORE / "bin" / "pgtop-conn"),
        "python": str(python_of(folder, PRODUCT)),
        "pg_activity": str(folder / TOOLS / "bin" / "pg_activity"),
    }
    programs |= {name: path for name in PEERS if (path := shutil.which(name)) is not None}
    return {name: path for name, path in programs.items() if Path(path).exists()}


def versions(programs: Mapping[str, str]) -> dict[str, str]:
    """Name to version as each program tells it, with Python's own and Textual's."""
    told = {name: _said([programs[name], option]) for name, option in VERSION_OPTIONS.items() if name in programs}
    if "python" in programs:
        asking = "import textual, asyncpg; print(textual.__version__, 'asyncpg', asyncpg.__version__)"
        told["textual"] = _said([programs["python"], "-c", asking])
    if "pgcenter" in programs:
        told["pgcenter"] = _said([programs["pgcenter"], "--version"])
    return {"python": platform.python_version(), **told}


def _said(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    lines = (answer.stdout or answer.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def revision() -> str:
    """What of the product was measured, and whether files were changed since."""
    git = shutil.which("git")
    told = _said([git, "-C", str(PROJECT), "describe", "--always", "--dirty"]) if git else "unknown"
    return "unknown" if told.startswith("fatal") else told


def machine() -> dict[str, str]:
    """Cores, processor, memory and kernel."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**2
    return {
        "processors": f"{len(os.sched_getaffinity(0))} × {_cpu_model()}",
        "memory": f"{memory_mb / 1024:.1f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def missing() -> str:
    """Why nothing can be measured here; "" when it can."""
    if not sys.platform.startswith("linux"):
        return "the figures are read from /proc, which only Linux has"
    return "" if shutil.which("psql") else "psql is needed"
