"""From an application_name as the server stores it to the name that was meant, and the host that a pooler appended.

A server escapes what is not ASCII from 16 on (`B\\xc3\\xbcro`); before, it puts question marks there for good.
PgBouncer appends ` - host:port` with application_name_add_host = 1. raw_name() is the way back.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pgtop_conn.model.text import clean

#: NAMEDATALEN - 1: a longer name is cut off there, and so may be what was appended.
CUT_AT = 63

_ESCAPED = re.compile(r"(?:\\x[89a-f][0-9a-f])+")
_HOST = r"unix(?:\([^()\s]*\))?|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]+\]"
_ADDED = re.compile(rf"(?P<name>.*) - (?P<host>(?:{_HOST}):[0-9]{{1,5}})", re.DOTALL)
_CUT_OFF = re.compile(
    r"(?P<name>.*) - (?P<host>unix[(:]\S*|[0-9]{1,3}\.[0-9.]*(?::[0-9]*)?|\[[0-9a-fA-F:.\]]*)", re.DOTALL
)


class AppName(NamedTuple):
    """`host` is what a pooler said of its client ("10.0.0.7:5123", "unix(4711@web):6432"), "" where it said nothing."""

    name: str
    host: str = ""


def app_name(raw: str) -> AppName:
    """Read a name; raw_name() gives `raw` again.

    >>> app_name("B\\\\xc3\\\\xbcro - 10.0.0.7:5123")
    AppName(name='Büro', host='10.0.0.7:5123')
    """
    if " - " not in raw and "\\x" not in raw:
        return AppName(raw)
    found = _ADDED.fullmatch(raw) or (_CUT_OFF.fullmatch(raw) if len(raw) >= CUT_AT else None)
    name, host = (found["name"], found["host"]) if found else (raw, "")
    return AppName(_ESCAPED.sub(_plain, name), host)


def whole_name(name: str, host: str) -> str:
    """The name as it is shown whole, and looked for by a filter: `web - 10.0.0.7:5123`."""
    return f"{name} - {host}" if host else name


def raw_name(name: str, host: str = "") -> str:
    """What the server stores for the parts that app_name() gave."""
    return whole_name(name if name.isascii() else "".join(map(_escape, name)), host)


def _plain(match: re.Match[str]) -> str:
    """The characters that were escaped, unless they would not be shown as they are."""
    try:
        text = bytes.fromhex(match.group().replace("\\x", "")).decode("utf-8")
    except UnicodeDecodeError:
        return match.group()
    return text if clean(text) == text else match.group()


def _escape(char: str) -> str:
    return char if char.isascii() else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8"))
