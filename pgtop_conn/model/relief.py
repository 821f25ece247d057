"""Relief: what a plan gives back under the CONNECTION LIMIT that most of its targets fall under. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.model.slots import Limit, SlotBudget
from pgtop_conn.model.snapshot import Backend


@dataclass(frozen=True, slots=True)
class Relief:
    """Further logins that the limit alone lets in, before and after `freed` of its sessions have ended."""

    limit: Limit
    freed: int

    @property
    def before(self) -> int:
        return self.limit.free

    @property
    def after(self) -> int:
        return max(0, self.limit.limit - (self.limit.used - self.freed))


def relief(ended: Sequence[Backend], budget: SlotBudget) -> Relief | None:
    """The limit of a role or a database that most of `ended` fall under, the tightest of several; None without one."""
    found = [Relief(limit, sum(1 for backend in ended if _under(backend, limit))) for limit in budget.limits]
    return max((one for one in found if one.freed), key=lambda one: (one.freed, one.limit.share), default=None)


def _under(backend: Backend, limit: Limit) -> bool:
    """Whether the session counts towards the limit; only client sessions do."""
    oid = backend.role_oid if limit.kind == "role" else backend.database_oid
    return backend.is_client and oid == limit.oid
