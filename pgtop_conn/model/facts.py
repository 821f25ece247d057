"""Facts: what a diagnosis asks a server beyond its polls. Read on demand, never at every tick; any part may be unknown.

A part that could not be read is None (or empty) and says why in the field beside it, in words for the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerSetting:
    """A row of pg_settings. `value` is in `unit` as the server keeps it; `shown` is what SHOW prints ("5min").

    It is what holds for everybody whom no Override touches. Where our own role or database has one, and the server
    doesn't tell what stands behind it, `source` is user, database, database user or global, and Facts.troubles says so.
    """

    name: str
    value: str
    unit: str
    shown: str
    #: postmaster, sighup, superuser-backend, backend, superuser or user: what it takes to change it.
    context: str
    #: default, configuration file, command line, ... : where the value in force comes from.
    source: str
    pending_restart: bool = False

    @property
    def number(self) -> float | None:
        """The value as a number of `unit`; None where it is none."""
        try:
            return float(self.value)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Override:
    """A row of pg_db_role_setting: `role` or `database` is "" where it holds for every one of them.

    Of the settings in Facts alone: others may hold secrets.
    """

    role: str
    database: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RefusedLogins:
    """Logins refused with 53300 in one hour; `hour` is its beginning (epoch seconds, UTC), `kind` as in REFUSALS."""

    hour: float
    kind: str
    count: int


#: Kinds of refusals, and what each says. The texts of 12-18 and of RDS are told apart by their beginnings.
REFUSALS: Mapping[str, str] = {
    "full": "sorry, too many clients already",
    "reserved": "remaining connection slots are reserved",
    "role": "too many connections for role",
    "database": "too many connections for database",
    "walsenders": "number of requested standby connections exceeds",
}
#: The kind of a refusal that only its SQLSTATE told: the server's messages are in another language.
OTHER_REFUSAL = "other"


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, measured on the database's host. `per_backend` is private memory: shared buffers are not in it.

    It holds anonymous pages (those shared with the postmaster in part), page tables and what is swapped out.
    """

    #: Of the machine, or the limit of the server's control group where that is lower.
    total: int
    available: int
    #: Median private memory of the client backends that could be read, and how many those were.
    per_backend: int
    measured: int
    largest: int


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What was found; `at` is server time."""

    at: float
    settings: Mapping[str, ServerSetting] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    #: Refusals of the last 24 hours by hour and kind; None where they can't be known, and then why.
    refused: tuple[RefusedLogins, ...] | None = None
    refused_source: str = ""
    #: The counts are whole from then on (epoch seconds): 24 hours ago, or later where the log begins or was too long.
    refused_since: float | None = None
    refused_unknown: str = "the server log was not looked for"
    memory: Memory | None = None
    memory_unknown: str = "the host was not looked at"
    #: What could not be read at all, in words; shown with the diagnosis.
    troubles: tuple[str, ...] = ()

    def number(self, name: str) -> float | None:
        """A setting's value in its unit; None where the server has no such setting, or it was not read."""
        setting = self.settings.get(name)
        return setting.number if setting is not None else None


#: Nothing was asked.
NO_FACTS = Facts(at=0.0)
