"""Every keyword of a libpq conninfo and how it is treated here. Add one: a line in KEYWORDS.

Source: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS and libpq-envars.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Use(StrEnum):
    """What becomes of a keyword's value."""

    #: Read by resolve() itself.
    RESOLVED = "resolved"
    #: Handed to the driver under the same name.
    DRIVER = "driver"
    #: Has no meaning for a monitor, or is ours to set; ignored.
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
    #: REFUSED only: values that demand nothing (an empty one never does), and why others are refused.
    harmless: tuple[str, ...] = ()
    why: str = ""


def _resolved(name: str, env: str | None = None, *values: str) -> Keyword:
    return Keyword(name, Use.RESOLVED, env, values)


def _driver(name: str, env: str | None = None, *values: str) -> Keyword:
    return Keyword(name, Use.DRIVER, env, values)


def _dropped(name: str, env: str | None = None) -> Keyword:
    return Keyword(name, Use.DROPPED, env)


def _refused(name: str, why: str, env: str | None = None, harmless: tuple[str, ...] = ()) -> Keyword:
    return Keyword(name, Use.REFUSED, env, harmless=harmless, why=why)


_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_NO_CHANNEL_BINDING = "the driver has no channel binding"
_NO_SCRAM_KEYS = "the driver logs in with a password, not with SCRAM keys"

_TABLE = (
    _resolved("host", "PGHOST"),
    _resolved("hostaddr", "PGHOSTADDR"),
    _resolved("port", "PGPORT"),
    _resolved("user", "PGUSER"),
    _resolved("dbname", "PGDATABASE"),
    _resolved("password", "PGPASSWORD"),
    _resolved("passfile", "PGPASSFILE"),
    _resolved("connect_timeout", "PGCONNECT_TIMEOUT"),
    _resolved("sslmode", "PGSSLMODE", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    _resolved(
        "target_session_attrs",
        "PGTARGETSESSIONATTRS",
        *("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    ),
    _driver("sslcert", "PGSSLCERT"),
    _driver("sslkey", "PGSSLKEY"),
    _driver("sslpassword"),
    _driver("sslrootcert", "PGSSLROOTCERT"),
    _driver("sslcrl", "PGSSLCRL"),
    _driver("sslnegotiation", "PGSSLNEGOTIATION", "postgres", "direct"),
    _driver("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", *_TLS_VERSIONS),
    _driver("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", *_TLS_VERSIONS),
    _driver("krbsrvname", "PGKRBSRVNAME"),
    _driver("gsslib", "PGGSSLIB", "gssapi"),
    _refused("channel_binding", _NO_CHANNEL_BINDING, "PGCHANNELBINDING", ("disable", "prefer")),
    _refused("require_auth", "the driver cannot restrict how it authenticates", "PGREQUIREAUTH"),
    _refused("gssencmode", "the driver has no GSSAPI encryption", "PGGSSENCMODE", ("disable", "prefer")),
    _refused("gssdelegation", "the driver does not delegate credentials", "PGGSSDELEGATION", ("0",)),
    _refused("requirepeer", "the driver does not check who owns the server's socket", "PGREQUIREPEER"),
    _refused("sslcertmode", "the driver cannot switch client certificates", "PGSSLCERTMODE", ("allow",)),
    _refused("sslcrldir", "the driver reads no folder of revocation lists; use sslcrl", "PGSSLCRLDIR"),
    _refused("sslsni", "the driver always names the server in the TLS handshake", "PGSSLSNI", ("1",)),
    _refused("min_protocol_version", "the driver speaks protocol 3.0", "PGMINPROTOCOLVERSION", ("3.0",)),
    _refused("replication", "a monitor needs an ordinary session", None, ("0", "false", "no", "off")),
    _refused("scram_client_key", _NO_SCRAM_KEYS),
    _refused("scram_server_key", _NO_SCRAM_KEYS),
    _refused("service", "services are not supported yet", "PGSERVICE"),
    _dropped("servicefile", "PGSERVICEFILE"),
    _dropped("application_name", "PGAPPNAME"),
    _dropped("fallback_application_name"),
    _dropped("client_encoding", "PGCLIENTENCODING"),
    _dropped("options", "PGOPTIONS"),
    _dropped("keepalives"),
    _dropped("keepalives_idle"),
    _dropped("keepalives_interval"),
    _dropped("keepalives_count"),
    _dropped("tcp_user_timeout"),
    _dropped("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    _dropped("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    _dropped("sslcompression", "PGSSLCOMPRESSION"),
    _dropped("sslkeylogfile"),
    _dropped("oauth_issuer"),
    _dropped("oauth_client_id"),
    _dropped("oauth_client_secret"),
    _dropped("oauth_scope"),
)

KEYWORDS = MappingProxyType({keyword.name: keyword for keyword in _TABLE})
