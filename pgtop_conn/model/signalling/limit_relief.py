"""Relief: what a plan gives back under the tightest CONNECTION LIMIT that its targets fall under. Pure."""

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
    """The tightest limit of a role or a database that any of `ended` falls under, of several the most relieved."""
    found = [Relief(limit, sum(1 for backend in ended if _under(backend, limit))) for limit in budget.limits]
    return min((one for one in found if one.freed), key=lambda one: (one.limit.free, -one.freed), default=None)


def _under(backend: Backend, limit: Limit) -> bool:
    """Whether the session counts towards the limit; only client sessions do."""
    oid = backend.role_oid if limit.kind == "role" else backend.database_oid
    return backend.is_client and oid == limit.oid
