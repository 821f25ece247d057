"""Names and values as they are typed: in SQL, in a filter, in a shell, and in PgBouncer's ini file.

Texts made here are to be copied by a person. A name that clean() had to change can't be typed back, and gives None.
"""

from __future__ import annotations

import re
import shlex

from pgtop_conn.model.instants import calendar, endless
from pgtop_conn.model.lazy_regex import later

#: What clean() puts in the place of a character; a name that has one of these by nature is not typed either.
_REPLACED = later("[\ufffd\u2400-\u2421]")
_PLAIN_KEY = later(r"[A-Za-z0-9_.-]+")


def typable(name: str) -> bool:
    """Whether a name that went through clean() is what the server knows it by."""
    return bool(name) and not _REPLACED.search(name)


def identifier(name: str) -> str | None:
    """A quoted identifier of SQL; None where the name can't be typed.

    >>> identifier('a "b" c'), identifier("a\ufffdb")
    ('"a ""b"" c"', None)
    """
    return '"' + name.replace('"', '""') + '"' if typable(name) else None


def literal(text: str) -> str:
    """A string of SQL with standard_conforming_strings on, where a backslash is nothing special.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def timestamp(epoch: float) -> str:
    """An instant as a literal, in UTC and to the microsecond, so that it equals the float8 it came from.

    >>> timestamp(1772366400.25)
    "'2026-03-01 12:00:00.250000+00'"
    """
    found = calendar(epoch)
    if found is None:
        return literal(endless(epoch))
    year, rest = found
    before = year < 1
    return literal(f"{1 - year if before else year:04}{rest.replace('T', ' ')}+00{' BC' if before else ''}")


def shown(name: str) -> str:
    """A name within a sentence: quoted, so that one with blanks has a beginning and an end.

    >>> shown("a b"), shown("")
    ('"a b"', '""')
    """
    return f'"{name}"'


def shown_app(app: str) -> str:
    """An application within a sentence."""
    return shown(app) if app else "the application without a name"


def filter_value(name: str) -> str:
    """A value of the filter language. Rows are cleaned before they are compared, so any name can be written.

    >>> filter_value("web"), filter_value('a "b", c')
    ('web', '"a ""b"", c"')
    """
    return name if re.fullmatch(r"[\w.-]+", name) else '"' + name.replace('"', '""') + '"'


def kill_command(wanted: str, *options: str) -> str:
    """The command line that shows whom a filter would end; nothing is sent without --yes.

    >>> kill_command('app:"it\\'s"')
    'pgtop-conn kill \\'app:"it\\'"\\'"\\'s"\\' --dry-run'
    """
    return " ".join(("pgtop-conn kill", shlex.quote(wanted), *options, "--dry-run"))


def diagnose_command(seconds: int) -> str:
    """The command line that looks for so long.

    >>> diagnose_command(60)
    'pgtop-conn diagnose --for 60'
    """
    return f"pgtop-conn diagnose --for {seconds}"


def bouncer_key(name: str, number: int) -> str:
    """A database's name on the left of PgBouncer's [databases], or an alias where that file can't hold the name.

    PgBouncer 1.18 stops at every other character, quotes included; `pgbouncer` is its own console's name.

    >>> bouncer_key("shop-1", 1), bouncer_key("we ird", 2)
    ('shop-1', 'database_2')
    """
    return name if _PLAIN_KEY.fullmatch(name) and name != "pgbouncer" else f"database_{number}"


def bouncer_value(text: str) -> str:
    """A value within a connection string of [databases]."""
    return text if re.fullmatch(r"[\w./:@-]+", text, re.ASCII) else literal(text)
