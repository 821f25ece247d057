"""May this session be signalled? Add a guard: write a function that gives a reason or None, add it to GUARDS.

A guard that cannot decide refuses. judge() is pure, so the table shows a session's guard before any key is pressed,
and the server re-checks the same facts inside the statement that signals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from pgtop_conn.model.busy import busy_with
from pgtop_conn.model.providers import INTERNAL_ROLES, REPLICATION_ROLES
from pgtop_conn.model.snapshot import (
    ACTIVE,
    CLIENT_BACKEND,
    HOST_DOOR,
    IDLE_STATES,
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


@dataclass(frozen=True, slots=True)
class Verdict:
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
    if backend.pid == context.server.own_pid:
        return "this is our own session"
    return "another pgtop-conn session" if backend.app == OWN_APPLICATION_NAME else None


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
    return "its role is unknown or was dropped: nobody can tell what it may do"


def _by_title(backend: Backend, context: Context) -> str | None:
    if context.server.door != HOST_DOOR or not backend.role or context.superuser or context.replication:
        return None
    return f"the host door: a title does not tell what role {backend.role} may do"


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


def _maintenance(backend: Backend, _context: Context) -> str | None:
    if backend.state != ACTIVE:
        return None
    word = busy_with(backend.query)
    return f"running {word}" if word else None


def _wrote(backend: Backend, _context: Context) -> str | None:
    return "its transaction has written: it will be rolled back" if backend.wrote else None


def _named(role: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(role, pattern) for pattern in patterns)


def _allow_unless_replication(policy: Policy) -> Care:
    return Care.TYPE_ROLE if policy.allow_replication else Care.REFUSE


def _allow_unless_superuser(policy: Policy) -> Care:
    return Care.CONFIRM if policy.allow_superuser else Care.REFUSE


GUARDS: tuple[Guard, ...] = (
    Guard("own", _own, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("background", _background, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("identity", _unidentified, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("unborn", _unborn, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("role", _unknown_role, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("replication", _replication, _allow_unless_replication, _always(Care.REFUSE)),
    Guard("protected", _protected, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("permission", _not_permitted, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("superuser", _superuser, _always(Care.TYPE_ROLE), _allow_unless_superuser),
    Guard("privileged", _seen_privileged, _always(Care.REFUSE), _always(Care.REFUSE)),
    Guard("title", _by_title, _always(Care.TYPE_ROLE), _always(Care.TYPE_ROLE)),
    Guard("busy", _busy_by_title, _always(Care.ALLOW), _always(Care.REFUSE)),
    Guard("dump", _dump, _always(Care.CONFIRM), _always(Care.CONFIRM)),
    Guard("maintenance", _maintenance, _always(Care.CONFIRM), _always(Care.CONFIRM)),
    Guard("wrote", _wrote, _always(Care.CONFIRM), _always(Care.CONFIRM)),
)


#: Verdicts kept: those of the lines that are drawn again and again.
VERDICTS_KEPT = 512


def judge(backend: Backend, snapshot: Snapshot, policy: Policy, *, bulk: bool = False) -> Verdict:
    """What signalling this session takes, alone or among others. Pure; every reason is cleaned text."""
    return _judged(backend, snapshot.server, snapshot.roles.get(backend.role_oid), policy, bulk)


# Everything a guard looks at is an argument, so what is kept is never out of date: a row that changed is another
# object, as are new facts of the server, and a role or a policy is compared by all that it says.
@lru_cache(maxsize=VERDICTS_KEPT)
def _judged(backend: Backend, server: Server, role: Role | None, policy: Policy, bulk: bool) -> Verdict:
    context = Context(
        server=server,
        policy=policy,
        role_known=role is not None,
        superuser=role.superuser if role else False,
        replication=(role.replication or role.replication_member) if role else False,
        usable=role.usable if role else False,
    )
    found = []
    for guard in GUARDS:
        reason = guard.reason(backend, context)
        if reason is not None:
            grade = guard.bulk if bulk else guard.single
            found.append((grade(policy), reason, guard.name))
    if not found:
        return Verdict(Care.ALLOW)
    found.sort(key=lambda item: -item[0])
    return Verdict(found[0][0], tuple(reason for _, reason, _ in found), frozenset(name for _, _, name in found))


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


def refused(action: Action, backend: Backend, verdict: Verdict) -> tuple[str, ...]:
    """Every reason why `action` must not be sent; empty when it may."""
    reasons = verdict.reasons if verdict.care is Care.REFUSE else ()
    useless = useless_cancel(backend) if action is Action.CANCEL else None
    return (*reasons, useless) if useless else reasons
