"""The ways of authentication that a server may ask for, and what is refused of them before the driver answers.

The codes are those of AuthenticationRequest in src/include/libpq/protocol.h, with pqcomm.h before version 17.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.lazy_regex import later
from pgtop_conn.model.text import clean

#: The ways as require_auth names them.
METHODS = ("password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none")
OK, PASSWORD, MD5, GSS, GSS_CONTINUE, SSPI, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 7, 8, 9, 10, 11, 12

#: Code -> the way as require_auth names it. What SASL stands for depends on its mechanisms.
METHOD_OF = {PASSWORD: "password", MD5: "md5", GSS: "gss", SSPI: "sspi"}
#: Mechanism of SASL -> the way.
_MECHANISMS = {"SCRAM-SHA-256": "scram-sha-256", "OAUTHBEARER": "oauth"}
#: Codes that continue an exchange -> the codes that may come before them.
CONTINUES = {GSS_CONTINUE: (GSS, SSPI, GSS_CONTINUE), SASL_CONTINUE: (SASL,), SASL_FINAL: (SASL_CONTINUE,)}

#: More rounds are not computed: the driver computes them without a pause, a million in about a second. PostgreSQL's
#: default is 4,096 (scram_iterations), and 600,000 is what is recommended for stored passwords.
MOST_ROUNDS = 1_000_000
_SERVER_FIRST = later(rb"r=[^,]+,s=[A-Za-z0-9+/]+=*,i=([0-9]+)(?:,.*)?", re.DOTALL)


def allowed_methods(text: str) -> frozenset[str]:
    """require_auth: a list of ways, or of those that are not allowed, each with a !. Raises BadInput."""
    if not text:
        return frozenset(METHODS)
    words = text.split(",")
    names = [word.removeprefix("!") for word in words]
    if not set(names) <= set(METHODS):
        raise BadInput(f"require_auth lists {', '.join(METHODS)}")
    if len(set(names)) < len(names):
        raise BadInput("require_auth names a method twice")
    negative = [word.startswith("!") for word in words]
    if any(negative) != all(negative):
        raise BadInput("require_auth lists what is allowed, or with ! what is not; not both")
    return frozenset(METHODS) - set(names) if any(negative) else frozenset(names)


def method_of(code: int, body: bytes) -> str:
    """The way in require_auth's words; for others the name that the server gave, or its number."""
    if code in METHOD_OF:
        return METHOD_OF[code]
    if code != SASL:
        return f"method number {code}"
    names = [name.decode("ascii", "replace") for name in body.split(b"\0") if name]
    known = [_MECHANISMS[name] for name in names if name in _MECHANISMS]
    # The one that can be answered goes first.
    return min(known, key=lambda name: name == "oauth") if known else clean(", ".join(names)[:100]) or "SASL"


def unanswerable(method: str) -> str:
    """Why this program can't answer that way, and what helps; "" where it can."""
    if method in ("password", "md5", "scram-sha-256"):
        return ""
    instead = "let pg_hba.conf ask this role for a password or a certificate"
    if method in ("gss", "sspi"):
        if find_spec("gssapi") is not None:
            return ""
        name = "Kerberos (GSSAPI)" if method == "gss" else "SSPI"
        return (
            f"the server asks for {name}, which needs Python's package gssapi beside pgtop-conn: add it, or {instead}"
        )
    if method == "oauth":
        return f"the server asks for an OAuth token (OAUTHBEARER), which pgtop-conn can't fetch: {instead}"
    return f"the server asks for a way of authentication that pgtop-conn does not have ({method}): {instead}"


def too_hard(body: bytes) -> str:
    """Why the first SCRAM message of a server is not answered; "" when it is."""
    found = _SERVER_FIRST.fullmatch(body)
    rounds = found[1].lstrip(b"0") if found else b""
    if not rounds:
        return "the server's SCRAM message makes no sense"
    if len(rounds) > len(str(MOST_ROUNDS)) or int(rounds) > MOST_ROUNDS:
        shown = rounds.decode() if len(rounds) <= 20 else f"a number of {len(rounds)} digits"
        return (
            f"the server asks for {shown} rounds of SCRAM, and more than {MOST_ROUNDS} are not computed: set a lower"
            " scram_iterations, and the password again"
        )
    return ""
