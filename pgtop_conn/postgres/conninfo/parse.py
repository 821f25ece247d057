"""The texts a conninfo is written in, taken apart as libpq does: a URI, key=value pairs, or a database name.

Nothing of a text is echoed in an error, since any part of it may be a piece of a password.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from pgtop_conn.model.errors import BadInput

#: What drivers write before the ://, beside libpq's own postgresql and postgres.
_SCHEME = re.compile(r"(?P<jdbc>jdbc:)?postgres(?:ql)?(?P<driver>\+[a-z0-9_.]+)?://")


def parse(text: str) -> tuple[dict[str, str], bool]:
    """What the text gives, by keyword, and whether it is a JDBC URI, whose words mean other things. Raises BadInput."""
    if "\0" in text:
        raise BadInput("a connection string cannot hold a NUL character")
    scheme = _SCHEME.match(text)
    if scheme is not None:
        return _parse_uri(text[scheme.end() :]), scheme["jdbc"] is not None
    return (_parse_pairs(text) if "=" in text else {"dbname": text}), False


def _parse_pairs(text: str) -> dict[str, str]:
    """key=value pairs with libpq's quoting: spaces around =, single quotes, backslash before any character."""
    found: dict[str, str] = {}
    position = _skip_space(text, 0)
    while position < len(text):
        key = re.compile(r"[^\s=]*").match(text, position)
        assert key is not None
        equals = _skip_space(text, key.end())
        if not key.group() or equals >= len(text) or text[equals] != "=":
            # The word is not echoed: it may be the rest of a password with a space in it.
            raise BadInput(f'missing "=" at character {key.end() + 1} of the connection string')
        value, position = _value(text, _skip_space(text, equals + 1))
        found[key.group()] = value
        position = _skip_space(text, position)
    return found


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\n\r\f\v":
        position += 1
    return position


def _value(text: str, position: int) -> tuple[str, int]:
    """The value that begins here, unquoted, and where it ends."""
    quoted = text[position : position + 1] == "'"
    position += quoted
    value: list[str] = []
    while position < len(text):
        char = text[position]
        if (char == "'") if quoted else (char in " \t\n\r\f\v"):
            return "".join(value), position + quoted
        if char == "\\":
            position += 1
            char = text[position : position + 1]
        value.append(char)
        position += 1
    if quoted:
        raise BadInput("unterminated quoted string in the connection string")
    return "".join(value), position


_AUTHORITY = re.compile(r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<hosts>[^/?]*)")
_NO_HOST = "the connection URI names no host:port (inside a password, @ / and : are written %40 %2F and %3A)"
_ONE_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[^:]*))?")


def _parse_uri(rest: str) -> dict[str, str]:
    """user:password@host:port,host:port/dbname?key=value, percent-encoded."""
    authority = _AUTHORITY.match(rest)
    assert authority is not None
    path, _, query = rest[authority.end() :].partition("?")
    found: dict[str, str] = {}
    for name in ("user", "password"):
        if authority[name]:
            found[name] = _decoded(authority[name])
    found |= _uri_hosts(authority["hosts"])
    if path[1:]:
        found["dbname"] = _decoded(path[1:])
    for pair in query.split("&") if query else ():
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise BadInput("after the ? of a connection URI come key=value pairs, separated by &")
        found[_decoded(key)] = _decoded(value)
    return found


def _uri_hosts(text: str) -> dict[str, str]:
    names, ports = [], []
    for part in text.split(","):
        match = _ONE_HOST.fullmatch(part)
        if match is None:
            raise BadInput(_NO_HOST)
        if "@" in part:
            raise BadInput(_NO_HOST)
        names.append(_decoded(match["address"] or match["name"]))
        ports.append(_decoded(match["port"] or ""))
    found = {"host": ",".join(names)} if any(names) else {}
    if any(ports):
        found["port"] = ",".join(ports)
    return found


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise BadInput("invalid percent-encoding in the connection URI")
    raw = unquote_to_bytes(text)
    if b"\0" in raw:
        raise BadInput("%00 is not allowed in the connection URI")
    return raw.decode("utf-8", errors="surrogateescape")
