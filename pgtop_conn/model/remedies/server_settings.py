"""Settings worth changing: what each should be, what it is now and for whom, and the statement that changes it here.

Add a setting: one entry in TUNINGS. Values are written so that the server shows them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.findings import Case, Effect, Remedy, RemedyKind
from pgtop_conn.model.labels.providers import provider_named
from pgtop_conn.model.lazy_regex import later
from pgtop_conn.model.quoting import identifier, literal, shown
from pgtop_conn.model.remedies.pools import untouchable


@dataclass(frozen=True, slots=True)
class Tuning:
    """One setting. `unit` is what pg_settings counts it in; `low` to `high` is what counts as set sensibly."""

    name: str
    #: Major version that has it first.
    since: int
    value: str
    unit: str
    low: float
    high: float
    why: str
    effect: Effect = Effect.RELOAD
    #: Any user may set it, so a role or a database can have its own value.
    user: bool = True
    #: Providers that keep it at one value.
    fixed: tuple[str, ...] = ()

    def sensible(self, value: float | None) -> bool:
        return value is not None and self.low <= value <= self.high


_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_NUMBER = later(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*")

TUNINGS: Mapping[str, Tuning] = {
    tuning.name: tuning
    for tuning in (
        Tuning(
            "idle_in_transaction_session_timeout",
            13,
            "5min",
            "ms",
            1,
            1_800_000,
            "ends a session that sits in an open transaction, which keeps its locks and holds back vacuum",
        ),
        Tuning(
            "idle_session_timeout",
            14,
            "30min",
            "ms",
            1,
            14_400_000,
            "ends a session that is idle outside a transaction; a pool must cope with sessions that are gone"
            " (test them before use, or retire them sooner)",
        ),
        Tuning(
            "transaction_timeout",
            17,
            "30min",
            "ms",
            1,
            14_400_000,
            "ends a session whose transaction is open that long, busy or not; jobs and dumps need a longer one",
        ),
        Tuning(
            "statement_timeout",
            13,
            "1min",
            "ms",
            1,
            1_800_000,
            "cancels a statement that runs longer; set it for the application's role, not for dumps and jobs",
        ),
        Tuning(
            "lock_timeout",
            13,
            "10s",
            "ms",
            1,
            300_000,
            "lets a statement give up waiting for a lock, so that a queue behind one session does not take every slot",
        ),
        Tuning(
            "tcp_keepalives_idle",
            13,
            "60",
            "s",
            1,
            300,
            "asks a silent client after 60 s whether it is still there; the system's own 2 hours keep the slots of"
            " clients that vanished",
        ),
        Tuning("tcp_keepalives_interval", 13, "10", "s", 1, 30, "asks again every 10 s"),
        Tuning("tcp_keepalives_count", 13, "6", "", 1, 8, "gives the client up after 6 questions: 60 + 6 × 10 = 120 s"),
        Tuning(
            "tcp_user_timeout",
            13,
            "120000",
            "ms",
            1,
            900_000,
            "gives up a client that does not acknowledge what it is sent for 120 s, which keepalives do not see",
        ),
        Tuning(
            "client_connection_check_interval",
            14,
            "10s",
            "ms",
            1,
            60_000,
            "looks every 10 s during a long query whether its client is still connected, and ends it if not",
            fixed=("Azure",),
        ),
        Tuning(
            "authentication_timeout",
            13,
            "15s",
            "s",
            1,
            30,
            "takes the slot of a login that does not finish back after 15 s",
            user=False,
        ),
        Tuning(
            "wal_sender_timeout",
            13,
            "1min",
            "ms",
            1,
            300_000,
            "ends a walsender whose standby is silent for that long",
            user=False,
        ),
        Tuning("log_connections", 13, "on", "", 1, 1, "lets the log tell who connects how often", user=False),
        Tuning("log_disconnections", 13, "on", "", 1, 1, "lets the log tell how long each session lived", user=False),
    )
}
#: log_connections takes the steps of a login since 18.
LOG_CONNECTIONS_18 = "receipt,authentication,authorization"
_OFF = frozenset({"off", "", "0", "false", "no"})
#: Where a value stands that says nothing of what others have: that of our own session, role or database.
_OURS = frozenset({"session", "client", "user", "database", "database user", "global"})


def number_of(text: str, unit: str) -> float | None:
    """A value as ALTER ROLE … SET keeps it ("5min", "300000"), in `unit` ("ms", "s"); switches are 1 and 0.

    >>> number_of("5min", "ms"), number_of("90", "s"), number_of("off", "")
    (300000.0, 90.0, 0.0)
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return 0.0 if text.strip().lower() in _OFF else 1.0
    if match[2] and unit:
        factor = _MS.get(match[2])
        return None if factor is None else float(match[1]) * factor / _MS[unit]
    return float(match[1])


def exists(case: Case, tuning: Tuning) -> bool:
    """Whether this server has the setting, and it may be changed there."""
    server, settings = case.snapshot.server, case.facts.settings
    if server.version_num // 10_000 < tuning.since or any(name in (server.provider or "") for name in tuning.fixed):
        return False
    setting = settings.get(tuning.name)
    return setting is None or setting.context != "internal"


def value_for(case: Case, tuning: Tuning, value: str) -> str:
    """The value as this version writes it."""
    if tuning.name == "log_connections" and case.snapshot.server.version_num >= 180_000:
        return LOG_CONNECTIONS_18
    return value


def server_value(case: Case, tuning: Tuning) -> tuple[float | None, str]:
    """The value in force for all, in the setting's unit, and in words; None where it is not known."""
    setting = case.facts.settings.get(tuning.name)
    if setting is None:
        return None, "its value now was not read"
    if setting.source in _OURS:
        return None, "its value for others is not known, since our own role or database has one"
    kept = number_of(setting.value, tuning.unit)
    # Over a Unix socket the server shows 0 for what belongs to TCP, whatever is configured.
    if tuning.name.startswith("tcp_") and case.snapshot.server.is_unix_socket and not kept:
        return (None, "now the system's own") if setting.source == "default" else (tuning.low, "configured")
    never = ", which is never" if kept == 0 and tuning.unit else ""
    return kept, f"now {setting.shown or setting.value}{never}"


def overridden(case: Case, tuning: Tuning) -> str:
    """Who has a value of their own, as the end of a sentence; '' where nobody has."""
    own = [one for one in case.facts.overrides if one.name == tuning.name and (one.role or one.database)]
    if not own:
        return ""
    named = [f"{_whose(one.role, one.database)} ({one.value})" for one in own[:5]]
    rest = f" and {len(own) - 5} others" if len(own) > 5 else ""
    return f"; it does not reach those with their own value: {', '.join(named)}{rest}"


def _whose(role: str, database: str) -> str:
    if not role:
        return f"database {shown(database)}"
    return f"role {shown(role)}" + (f" in database {shown(database)}" if database else "")


def server_wide(
    case: Case, name: str, *, roles: Sequence[str] = (), value: str | None = None, because: str = ""
) -> tuple[Remedy, ...]:
    """Set it for everybody, unless it is; on a managed service for `roles` or the database, or by its console."""
    tuning = TUNINGS[name]
    current, words = server_value(case, tuning)
    if not exists(case, tuning) or tuning.sensible(current):
        return ()
    wanted = value_for(case, tuning, value or tuning.value)
    if case.snapshot.server.provider and tuning.user and roles:
        return tuple(remedy for role in roles for remedy in for_role(case, name, role, value=value, because=because))
    if case.snapshot.server.provider and tuning.user and case.snapshot.server.database:
        return _for_database(case, tuning, wanted, because)
    why = f"{tuning.why}{_and(because)}; {words}{overridden(case, tuning)}"
    return (alter_system(case, name, wanted, tuning.effect, why),)


def for_role(
    case: Case, name: str, role: str, database: str = "", *, value: str | None = None, because: str = ""
) -> tuple[Remedy, ...]:
    """Set it for one role, unless what holds for it is sensible; `database` is where its sessions are."""
    tuning = TUNINGS[name]
    current, words, narrow = _in_force(case, tuning, role, database)
    if not exists(case, tuning) or tuning.sensible(current) or untouchable(case, role):
        return ()
    wanted = value or tuning.value
    why = f"{tuning.why}{_and(because)}; {words}"
    where = f" IN DATABASE {identifier(database)}" if narrow else ""
    assignment = f"SET {name} = {literal(wanted)};"
    if narrow and identifier(database) is None:
        return (untypable(case, "database", database, why),)
    return (alter_role(case, role, f"{where} {assignment}".strip(), why),)


def _in_force(case: Case, tuning: Tuning, role: str, database: str) -> tuple[float | None, str, bool]:
    """What a new session of the role gets, in words, and whether its own setting for one database decides it."""
    own = {(one.role, one.database): one.value for one in case.facts.overrides if one.name == tuning.name}
    for whose in ((role, database), (role, ""), ("", database)):
        if whose in own:
            value = own[whose]
            return number_of(value, tuning.unit), f"now {value}, set for {_whose(*whose)}", bool(all(whose))
    if ("", "") in own:
        return number_of(own["", ""], tuning.unit), f"now {own['', '']}, set for all roles", False
    return *server_value(case, tuning), False


def _for_database(case: Case, tuning: Tuning, wanted: str, because: str) -> tuple[Remedy, ...]:
    database = case.snapshot.server.database
    current, words, _ = _in_force(case, tuning, "", database)
    if tuning.sensible(current):
        return ()
    why = f"{tuning.why}{_and(because)}; {words}{overridden(case, tuning)}"
    return (alter_database(case, database, f"SET {tuning.name} = {literal(wanted)};", why),)


def _and(because: str) -> str:
    return f"; {because}" if because else ""


def alter_role(case: Case, role: str, change: str, why: str) -> Remedy:
    """ALTER ROLE … `change`; takes effect for new sessions."""
    quoted = identifier(role)
    if quoted is None:
        return untypable(case, "role", role, why, change)
    return Remedy(RemedyKind.SQL, f"ALTER ROLE {quoted} {change}", Effect.NEW_SESSIONS, why + on_primary(case))


def alter_database(case: Case, database: str, change: str, why: str) -> Remedy:
    """ALTER DATABASE … `change`; takes effect for new sessions."""
    quoted = identifier(database)
    if quoted is None:
        return untypable(case, "database", database, why, change)
    return Remedy(RemedyKind.SQL, f"ALTER DATABASE {quoted} {change}", Effect.NEW_SESSIONS, why + on_primary(case))


def on_primary(case: Case) -> str:
    """What is kept in the catalogs is changed on the primary only."""
    return ". This server is a standby: run it on the primary" if case.snapshot.server.in_recovery else ""


def untypable(case: Case, kind: str, name: str, why: str, change: str = "") -> Remedy:
    """What to do about a name that can't be typed: by its oid, which is plain."""
    known = case.snapshot.roles if kind == "role" else case.snapshot.databases
    oids = [oid for oid, one in known.items() if one.name == name]
    text = f"The name of {kind} {shown(name)} holds characters that can't be typed, so there is no statement to copy"
    if len(oids) == 1:
        catalog, column = ("pg_roles", "rolname") if kind == "role" else ("pg_database", "datname")
        text += f"; its oid is {oids[0]}"
        if change:
            by_oid = f"SELECT format({literal(f'ALTER {kind.upper()} %I {change}')}, {column})"
            text += f". In psql: {by_oid} FROM {catalog} WHERE oid = {oids[0]} \\gexec"
    return Remedy(RemedyKind.STEP, text, Effect.NEW_SESSIONS, why + on_primary(case))


def alter_system(case: Case, name: str, value: str, effect: Effect, why: str) -> Remedy:
    """ALTER SYSTEM, or where else the setting is changed: a provider's console, the file, the command line."""
    server, settings = case.snapshot.server, case.facts.settings
    if server.provider:
        provider = provider_named(server.provider)
        place = provider.settings_place if provider is not None else "the provider's console"
        text = f"Set {name} = {value} in {place} ({server.provider} has no ALTER SYSTEM)"
        return Remedy(RemedyKind.STEP, text, effect, why)
    setting, allowed = settings.get(name), settings.get("allow_alter_system")
    if setting is not None and setting.source == "command line":
        text = f"Set {name} = {value} where the server is started: its command line holds {setting.shown} and wins"
        return Remedy(RemedyKind.STEP, text, Effect.RESTART, why)
    if allowed is not None and allowed.value == "off":
        text = f"Set {name} = {literal(value)} in postgresql.conf: allow_alter_system is off here"
        return Remedy(RemedyKind.STEP, text, effect, why)
    who = "" if server.superuser else f". Role {shown(server.role)} is no superuser: one has to run it"
    waiting = ""
    if setting is not None and setting.pending_restart:
        waiting = "; a change of it already waits for a restart"
    return Remedy(RemedyKind.SQL, f"ALTER SYSTEM SET {name} = {literal(value)};", effect, why + waiting + who)


RELOAD = Remedy(
    RemedyKind.SQL,
    "SELECT pg_reload_conf();",
    Effect.RELOAD,
    "reads the settings above that take effect by a reload; a statement of its own, since ALTER SYSTEM can't be in a"
    " transaction",
)
RESTART = Remedy(
    RemedyKind.STEP,
    "Restart the server at a quiet moment; a restart ends every session",
    Effect.RESTART,
    "the settings above marked restart wait for it (pg_settings.pending_restart)",
)


def applied(remedies: Sequence[Remedy]) -> tuple[Remedy, ...]:
    """The remedies, and behind the last change of the server's settings what makes it effective."""
    listed = list(dict.fromkeys(remedies))
    system = [index for index, one in enumerate(listed) if one.text.startswith("ALTER SYSTEM")]
    reloaded = any(listed[index].takes_effect is Effect.RELOAD for index in system)
    restarted = any(listed[index].takes_effect is Effect.RESTART for index in system)
    if system:
        at = system[-1] + 1
        listed[at:at] = [RELOAD] * reloaded + [RESTART] * restarted
    return tuple(listed)
