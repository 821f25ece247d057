"""TLS_CASES: every mode against servers with and without it, certificates, keys and lists of revoked ones."""

from __future__ import annotations

from tests.support.psql.case import PLAIN, SOCKET, TLS, case

STRICTER = "refused with the reason: it can't be met"
A_NAMED_LIST = "a list of revoked certificates that was named and is not there is an error; libpq goes on without it"

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ROOT = "sslrootcert={home}/ca.crt"
_CERTIFIED = "host=localhost port={tls} user=certified dbname=postgres"
_CLIENT = "sslcert={home}/client.crt sslkey={home}/client.key"

TLS_CASES = (
    *(case("sslmode", f"{TLS} sslmode={mode} {_ROOT}") for mode in _MODES),
    *(case("sslmode", f"{TLS} sslmode={mode}") for mode in _MODES),
    *(case("sslmode", f"{TLS} sslmode={mode} sslrootcert={{home}}/other.crt") for mode in _MODES),
    *(case("sslmode", f"{PLAIN} sslmode={mode}") for mode in _MODES),
    *(
        case("sslmode", f"host=localhost port={{tls}} dbname=postgres user={user} sslmode={mode}")
        for user in ("with_tls", "without_tls")
        for mode in _MODES[:4]
    ),
    case("sslmode", f"{SOCKET} sslmode=require"),
    case("sslmode", f"{TLS} sslmode=sometimes"),
    case("sslmode", f"host=127.0.0.1 port={{tls}} user=postgres dbname=postgres sslmode=verify-full {_ROOT}"),
    case("sslmode", f"host=127.0.0.1 port={{tls}} user=postgres dbname=postgres sslmode=verify-ca {_ROOT}"),
    case("sslmode", f"{TLS} hostaddr=127.0.0.1 sslmode=verify-full {_ROOT}"),
    case("sslmode", f"hostaddr=127.0.0.1 port={{tls}} user=postgres dbname=postgres sslmode=verify-full {_ROOT}"),
    case("PGSSLMODE", TLS, PGSSLMODE="require"),
    case("PGSSLMODE", f"{TLS} sslmode=disable", PGSSLMODE="require"),
    case("PGREQUIRESSL", PLAIN, PGREQUIRESSL="1"),
    *(
        case("sslmode", f"host=127.0.0.1 port={{{what}}} user=u dbname=d")
        for what in ("web", "shell", "shut", "broken")
    ),
    *(case("sslmode", f"host=127.0.0.1 port={{{what}}} user=u dbname=d sslmode=require") for what in ("web", "broken")),
    case("sslrootcert", f"{TLS} sslmode=verify-ca sslrootcert={{home}}/missing"),
    case("sslrootcert", f"{TLS} sslmode=require sslrootcert={{home}}/missing"),
    case("sslrootcert", f"{TLS} sslmode=require sslrootcert={{home}}/client.key"),
    case("sslrootcert", f"{TLS} sslrootcert=system"),
    case("sslrootcert", f"{TLS} sslmode=require sslrootcert=system"),
    case("sslrootcert", f"{TLS} sslmode=verify-full", HOME="{home}/trusting"),
    case("sslrootcert", f"{TLS} sslmode=require", HOME="{home}/mistrusting"),
    case("sslrootcert", f"{TLS} sslmode=prefer", HOME="{home}/mistrusting"),
    case("PGSSLROOTCERT", f"{TLS} sslmode=verify-full", PGSSLROOTCERT="{home}/ca.crt"),
    case("sslcert", f"{_CERTIFIED} {_CLIENT}"),
    case("sslcert", f"{_CERTIFIED} sslcert={{home}}/missing"),
    case("sslcert", f"{TLS} sslcert={{home}}/missing"),
    case("sslcert", f"{TLS} sslcert={{home}}/client.crt"),
    case("sslcert", f"{_CERTIFIED}", HOME="{home}/certified"),
    case("PGSSLCERT", f"{_CERTIFIED} sslkey={{home}}/client.key", PGSSLCERT="{home}/client.crt"),
    case("sslkey", f"{_CERTIFIED} sslcert={{home}}/client.crt sslkey={{home}}/open.key"),
    case("sslkey", f"{_CERTIFIED} sslcert={{home}}/client.crt sslkey={{home}}/group.key"),
    case("sslkey", f"{_CERTIFIED} sslcert={{home}}/client.crt sslkey={{home}}/missing"),
    case("sslkey", f"{_CERTIFIED} sslcert={{home}}/client.crt sslkey={{home}}/other.key"),
    case("PGSSLKEY", f"{_CERTIFIED} sslcert={{home}}/client.crt", PGSSLKEY="{home}/client.key"),
    case("sslpassword", f"{_CERTIFIED} sslcert={{home}}/client.crt sslkey={{home}}/locked.key sslpassword=hunter2"),
    case("sslpassword", f"{_CERTIFIED} sslcert={{home}}/client.crt sslkey={{home}}/locked.key sslpassword=wrong"),
    case("sslcertmode", f"{_CERTIFIED} {_CLIENT} sslcertmode=disable"),
    case("sslcertmode", f"{_CERTIFIED} {_CLIENT} sslcertmode=allow"),
    case("sslcertmode", f"{_CERTIFIED} {_CLIENT} sslcertmode=require", STRICTER),
    case("PGSSLCERTMODE", f"{_CERTIFIED} {_CLIENT}", PGSSLCERTMODE="disable"),
    case("sslcrl", f"{TLS} sslmode=verify-ca {_ROOT} sslcrl={{home}}/none.crl"),
    case("sslcrl", f"{TLS} sslmode=verify-ca {_ROOT} sslcrl={{home}}/revoked.crl"),
    case("sslcrl", f"{TLS} sslmode=verify-ca {_ROOT} sslcrl={{home}}/missing", A_NAMED_LIST),
    case("sslcrl", f"{TLS} sslmode=verify-ca", HOME="{home}/revoking"),
    case("PGSSLCRL", f"{TLS} sslmode=verify-ca {_ROOT}", PGSSLCRL="{home}/revoked.crl"),
    case("sslcrldir", f"{TLS} sslmode=verify-ca {_ROOT} sslcrldir={{home}}/lists"),
    case("PGSSLCRLDIR", f"{TLS} sslmode=verify-ca {_ROOT}", PGSSLCRLDIR="{home}/lists"),
    case("sslsni", f"{TLS} sslmode=require sslsni=0"),
    case("sslsni", f"{TLS} sslmode=verify-full {_ROOT} sslsni=0", STRICTER),
    case("sslsni", f"{TLS} sslsni=2", "0 and 1 are its values; libpq takes any other word for 1"),
    case("PGSSLSNI", TLS, PGSSLSNI="0"),
    case("sslnegotiation", f"{TLS} sslmode=require sslnegotiation=direct"),
    case("sslnegotiation", f"{TLS} sslnegotiation=direct"),
    case("sslnegotiation", f"{PLAIN} sslmode=require sslnegotiation=direct"),
    case("PGSSLNEGOTIATION", f"{TLS} sslmode=require", PGSSLNEGOTIATION="direct"),
    case("ssl_min_protocol_version", f"{TLS} sslmode=require ssl_min_protocol_version=TLSv1.3"),
    case("ssl_min_protocol_version", f"{TLS} sslmode=require ssl_min_protocol_version=SSLv3"),
    case("PGSSLMINPROTOCOLVERSION", f"{TLS} sslmode=require", PGSSLMINPROTOCOLVERSION="tlsv1.3"),
    case("ssl_max_protocol_version", f"{TLS} sslmode=require ssl_max_protocol_version=TLSv1.2"),
    case("ssl_max_protocol_version", f"{TLS} ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2"),
    case("PGSSLMAXPROTOCOLVERSION", f"{TLS} sslmode=require", PGSSLMAXPROTOCOLVERSION="TLSv1.2"),
    case("sslcompression", f"{TLS} sslcompression=1"),
    case("PGSSLCOMPRESSION", TLS, PGSSLCOMPRESSION="1"),
    case("sslkeylogfile", f"{TLS} sslkeylogfile={{home}}/keys"),
)
