"""Connection services: the two service files, read as libpq reads them.

Source: parseServiceInfo() and parseServiceFile() in src/interfaces/libpq/fe-connect.c. A name is looked for in the
user's file, and in the system's when it is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.conninfo.keywords import KEYWORDS
from pgtop_conn.postgres.small_files import read

#: Bytes of a line, its end included.
LONGEST_LINE = 1022
#: Where the system's file is when PGSYSCONFDIR does not say, since each packager builds its own folder into libpq:
#: Debian and Ubuntu, Red Hat and SUSE, a build from source, Homebrew on ARM and on Intel.
SYSTEM_FOLDERS = (
    "/etc/postgresql-common",
    "/etc/sysconfig/pgsql",
    "/etc",
    "/usr/local/pgsql/etc",
    "/usr/local/etc/postgresql",
    "/opt/homebrew/etc/postgresql",
)


def service(name: str, file: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """What the service sets, by keyword; `file` is servicefile= or PGSERVICEFILE. Raises BadInput."""
    for path in _files(file, environ):
        found = _read(path, name)
        if found is not None:
            return found
    raise BadInput(f'definition of service "{clean(name)}" not found')


def _files(file: str | None, environ: Mapping[str, str]) -> Iterator[Path]:
    """The user's file, which must be there when it is named; then the system's."""
    if file is not None:
        yield Path(file)
    elif environ.get("HOME"):
        own = Path(environ["HOME"], ".pg_service.conf")
        if _is_there(own):
            yield own
    folders = (environ["PGSYSCONFDIR"],) if "PGSYSCONFDIR" in environ else SYSTEM_FOLDERS
    shared = next((path for folder in folders if _is_there(path := Path(folder, "pg_service.conf"))), None)
    if shared is not None:
        yield shared


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise BadInput(f'service file "{clean(str(path))}": {error.strerror}') from None


def _read(path: Path, name: str) -> dict[str, str] | None:
    """The section of that name, None where the file has none. A line that stands in it twice counts the first time."""
    try:
        lines = read(path, pipes=True)[0].split(b"\n")
    except FileNotFoundError:
        raise BadInput(f'service file "{clean(str(path))}" not found') from None
    except OSError as error:
        raise BadInput(f'service file "{clean(str(path))}": {error.strerror}') from None
    found: dict[str, str] | None = None
    for number, raw in enumerate(lines, 1):
        place = f'service file "{clean(str(path))}", line {number}'
        if len(raw) >= LONGEST_LINE:
            raise BadInput(f"{place}: the line is too long")
        line = raw.decode("utf-8", errors="surrogateescape").strip(" \t\r\v\f")
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if found is not None:
                break
            found = {} if line.startswith(f"[{name}]") else None
        elif found is not None:
            _take(found, line, place)
    return found


def _take(found: dict[str, str], line: str, place: str) -> None:
    """One line of the section; blanks around the = are no part of the syntax."""
    if line.startswith("ldap"):
        raise BadInput(f"{place}: a service kept in LDAP can't be looked up here; write its settings into the file")
    key, equals, value = line.partition("=")
    if not equals:
        raise BadInput(f"syntax error in {place}: key=value was expected")
    if key in ("service", "servicefile"):
        raise BadInput(f"{place}: a service can't name another one")
    if key not in KEYWORDS:
        hint = ": no blanks are allowed around the =" if key.strip() in KEYWORDS else ""
        raise BadInput(f'syntax error in {place}: unknown keyword "{clean(key)}"{hint}')
    found.setdefault(key, value)
