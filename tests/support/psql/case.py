"""One input of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: A server with TLS on 127.0.0.1, as superuser; {names} are filled in by the ground.
TLS = "host=localhost port={tls} user=postgres dbname=postgres"
#: A server that has none: the newest, which speaks every version of the protocol.
PLAIN = "host=127.0.0.1 port={plain} user=postgres dbname=postgres"
SOCKET = "host={sockets} port={tls} user=postgres dbname=postgres"


@dataclass(frozen=True, slots=True)
class Case:
    """`about` is the keyword or variable it is for; `conninfo` what is typed, "" for nothing."""

    about: str
    conninfo: str
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: Why the outcomes differ; "" where they must be the same.
    explained: str = ""
    #: Whether psql must have been built with TLS.
    needs_tls: bool = False

    def __str__(self) -> str:
        variables = "".join(f"{name}={value} " for name, value in self.environ.items())
        return f"{variables}{self.conninfo}"


def case(about: str, conninfo: str = "", explained: str = "", **environ: str) -> Case:
    """Keywords in capitals are variables. TLS is needed where the TLS server or a word of TLS is in it."""
    text = f"{conninfo} {environ}"
    return Case(about, conninfo, MappingProxyType(environ), explained, "{tls}" in text or "ssl" in text.lower())
