"""CASES: a line or more for every keyword and every variable of libpq. Add one: a line."""

from __future__ import annotations

from tests.support.psql.case import PLAIN, SOCKET, TLS, case

NEWER = "psql 18 does not know this keyword of libpq 19"
LENIENT = "an empty variable is as good as none; libpq refuses the empty word"
NO_MEANING = "left out with a note: a monitor gets in where psql stops at a setting of the display"
PASTED = "pasted from another program: read in libpq's words, or left out with a note"
STRICTER = "refused with the reason: it can't be met"

_HERE = {"PGHOST": "localhost", "PGPORT": "{tls}", "PGUSER": "postgres", "PGDATABASE": "postgres"}
_SCRAM = "host=localhost port={tls} user=scrammed dbname=postgres"
_MD5 = "host=localhost port={tls} user=hashed dbname=postgres"

WHERE = (
    case("host", TLS),
    case("host", SOCKET),
    case("host", "host=127.0.0.1,localhost port={nobody},{tls} user=postgres dbname=postgres"),
    case("host", "host=no-such-host.invalid,localhost port={tls} user=postgres dbname=postgres"),
    case("host", "host=no-such-host.invalid port={tls} user=postgres dbname=postgres"),
    case("host", "host=@{abstract} port={tls} user=postgres dbname=postgres"),
    case("PGHOST", "port={tls} user=postgres dbname=postgres", PGHOST="localhost"),
    case("hostaddr", f"{TLS} hostaddr=127.0.0.1"),
    case("hostaddr", "host=no-such-host.invalid hostaddr=127.0.0.1 port={tls} user=postgres dbname=postgres"),
    case("hostaddr", f"{TLS} hostaddr=localhost"),
    case("hostaddr", f"{TLS} hostaddr=127.0.0.1,127.0.0.1"),
    case("PGHOSTADDR", "user=postgres dbname=postgres port={tls}", PGHOSTADDR="127.0.0.1"),
    case("port", "host=localhost port={nobody} user=postgres dbname=postgres"),
    case("port", "host=localhost port=65536 user=postgres dbname=postgres"),
    case("port", "host=localhost port=1,2 user=postgres dbname=postgres"),
    case("PGPORT", "host=localhost user=postgres dbname=postgres", PGPORT="{tls}"),
    case("user", "host=localhost port={tls} user=certified dbname=postgres"),
    case("user", "host=localhost port={tls} user=no_such_role dbname=postgres"),
    case("PGUSER", "host=localhost port={tls} dbname=postgres", PGUSER="postgres"),
    case("dbname", "host=localhost port={tls} user=postgres dbname=template1"),
    case("dbname", "host=localhost port={tls} user=postgres"),
    case("dbname", "host=localhost port={tls} user=postgres dbname=no_such_database"),
    case("dbname", "postgres", **_HERE),
    case("PGDATABASE", "host=localhost port={tls} user=postgres", PGDATABASE="template1"),
    case("load_balance_hosts", f"{TLS} load_balance_hosts=random"),
    case("load_balance_hosts", f"{TLS} load_balance_hosts=sometimes"),
    case("PGLOADBALANCEHOSTS", TLS, PGLOADBALANCEHOSTS="random"),
    *(
        case("target_session_attrs", f"{TLS} target_session_attrs={wanted}")
        for wanted in ("any", "read-write", "read-only", "primary", "standby", "prefer-standby", "best")
    ),
    case("PGTARGETSESSIONATTRS", TLS, PGTARGETSESSIONATTRS="standby"),
    case("PGTARGETSESSIONATTRS", TLS, LENIENT, PGTARGETSESSIONATTRS=""),
    case("uri", "postgresql://postgres@localhost:{tls}/postgres"),
    case("uri", "postgres://postgres@127.0.0.1:{nobody},localhost:{tls}/postgres?sslmode=require"),
    case("uri", "postgresql:///postgres?host={sockets}&port={tls}&user=postgres"),
    case("uri", "postgresql://postgres@localhost:{tls}/postgres?ssl=true"),
    case("uri", "postgresql://scrammed:hun%74er2@localhost:{tls}/postgres"),
    case("uri", "postgresql://localhost:{tls}/%zz"),
)

WHO = (
    case("password", f"{_SCRAM} password=hunter2"),
    case("password", f"{_SCRAM} password=wrong"),
    case("password", _SCRAM),
    case("PGPASSWORD", _SCRAM, PGPASSWORD="hunter2"),
    case("PGPASSWORD", f"{_SCRAM} password=wrong", PGPASSWORD="hunter2"),
    case("passfile", f"{_SCRAM} passfile={{home}}/passes"),
    case("passfile", f"{_SCRAM} passfile={{home}}/open"),
    case("passfile", f"{_SCRAM} passfile={{home}}/missing"),
    case("PGPASSFILE", _SCRAM, PGPASSFILE="{home}/passes"),
    case("passfile", "host=127.0.0.1 port={tls} user=scrammed dbname=postgres passfile={home}/passes"),
    case("require_auth", f"{_SCRAM} password=hunter2 require_auth=scram-sha-256"),
    case("require_auth", f"{_SCRAM} password=hunter2 require_auth=md5"),
    case("require_auth", f"{_SCRAM} password=hunter2 require_auth=!scram-sha-256"),
    case("require_auth", f"{_MD5} password=hunter2 require_auth=md5"),
    case("require_auth", f"{_MD5} password=hunter2 require_auth=scram-sha-256,none"),
    case("require_auth", f"{TLS} require_auth=none"),
    case("require_auth", f"{TLS} require_auth=scram-sha-256"),
    case("require_auth", f"{TLS} require_auth=md5,!gss"),
    case("require_auth", f"{TLS} require_auth=other"),
    case("PGREQUIREAUTH", f"{_MD5} password=hunter2", PGREQUIREAUTH="!md5"),
    case("requirepeer", f"{SOCKET} requirepeer={{server_user}}"),
    case("requirepeer", f"{SOCKET} requirepeer=daemon"),
    case("requirepeer", f"{TLS} requirepeer=daemon"),
    case("PGREQUIREPEER", SOCKET, PGREQUIREPEER="daemon"),
    case("channel_binding", f"{TLS} channel_binding=prefer"),
    case("channel_binding", f"{_SCRAM} password=hunter2 channel_binding=disable"),
    case("channel_binding", f"{_SCRAM} password=hunter2 channel_binding=require", STRICTER),
    case("PGCHANNELBINDING", f"{_SCRAM} password=hunter2", STRICTER, PGCHANNELBINDING="require"),
    case("scram_client_key", f"{_SCRAM} scram_client_key={{key}} scram_server_key={{key}}"),
    case("scram_server_key", f"{TLS} scram_server_key={{key}}", STRICTER),
    case("krbsrvname", f"{TLS} krbsrvname=other"),
    case("PGKRBSRVNAME", TLS, PGKRBSRVNAME="other"),
    case("gsslib", f"{TLS} gsslib=gssapi"),
    case("PGGSSLIB", TLS, PGGSSLIB="gssapi"),
    case("gssencmode", f"{TLS} gssencmode=prefer"),
    case("gssencmode", f"{TLS} gssencmode=require"),
    case("PGGSSENCMODE", TLS, PGGSSENCMODE="require"),
    case("gssdelegation", f"{TLS} gssdelegation=1"),
    case("PGGSSDELEGATION", TLS, PGGSSDELEGATION="1"),
    *(
        case(f"oauth_{name}", f"{TLS} oauth_{name}=https://example.invalid")
        for name in ("issuer", "client_id", "client_secret", "scope")
    ),
)

SESSION = (
    case("options", f"{TLS} options='-c geqo_threshold=77'"),
    case("options", f"{TLS} options='-c no_such_setting=1'"),
    case("PGOPTIONS", TLS, PGOPTIONS="-c geqo_threshold=78"),
    case("application_name", f"{TLS} application_name=other"),
    case("PGAPPNAME", TLS, PGAPPNAME="other"),
    case("fallback_application_name", f"{TLS} fallback_application_name=other"),
    case("client_encoding", f"{TLS} client_encoding=LATIN1"),
    case("client_encoding", f"{TLS} client_encoding=KLINGON", NO_MEANING),
    case("PGCLIENTENCODING", TLS, PGCLIENTENCODING="LATIN1"),
    case("PGTZ", TLS, PGTZ="Europe/Berlin"),
    case("PGTZ", TLS, NO_MEANING, PGTZ="Mars/Olympus"),
    case("PGDATESTYLE", TLS, PGDATESTYLE="ISO, DMY"),
    case("PGDATESTYLE", TLS, NO_MEANING, PGDATESTYLE="Stardate"),
    case("PGGEQO", TLS, PGGEQO="off"),
    case("PGLOCALEDIR", TLS, PGLOCALEDIR="/nowhere"),
    case("replication", f"{TLS} replication=false"),
    case("replication", f"{TLS} replication=database", "an ordinary session is needed; --door walsender is the way in"),
    case("replication", f"{TLS} replication=perhaps"),
    case("connect_timeout", f"{TLS} connect_timeout=3"),
    case("connect_timeout", f"{TLS} connect_timeout=soon"),
    case("PGCONNECT_TIMEOUT", "host=127.0.0.1 port={silent} user=u dbname=d sslmode=disable", PGCONNECT_TIMEOUT="1"),
    *(
        case(name, f"{TLS} {name}={value}")
        for name in ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
        for value in ("1", "x")
    ),
    case("min_protocol_version", f"{PLAIN} min_protocol_version=3.0"),
    case("min_protocol_version", f"{PLAIN} min_protocol_version=3.2 max_protocol_version=3.2", STRICTER),
    case("PGMINPROTOCOLVERSION", TLS, PGMINPROTOCOLVERSION="3.0"),
    case("max_protocol_version", f"{PLAIN} max_protocol_version=3.2"),
    case("max_protocol_version", f"{PLAIN} max_protocol_version=4"),
    case("PGMAXPROTOCOLVERSION", TLS, PGMAXPROTOCOLVERSION="latest"),
)

SERVICES = (
    case("service", "service=here", PGSERVICEFILE="{home}/services"),
    case("service", "service=here dbname=template1", PGSERVICEFILE="{home}/services"),
    case("service", "service=here", PGSERVICEFILE="{home}/services", PGDATABASE="template1"),
    case("service", "service=missing", PGSERVICEFILE="{home}/services"),
    case("service", "service=blanks", PGSERVICEFILE="{home}/services"),
    case("service", "service=nested", PGSERVICEFILE="{home}/services"),
    case("service", "service=colour", PGSERVICEFILE="{home}/services"),
    case("service", "service=directory", PGSERVICEFILE="{home}/services"),
    case("service", "service=twice", PGSERVICEFILE="{home}/services"),
    case("service", "postgresql://?service=here", PGSERVICEFILE="{home}/services"),
    case("PGSERVICE", PGSERVICE="here", PGSERVICEFILE="{home}/services"),
    case("PGSERVICEFILE", "service=here", PGSERVICEFILE="{home}/missing"),
    case("PGSERVICEFILE", "service=own"),
    case("PGSYSCONFDIR", "service=shared", PGSYSCONFDIR="{home}/system"),
    case("PGSYSCONFDIR", "service=own", PGSYSCONFDIR="{home}/system"),
    case("servicefile", "service=here servicefile={home}/services", NEWER),
)

PASTED_CASES = (
    *(
        case("pasted", f"postgresql://postgres@localhost:{{tls}}/postgres?{words}", PASTED)
        for words in (
            "pgbouncer=true&connection_limit=1",
            "sslmode=no-verify",
            "uselibpqcompat=true&sslmode=require",
            "ssl=1",
            "pool=5&reaping_frequency=10&prepared_statements=false&encoding=utf8",
            "pool_max_conns=10&default_query_exec_mode=simple_protocol",
            "schema=public&sslaccept=accept_invalid_certs&pool_timeout=0",
        )
    ),
    case("pasted", "jdbc:postgresql://localhost:{tls}/postgres?user=postgres&prepareThreshold=0", PASTED),
    case("pasted", "postgresql+psycopg2://postgres@localhost:{tls}/postgres", PASTED),
    case("pasted", "postgresql://postgres@localhost:{tls}/postgres?colour=red"),
    case("pasted", "postgresql://postgres@localhost:{tls}/postgres?sslmode=require&channel_binding=require"),
    case("pasted", f"{PLAIN} colour=red"),
)
