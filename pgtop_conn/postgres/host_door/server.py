"""What the host door knows of the server itself: asked of the server's own program, which starts no server for it."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pgtop_conn.model.snapshot import HOST_DOOR, Server
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.host_door.processes import Postmaster, boot_time, lines_of, ticks_per_second

#: Its program says what the files say, which a restart may be due for.
_SETTINGS = ("max_connections", "superuser_reserved_connections", "reserved_connections", "max_wal_senders")
_ASKING_S = 5.0


def name_of(user: int) -> str:
    """The name of an OS user, its number where it has none (containers)."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def server_of(postmaster: Postmaster) -> Server:
    """Blocks while the program is asked, some tenths of a second in all."""
    settings = _settings(postmaster)
    version = _version(postmaster)
    major, _, minor = version.partition(".")
    return Server(
        host=clean(str(postmaster.socket_folder)),
        port=postmaster.port,
        database="",
        version_num=int(major) * 10000 + (int(minor) if minor.isdigit() else 0) if major.isdigit() else 0,
        version=version,
        in_recovery=(postmaster.data_folder / "standby.signal").exists(),
        pooled=False,
        role=f"OS user {name_of(os.geteuid())}",
        superuser=True,
        sees_all=True,
        can_signal=True,
        uses_reserved=False,
        own_pid=0,
        max_connections=settings.get("max_connections", 0),
        superuser_reserved=settings.get("superuser_reserved_connections", 0),
        reserved=settings.get("reserved_connections", 0),
        provider_reserved=MappingProxyType({}),
        max_wal_senders=settings.get("max_wal_senders", 0),
        door=HOST_DOOR,
        started_at=boot_time() + postmaster.started / ticks_per_second(),
    )


def _version(postmaster: Postmaster) -> str:
    text = _ask(postmaster, "--version").rpartition(") ")[2].split(" ")[0].strip()
    if text[:1].isdigit():
        return text
    return clean(first_line(postmaster, "PG_VERSION").strip()) or "of an unknown version"


def _command(postmaster: Postmaster) -> list[str]:
    """How the server was started."""
    try:
        return shlex.split(first_line(postmaster, "postmaster.opts"))
    except ValueError:
        return []


def first_line(postmaster: Postmaster, name: str) -> str:
    """Of a file in the data folder; "" unless it is the server's own: what is read as root is told to its program."""
    lines, owner = lines_of(postmaster.data_folder / name)
    return lines[0] if lines and owner == postmaster.owner else ""


def _settings(postmaster: Postmaster) -> Mapping[str, int]:
    """What the running server was started with; a name that it does not know is left out."""
    # The last one counts: what it was started with may be told from the folder that it was started in.
    options = [*_command(postmaster)[1:], "-D", str(postmaster.data_folder)]
    found = {}
    for name in _SETTINGS:
        value = _ask(postmaster, "-C", name, *options).strip()
        if value.isdigit():
            found[name] = int(value)
    return found


def _ask(postmaster: Postmaster, *arguments: str) -> str:
    """Run the server's own program for a question that it answers and ends; "" when it doesn't."""
    try:
        answer = subprocess.run(
            [_program(postmaster), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASKING_S,
            cwd="/",
            # Not on our terminal, which its owner may not type into.
            start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            check=False,
            **_as_owner(postmaster),
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return bytes(answer.stdout).decode("utf-8", "replace")


def _program(postmaster: Postmaster) -> str:
    try:
        return str(Path(f"/proc/{postmaster.pid}/exe").readlink())
    except PermissionError:
        # With another group than the server's; a file of its owner says the same.
        return (_command(postmaster) or ["postgres"])[0]


def _as_owner(postmaster: Postmaster) -> dict[str, Any]:
    """Never as root: whose program it is, runs it."""
    if os.geteuid() != 0:
        return {}
    try:
        group = pwd.getpwuid(postmaster.owner).pw_gid
    except KeyError:
        group = postmaster.owner
    return {"user": postmaster.owner, "group": group, "extra_groups": []}
