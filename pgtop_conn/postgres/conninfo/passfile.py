"""The password file as libpq reads it, which differs from the driver's reading: escapes, spaces and socket folders.

Source: passwordFromFile() in src/interfaces/libpq/fe-connect.c. What is longer than any password is left out.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from pgtop_conn.model.lazy_regex import later
from pgtop_conn.postgres.small_files import read

#: Where a server's socket is looked for without a host; the first one there is wins, as one is built into psql.
DEFAULT_SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp")
#: Bytes of a line. Tokens that stand in for passwords have some thousand.
LONGEST_LINE = 65536

#: Each field may hold a colon or a backslash behind a backslash; the fifth takes the rest of the line.
_FIELD = r"((?:[^:\\]|\\.)*+)"
_LINE = later(":".join([_FIELD] * 4) + ":(.*)", re.DOTALL)
_ESCAPED = later(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """`problem` says why the file is ignored, as libpq ignores it; "" where it is usable, or not there at all."""

    path: Path
    problem: str = ""
    missing: bool = False
    #: Host, port, database, user and password of each line, as written.
    lines: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    #: How many lines were too long to be one.
    left_out: int = 0

    @classmethod
    def read(cls, path: Path) -> PasswordFile:
        """Read it all. Raises nothing."""
        try:
            raw, mode = read(path)
        except FileNotFoundError:
            return cls(path, missing=True)
        except OSError as error:
            return cls(path, f"password file {path} ignored: {error.strerror}")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            return cls(path, f"password file {path} ignored: others may read it (chmod 0600 makes it usable)")
        lines, left_out = [], 0
        for line in raw.split(b"\n"):
            if len(line) > LONGEST_LINE:
                left_out += 1
            elif not line.startswith(b"#"):
                text = line.rstrip(b"\r").decode("utf-8", errors="surrogateescape")
                if (found := _LINE.fullmatch(text)) is not None:
                    lines.append(found.groups())
        return cls(path, lines=tuple(lines), left_out=left_out)

    def find(self, host: str, port: int, database: str, user: str) -> tuple[str | None, str]:
        """The password of the first line that matches, or None and why there is none; "" without a file.

        A socket in a default folder is 'localhost'.
        """
        if self.problem or self.missing:
            return None, self.problem
        name = "localhost" if not host or host in DEFAULT_SOCKET_FOLDERS else host
        wanted = (name, str(port), database, user)
        for *fields, secret in self.lines:
            if all(raw == "*" or _plain(raw) == want for raw, want in zip(fields, wanted, strict=True)):
                found = _plain(secret) or None
                return found, "" if found else f"the line of {self.path} for {':'.join(wanted)} has no password"
        long = f", and lines of more than {LONGEST_LINE // 1024} kB are left out: {self.left_out}" * bool(self.left_out)
        return None, f"no line of {self.path} is for {':'.join(wanted)}{long}"


def _plain(raw: str) -> str:
    return _ESCAPED.sub(r"\1", raw)
