"""What a monitor says against what the server does, counted for the line at the end of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from tests.support.matrix.stage import APP, MEMBER, MONITORS, SUPERUSER, Truth
from tests.support.matrix.wire import Who

EXACT_SINCE = 17


@dataclass(slots=True)
class Tally:
    """One line of the summary: a server version."""

    fills: int = 0
    checked: int = 0
    wrong: list[str] = field(default_factory=list)

    def check(self, what: str, said: object, true: object, right: bool) -> None:
        self.checked += 1
        if not right:
            self.wrong.append(f"{what}: said {said}, true {true}")


@dataclass(frozen=True, slots=True)
class Judge:
    """Checks all that one poll says. `over` is by how much a role that sees no types may overcount on 16 and older:
    the parallel workers of other roles."""

    tally: Tally
    major: int
    truth: Truth
    moment: str
    over: int = 0
    #: Logins under way hide a walsender among them: nobody can be exact on 16 and older.
    under_way: bool = False

    def hear(self, monitor: str, snapshot: Snapshot) -> None:
        """Judge every number of this snapshot that tells how many may still log in."""
        budget = SlotBudget.of(snapshot)
        exact = self.major >= EXACT_SINCE or (MONITORS[monitor] and not self.under_way)
        slack = 0 if exact else self.over
        where = f"{self.moment}, {monitor}"
        used, logins = self.truth.used, self.truth.logins
        self.tally.check(f"{where}, exact", budget.exact, exact, budget.exact == exact)
        self.tally.check(f"{where}, used", budget.used, used + slack, budget.used == used + slack)
        self._free(f"{where}, ordinary", budget.ordinary_free, logins[APP], slack)
        self._free(f"{where}, reserved", budget.reserved_free, logins[MEMBER], slack)
        self._free(f"{where}, superuser", budget.superuser_free, logins[SUPERUSER], slack)
        for who, free in logins.items():
            self._free(f"{where}, room of {who}", said_of(who, snapshot, budget), free, slack)

    def _free(self, what: str, said: int, true: int, slack: int) -> None:
        """With slack it may say less than there is, never more."""
        self.tally.check(what, said, true, true - slack <= said <= true)


def said_of(who: Who, snapshot: Snapshot, budget: SlotBudget) -> int:
    """How many further logins of this kind the snapshot promises."""
    if who.replication:
        return budget.walsenders_max - budget.walsenders_used
    role = next(role for role in snapshot.roles.values() if role.name == who.role)
    database = next(one for one in snapshot.databases.values() if one.name == who.database)
    return budget.room(role, database).free
