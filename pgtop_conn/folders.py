"""Where our files are: the configuration, the journal, the state of this account. The only user of platformdirs."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from pgtop_conn.model.errors import BadInput


def typed_path(text: str) -> Path:
    """A path as somebody typed it. Raises BadInput for the home of nobody."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise BadInput(f"{text}: there is no home folder of that name") from None


def config_file() -> Path:
    """Where the configuration is looked for."""
    import platformdirs

    found = platformdirs.user_config_path("pgtop-conn", appauthor=False)
    return _absolute(found, ".config") / "config.toml"


def state_folder() -> Path:
    """Where the journal is kept."""
    import platformdirs

    return _absolute(platformdirs.user_state_path("pgtop-conn", appauthor=False), ".local/state")


def _absolute(found: Path, below: str) -> Path:
    """The same folder wherever we are started: a relative one is not valid by the XDG Base Directory Specification."""
    return found if found.is_absolute() else _home() / below / "pgtop-conn"


def _home() -> Path:
    """The home folder; the root folder where there is none, as in containers that run as any user."""
    home = Path(os.environ.get("HOME", ""))
    if home.is_absolute():
        return home
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def work_folders() -> tuple[Path, ...]:
    """The folder that we were started in; none where it is deleted."""
    try:
        return (Path.cwd(),)
    except OSError:
        return ()


def state_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Ours, and behind sudo that of whoever became us: what they have seen counts, too."""
    invoker = environ.get("SUDO_USER", "")
    try:
        home = Path(pwd.getpwnam(invoker).pw_dir) if invoker else None
    except KeyError:
        home = None
    return (state_folder(), home / ".local" / "state" / "pgtop-conn") if home is not None else (state_folder(),)


def journal_file() -> Path:
    """The journal of every signal sent from this account."""
    return state_folder() / "journal.jsonl"
