"""May this session be signalled? Add a guard: write a function that gives a reason or None, add it to GUARDS.

A guard that cannot decide asks about a single session, and refuses it in bulk. What has no identity that a signal
could be bound to, or may be a process of the server itself, it refuses. judge() is pure, so the table shows a session's
guard before any key is pressed, and the server re-checks the same facts inside the statement that signals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from pgtop_conn.model.labels.providers import INTERNAL_ROLES, REPLICATION_ROLES
from pgtop_conn.model.locks import HeldLocks
from pgtop_conn.model.signalling.busy_queries import busy_with, is_readable
from pgtop_conn.model.signalling.session_state import Hold, holds
from pgtop_conn.model.snapshot import (
    ACTIVE,
    CLIENT_BACKEND,
    DISABLED,
    FASTPATH,
    HOST_DOOR,
    IDLE_STATES,
    IN_TRANSACTION,
    OWN_APPLICATION_NAME,
    TRANSACTION_STATES,
    WALSENDER,
    Backend,
    Role,
    Server,
    Snapshot,
)
from pgtop_conn.model.source import Action

GRANT_SEE = "GRANT pg_monitor TO {role}"
GRANT_SIGNAL = "GRANT pg_signal_backend TO {role}"


class Care(IntEnum):
    """What a signal to a session takes; the highest of all guards counts."""

    ALLOW = 0
    #: A reason is shown and asked about.
    CONFIRM = 1
    #: The role's name is typed.
    TYPE_ROLE = 2
    REFUSE = 3

    @property
    def level(self) -> str:
        """allow, confirm or refuse: the words of the JSON."""
        return {Care.ALLOW: "allow", Care.REFUSE: "refuse"}.get(self, "confirm")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user allowed when the program was started; `*_roles` are fnmatch patterns from the configuration."""

    read_only: bool = False
    allow_replication: bool = False
    allow_superuser: bool = False
    protected_roles: tuple[str, ...] = ()
    replication_roles: tuple[str, ...] = ()
    #: Above so many targets, or above half of all client sessions, the count is typed.
    type_count_above: int = 20
    #: Nobody is there to answer: what would be asked about in bulk is left out, unless `include_cautioned`.
    headless: bool = False
    include_cautioned: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What the guards look at besides the row itself."""

    server: Server
    policy: Policy
    #: Whether the session's role is among those that were read; the other three are False when it is not.
    role_known: bool
    superuser: bool
    replication: bool
    usable: bool
    #: What it was seen to hold, apart from what its last statement says.
    held: HeldLocks


@dataclass(frozen=True, slots=True)
class Judgement:
    """The care one signal takes, and every reason for it, strictest first."""

    care: Care
    reasons: tuple[str, ...] = ()
    #: Names of the guards that spoke.
    names: frozenset[str] = frozenset()

    @property
    def level(self) -> str:
        return self.care.level


Test = Callable[[Backend, Context], str | None]
Grade = Callable[[Policy], Care]


@dataclass(frozen=True, slots=True)
class Guard:
    """One row of the guard table: who it is about, and what a single or a bulk signal to them takes."""

    name: str
    reason: Test
    single: Grade
    #: REFUSE in bulk means: excluded, and said.
    bulk: Grade


def _always(care: Care) -> Grade:
    return lambda _policy: care


def _own(backend: Backend, context: Context) -> str | None:
    return "this is our own session" if backend.pid == context.server.own_pid else None


def _namesake(backend: Backend, context: Context) -> str | None:
    """Anybody may take the name, so it protects from everything but a single signal that is asked about."""
    if backend.app != OWN_APPLICATION_NAME or backend.pid == context.server.own_pid:
        return None
    return "it calls itself pgtop-conn: another monitor, or an application under that name"


def _unidentified(backend: Backend, context: Context) -> str | None:
    if backend.key.backend_start is not None and not backend.hidden:
        return None
    grant = GRANT_SEE.format(role=context.server.role)
    return f"its identity and state are hidden from {context.server.role}: {grant}"


def _background(backend: Backend, _context: Context) -> str | None:
    kind = backend.backend_type
    if kind in (CLIENT_BACKEND, WALSENDER) or backend.hidden:
        return None
    if kind is None:
        return "what kind of process it is, is not known"
    if backend.query.startswith("autovacuum:") and "to prevent wraparound" in backend.query:
        return "autovacuum preventing wraparound"
    return f"not a client session but {kind}"


def _unborn(backend: Backend, _context: Context) -> str | None:
    if backend.backend_type != CLIENT_BACKEND or backend.role_oid:
        return None
    if backend.role:
        return "role and database can't be told apart in its title"
    return "still logging in: its role is not known yet"


def _unknown_role(backend: Backend, context: Context) -> str | None:
    """What a role may do is asked of it, so one that nothing is known of may be a superuser or a standby's."""
    if not backend.role_oid or context.role_known:
        return None
    return "its role is unknown or was dropped: it may have been a superuser or a standby's"


def _nameless(backend: Backend, context: Context) -> str | None:
    """A replication session is ended by its role's name, and this one has none to type."""
    if not backend.role_oid or context.role_known or not (backend.walsender or backend.backend_type == WALSENDER):
        return None
    return "replication: a walsender of a role that is unknown or was dropped"


def _unseen(backend: Backend, _context: Context) -> str | None:
    """The guards below judge by what a session does; where that is not shown they know nothing."""
    if backend.hidden or backend.by_title or backend.backend_type != CLIENT_BACKEND:
        return None
    state = backend.state
    if state == DISABLED:
        return "what it does is not shown: track_activities is off for it"
    if state == FASTPATH:
        return "it calls a function by the fast path, and which one is not shown"
    if state != ACTIVE and state not in IDLE_STATES:
        return f"what it does is not known: its state is {state or 'not shown'}"
    return (
        "the text of what it runs is not shown, or cut off"
        if state == ACTIVE and not is_readable(backend.query)
        else None
    )


def _by_title(backend: Backend, context: Context) -> str | None:
    if context.server.door != HOST_DOOR or not backend.role or context.superuser or context.replication:
        return None
    return f"the host door: a title tells neither what role {backend.role} may do nor what it holds"


def _seen_privileged(backend: Backend, context: Context) -> str | None:
    if context.server.door != HOST_DOOR or not (context.superuser or context.replication):
        return None
    return f"the host door: role {backend.role} was a superuser or replicated when it was last seen, or is by its name"


def _busy_by_title(backend: Backend, context: Context) -> str | None:
    if context.server.door != HOST_DOOR or not backend.role or backend.state in IDLE_STATES:
        return None
    return "the host door: only idle sessions are ended in bulk"


def _replication(backend: Backend, context: Context) -> str | None:
    if backend.walsender or backend.backend_type == WALSENDER:
        return "replication: a walsender"
    if context.replication:
        return f"replication: role {backend.role} may replicate"
    patterns = (*REPLICATION_ROLES, *context.policy.replication_roles)
    return f"replication: role {backend.role} by its name" if _named(backend.role, patterns) else None


def _superuser(backend: Backend, context: Context) -> str | None:
    # What was seen earlier, or is told by the name, is said by another guard.
    return f"role {backend.role} is a superuser" if context.superuser and context.server.door != HOST_DOOR else None


def _protected(backend: Backend, context: Context) -> str | None:
    if _named(backend.role, INTERNAL_ROLES):
        return f"role {backend.role} belongs to the provider"
    if _named(backend.role, context.policy.protected_roles):
        return f"role {backend.role} is protected by the configuration"
    return None


def _not_permitted(backend: Backend, context: Context) -> str | None:
    server = context.server
    if server.superuser:
        return None
    if context.superuser or not backend.role_oid:
        return "the server lets only a superuser signal it"
    if server.can_signal or context.usable:
        return None
    return f"the server does not permit it: {GRANT_SIGNAL.format(role=server.role)}"


_DUMPS = ("pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup")


def _dump(backend: Backend, _context: Context) -> str | None:
    if backend.app in _DUMPS and (backend.state == ACTIVE or backend.state in TRANSACTION_STATES):
        return f"a running {backend.app}"
    return None


#: fnmatch patterns of what tools that take online backups call themselves, without case.
_BACKUP_TOOLS = ("pgbackrest*", "barman*", "wal-g*", "pg_probackup*")


def _backup(backend: Backend, context: Context) -> str | None:
    if Hold.BACKUP in _held(backend, context.held):
        return str(Hold.BACKUP)
    if backend.is_client and _named(backend.app.casefold(), _BACKUP_TOOLS):
        return f"an online backup would be aborted, by its name: {backend.app}"
    return None


def _keeping(backend: Backend, context: Context) -> str | None:
    found = _held(backend, context.held)
    return ", ".join(hold for hold in Hold if hold in found and hold is not Hold.BACKUP) or None


def _held(backend: Backend, held: HeldLocks) -> frozenset[Hold]:
    """What the last statement says, corrected by the locks and slots that were seen."""
    if backend.hidden or not backend.is_client:
        return frozenset()
    found = holds(backend.query, in_transaction=backend.state in (ACTIVE, IN_TRANSACTION))
    waits = backend.state == ACTIVE and (backend.wait_event_type, backend.wait_event) == ("Lock", "advisory")
    known = ((Hold.ADVISORY, held.advisory, waits), (Hold.SLOT, held.slot, False))
    gained = {hold for hold, seen, _ in known if seen}
    lost = {hold for hold, seen, elsewhere in known if not seen and (held.sure or elsewhere)}
    return (found - lost) | gained


def _maintenance(backend: Backend, _context: Context) -> str | None:
    if backend.state != ACTIVE:
        return None
    word = busy_with(backend.query)
    return f"running {word}" if word else None


def _wrote(backend: Backend, _context: Context) -> str | None:
    return "its transaction has written: it will be rolled back" if backend.wrote else None


# Thousands of sessions have a handful of roles.
@lru_cache(maxsize=1024)
def _named(role: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(role, pattern) for pattern in patterns)


def _allow_unless_replication(policy: Policy) -> Care:
    return Care.TYPE_ROLE if policy.allow_replication else Care.REFUSE


def _allow_unless_superuser(policy: Policy) -> Care:
    return Care.CONFIRM if policy.allow_superuser else Care.REFUSE


def _asked(policy: Policy) -> Care:
    return Care.REFUSE if policy.headless and not policy.include_cautioned else Care.CONFIRM


def _asked_singly(policy: Policy) -> Care:
    return Care.CONFIRM if policy.include_cautioned else Care.REFUSE


GUARDS: tuple[Guard, ...] = (
    Guard("own", _own, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("namesake", _namesake, _always(Care.CONFIRM), _always(Care.REFUSE)),
    Guard("background", _background, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("identity", _unidentified, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("unborn", _unborn, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("role", _unknown_role, _always(Care.CONFIRM), _always(Care.REFUSE)),
    Guard("unseen", _unseen, _always(Care.CONFIRM), _always(Care.REFUSE)),
    Guard("nameless", _nameless, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("replication", _replication, _allow_unless_replication, _always(Care.REFUSE)),
    Guard("protected", _protected, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("permission", _not_permitted, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("superuser", _superuser, _always(Care.TYPE_ROLE), _allow_unless_superuser),
    Guard("privileged", _seen_privileged, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("title", _by_title, _always(Care.TYPE_ROLE), _always(Care.TYPE_ROLE)),
    Guard("busy", _busy_by_title, _always(Care.ALLOW), _always(Care.REFUSE)),
    Guard("backup", _backup, _always(Care.CONFIRM), _asked_singly),
    Guard("dump", _dump, _always(Care.CONFIRM), _asked),
    Guard("maintenance", _maintenance, _always(Care.CONFIRM), _asked),
    Guard("wrote", _wrote, _always(Care.CONFIRM), _asked),
    Guard("keeping", _keeping, _always(Care.CONFIRM), _asked),
)


#: Verdicts kept: those of the lines that are drawn again and again.
VERDICTS_KEPT = 512


def judge(backend: Backend, snapshot: Snapshot, policy: Policy, *, bulk: bool = False) -> Judgement:
    """What signalling this session takes, alone or among others. Pure; every reason is cleaned text."""
    role, held = snapshot.roles.get(backend.role_oid), snapshot.held_by(backend)
    return _judged(backend, snapshot.server, role, held, policy, bulk)


def left_for_caution(backend: Backend, snapshot: Snapshot, policy: Policy, *, bulk: bool) -> bool:
    """Whether a session that is refused would be asked about, if only somebody were there to answer."""
    return judge(backend, snapshot, replace(policy, include_cautioned=True), bulk=bulk).care < Care.REFUSE


# Everything a guard looks at is an argument, so what is kept is never out of date: a row that changed is another
# object, as are new facts of the server, and a role or a policy is compared by all that it says.
@lru_cache(maxsize=VERDICTS_KEPT)
def _judged(
    backend: Backend, server: Server, role: Role | None, held: HeldLocks, policy: Policy, bulk: bool
) -> Judgement:
    context = Context(
        server=server,
        policy=policy,
        role_known=role is not None,
        superuser=role.superuser if role else False,
        replication=(role.replication or role.replication_member) if role else False,
        usable=role.usable if role else False,
        held=held,
    )
    found = []
    for guard in GUARDS:
        reason = guard.reason(backend, context)
        if reason is not None:
            grade = guard.bulk if bulk else guard.single
            found.append((grade(policy), reason, guard.name))
    if not found:
        return Judgement(Care.ALLOW)
    found.sort(key=lambda item: -item[0])
    return Judgement(found[0][0], tuple(reason for _, reason, _ in found), frozenset(name for _, _, name in found))


def useless_cancel(backend: Backend) -> str | None:
    """Why a cancel would do nothing to this session; None where it does something.

    The server answers true for an idle session and for one waiting on its client, and nothing happens (measured).
    """
    if backend.state != ACTIVE:
        state = backend.state or "without a state"
        return f"it is {state}: a cancel frees no slot, terminate does"
    if backend.wait_event_type == "Client":
        return "it waits for its client: a cancel has no effect, terminate does"
    return None


def refused(action: Action, backend: Backend, verdict: Judgement) -> tuple[str, ...]:
    """Every reason why `action` must not be sent; empty when it may."""
    reasons = verdict.reasons if verdict.care is Care.REFUSE else ()
    useless = useless_cancel(backend) if action is Action.CANCEL else None
    return (*reasons, useless) if useless else reasons
