"""The TLS that a conninfo asks for, and what of it contradicts itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from pgtop_conn.model.errors import BadInput

#: The trusted certificates of the machine instead of a file's.
SYSTEM = "system"
VERIFY_CA = "verify-ca"
VERIFY_FULL = "verify-full"
_VERSIONS = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class Tls:
    """What was asked for; a file that is "" is looked for in `folder`, where that is known."""

    mode: str = "prefer"
    #: Without the PostgreSQL way of asking first, as 17 and newer understand.
    direct: bool = False
    root: str = ""
    certificate: str = ""
    key: str = ""
    key_password: str = field(default="", repr=False)
    revoked: str = ""
    revoked_folder: str = ""
    #: "disable" never shows our certificate.
    certificate_mode: str = "allow"
    #: Whether the handshake tells the server's name (SNI).
    names_server: bool = True
    lowest: str = "TLSv1.2"
    highest: str = ""
    #: ~/.postgresql, or None without a home.
    folder: Path | None = None


def attempts(mode: str) -> tuple[bool, ...]:
    """With TLS or without, in the order in which libpq tries."""
    return {"disable": (False,), "allow": (False, True), "prefer": (True, False)}.get(mode, (True,))


def judge(tls: Tls) -> None:
    """Refuse what contradicts itself. Raises BadInput."""
    if tls.direct and len(attempts(tls.mode)) > 1:
        raise BadInput(f"sslnegotiation=direct needs sslmode=require or stricter, not {tls.mode}")
    if tls.root == SYSTEM and tls.mode != VERIFY_FULL:
        raise BadInput(f"sslrootcert=system needs sslmode=verify-full, not {tls.mode}")
    if not tls.names_server and tls.mode == VERIFY_FULL:
        raise BadInput("sslsni=0 with sslmode=verify-full cannot be honoured: the name that is checked is also sent")
    if tls.certificate_mode == "require":
        raise BadInput(
            "sslcertmode=require cannot be honoured: it is not known here whether a server asked for the certificate"
        )
    lowest, highest = (version(text) if text else None for text in (tls.lowest, tls.highest))
    if lowest is not None and highest is not None and lowest > highest:
        raise BadInput("ssl_min_protocol_version is above ssl_max_protocol_version")


def version(text: str) -> ssl.TLSVersion:
    """The version of this name. Raises BadInput."""
    found = _VERSIONS.get(text.casefold())
    if found is None:
        raise BadInput("a TLS version is one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")
    return found
