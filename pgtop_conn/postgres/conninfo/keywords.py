"""Every keyword of a libpq conninfo and how it is treated here. Add one: a line in _TABLE.

Source: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS and libpq-envars.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Use(StrEnum):
    """What becomes of a keyword's value."""

    #: Read by resolve(), and honoured.
    RESOLVED = "resolved"
    #: Handed to the driver under the same name.
    DRIVER = "driver"
    #: Has no meaning for a monitor, or is ours to set; left out, with a note where `why` says something.
    DROPPED = "dropped"
    #: A demand that can't be met: refused unless the value is one of `harmless`.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Keyword:
    """One libpq keyword. `env` is its PG* variable; `values` are the allowed ones, where they are a closed set."""

    name: str
    use: Use
    env: str | None = None
    values: tuple[str, ...] = ()
    #: Values that demand nothing (an empty one never does), so that nothing is refused or noted.
    harmless: tuple[str, ...] = ()
    #: Why it is refused, or dropped; and what can be done.
    why: str = ""


def _resolved(name: str, env: str | None = None, *values: str) -> Keyword:
    return Keyword(name, Use.RESOLVED, env, values)


def _driver(name: str, env: str | None = None, *values: str) -> Keyword:
    return Keyword(name, Use.DRIVER, env, values)


def _dropped(name: str, why: str = "", env: str | None = None, *values: str, harmless: tuple[str, ...] = ()) -> Keyword:
    return Keyword(name, Use.DROPPED, env, values, harmless, why)


def _refused(name: str, why: str, env: str | None, values: tuple[str, ...], harmless: tuple[str, ...]) -> Keyword:
    return Keyword(name, Use.REFUSED, env, values, harmless, why)


_DEMAND = ("disable", "prefer", "require")
_PROTOCOLS = ("3.0", "3.2", "latest")
_NO_CHANNEL_BINDING = (
    "the driver has no channel binding; channel_binding=prefer goes in without it, and sslmode=verify-full with"
    " sslrootcert=system (or the service's own root certificate) makes sure of the server instead"
)
_NO_GSS_ENCRYPTION = "the driver has no GSSAPI encryption; sslmode=verify-full encrypts too"
_NO_SCRAM_KEYS = "the driver logs in with a password, not with SCRAM keys"
_NO_OAUTH = "the driver has no OAuth"
_NO_PROTOCOL = "the driver speaks protocol 3.0"
_OUR_NAME = "our sessions are always called pgtop-conn, by which they know one another"

_TABLE = (
    _resolved("service", "PGSERVICE"),
    _resolved("servicefile", "PGSERVICEFILE"),
    _resolved("host", "PGHOST"),
    _resolved("hostaddr", "PGHOSTADDR"),
    _resolved("port", "PGPORT"),
    _resolved("user", "PGUSER"),
    _resolved("dbname", "PGDATABASE"),
    _resolved("password", "PGPASSWORD"),
    _resolved("passfile", "PGPASSFILE"),
    _resolved("options", "PGOPTIONS"),
    _resolved("connect_timeout", "PGCONNECT_TIMEOUT"),
    _resolved("load_balance_hosts", "PGLOADBALANCEHOSTS", "disable", "random"),
    _resolved(
        "target_session_attrs",
        "PGTARGETSESSIONATTRS",
        *("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    ),
    _resolved("keepalives"),
    _resolved("keepalives_idle"),
    _resolved("keepalives_interval"),
    _resolved("keepalives_count"),
    _resolved("tcp_user_timeout"),
    _resolved("sslmode", "PGSSLMODE", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    _resolved("sslnegotiation", "PGSSLNEGOTIATION", "postgres", "direct"),
    _resolved("sslcert", "PGSSLCERT"),
    _resolved("sslkey", "PGSSLKEY"),
    _resolved("sslpassword"),
    _resolved("sslrootcert", "PGSSLROOTCERT"),
    _resolved("sslcrl", "PGSSLCRL"),
    _resolved("sslcrldir", "PGSSLCRLDIR"),
    _resolved("sslsni", "PGSSLSNI", "0", "1"),
    _resolved("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    _resolved("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    _resolved("require_auth", "PGREQUIREAUTH"),
    _resolved("requirepeer", "PGREQUIREPEER"),
    _resolved("sslcertmode", "PGSSLCERTMODE", "disable", "allow", "require"),
    _driver("krbsrvname", "PGKRBSRVNAME"),
    _refused("channel_binding", _NO_CHANNEL_BINDING, "PGCHANNELBINDING", _DEMAND, ("disable", "prefer")),
    _refused("gssencmode", _NO_GSS_ENCRYPTION, "PGGSSENCMODE", _DEMAND, ("disable", "prefer")),
    _refused("min_protocol_version", _NO_PROTOCOL, "PGMINPROTOCOLVERSION", _PROTOCOLS, ("3.0",)),
    _refused(
        "replication",
        "a monitor needs an ordinary session; --door walsender is the way in when no slot is left",
        None,
        (),
        ("0", "false", "no", "off"),
    ),
    _refused("scram_client_key", _NO_SCRAM_KEYS, None, (), ()),
    _refused("scram_server_key", _NO_SCRAM_KEYS, None, (), ()),
    _dropped("application_name", _OUR_NAME, "PGAPPNAME"),
    _dropped("fallback_application_name"),
    _dropped("client_encoding", "texts are always read as UTF-8", "PGCLIENTENCODING", harmless=("auto",)),
    _dropped("max_protocol_version", "", "PGMAXPROTOCOLVERSION", *_PROTOCOLS),
    _dropped("sslcompression", "TLS compression is never used", "PGSSLCOMPRESSION", harmless=("0",)),
    _dropped("sslkeylogfile", "the keys of a TLS session are never written to a file"),
    _dropped("gsslib", "", "PGGSSLIB"),
    _dropped("gssdelegation", "the driver does not delegate credentials", "PGGSSDELEGATION", "0", "1", harmless=("0",)),
    _dropped("oauth_issuer", _NO_OAUTH),
    _dropped("oauth_client_id", _NO_OAUTH),
    _dropped("oauth_client_secret", _NO_OAUTH),
    _dropped("oauth_scope", _NO_OAUTH),
)

KEYWORDS = MappingProxyType({keyword.name: keyword for keyword in _TABLE})

#: Variables that libpq turns into settings of the session; how times and plans are shown has no meaning here.
DROPPED_VARIABLES = ("PGDATESTYLE", "PGTZ", "PGGEQO")
#: Variables that are read elsewhere, or only by the server's own messages.
OTHER_VARIABLES = ("PGREQUIRESSL", "PGSYSCONFDIR", "PGLOCALEDIR")
