"""The password file as libpq reads it, which differs from the driver's reading: escapes, spaces and socket folders.

Source: passwordFromFile() in src/interfaces/libpq/fe-connect.c.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

#: Where a server's socket is looked for without a host; the first one there is wins, as one is built into psql.
DEFAULT_SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp")


def unusable(passfile: Path) -> str | None:
    """Why this file is ignored, as libpq ignores it; None when it is usable or simply not there."""
    try:
        mode = passfile.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"password file {passfile} ignored: {error.strerror}"
    if not stat.S_ISREG(mode):
        return f"password file {passfile} ignored: not a plain file"
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"password file {passfile} ignored: others may read it (chmod 0600 makes it usable)"
    return None


def find_password(passfile: Path, host: str, port: int, database: str, user: str) -> tuple[str | None, str]:
    """The password of the first line that matches, or None and what was looked for; "" without a file.

    A socket in a default folder is 'localhost'.
    """
    try:
        text = passfile.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"password file {passfile} ignored: {error.strerror}"
    name = "localhost" if not host or host in DEFAULT_SOCKET_FOLDERS else host
    wanted = (name, str(port), database, user)
    for line in text.split("\n"):
        if line.startswith("#"):
            continue
        fields = list(_fields(line.rstrip("\r")))
        if len(fields) == 5 and all(
            raw == "*" or plain == want for (raw, plain), want in zip(fields, wanted, strict=False)
        ):
            secret = fields[4][1] or None
            return secret, "" if secret else f"the line of {passfile} for {':'.join(wanted)} has no password"
    return None, f"no line of {passfile} is for {':'.join(wanted)}"


def _fields(line: str) -> Iterator[tuple[str, str]]:
    """Each field as written and unescaped; the fifth takes the rest of the line, colons included."""
    raw, plain, count, position = "", "", 1, 0
    while position < len(line):
        char = line[position]
        if char == ":" and count < 5:
            yield raw, plain
            raw, plain, count = "", "", count + 1
        elif char == "\\" and position + 1 < len(line):
            position += 1
            raw += char + line[position]
            plain += line[position]
        else:
            raw += char
            plain += char
        position += 1
    yield raw, plain
