"""Another revision of the product, installed as a user would. Standard library only: this runs before all else."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from benchmarks.environment import BEFORE, PROJECT, install


class UnknownRevision(Exception):
    """Git knows no such revision; the message is git's."""


def install_revision(folder: Path, name: str) -> None:
    """Install this revision of the project into an environment of the folder. Raises UnknownRevision."""
    git = shutil.which("git")
    if git is None:
        raise UnknownRevision("git is needed for --against")
    archive = subprocess.run(
        [git, "-C", str(PROJECT), "archive", "--format=tar", name], capture_output=True, check=False
    )
    if archive.returncode:
        raise UnknownRevision(f"no revision {name}: {archive.stderr.decode(errors='replace').strip()}")
    with tempfile.TemporaryDirectory(dir=folder) as tree:
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(tree, filter="data")
        install(folder, BEFORE, tree)
