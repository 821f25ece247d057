"""A safe max_connections from memory, with its arithmetic. All amounts are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from pgtop_conn.model.facts import Facts, ServerSetting
from pgtop_conn.model.findings import Case, Effect, Remedy, RemedyKind
from pgtop_conn.model.remedies.pgbouncer import pooler_seen
from pgtop_conn.model.remedies.pools import only_watched, pool_room, pool_uses
from pgtop_conn.model.remedies.server_settings import alter_system, applied
from pgtop_conn.model.slots import Level

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
#: Above so many sessions the server spends its time on them: a pooler serves more clients with fewer.
MANY_CONNECTIONS = 500
#: What guides say one session takes at most; an idle one was measured with 1.4 MB on a small catalog.
ASSUMED_PER_BACKEND = 10 * MIB
LEAST_ACTIVE_SHARE = 0.1
_UNITS = {"B": 1, "kB": KIB, "8kB": 8 * KIB, "MB": MIB, "GB": GIB}

FORMULA = (
    "max_connections = (RAM - system - shared_buffers - autovacuum_max_workers × maintenance_work_mem)"
    " / (memory of one session + work_mem × share that is active)"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the memory goes. `connections` is what is left over, in sessions."""

    ram: int
    system: int
    shared_buffers: int
    workers: int
    per_worker: int
    per_backend: int
    work_mem: int
    active_share: float

    @property
    def left(self) -> int:
        return max(0, self.ram - self.system - self.shared_buffers - self.workers * self.per_worker)

    @property
    def per_connection(self) -> int:
        return max(1, self.per_backend + ceil(self.work_mem * self.active_share))

    @property
    def connections(self) -> int:
        """Rounded down to tens, where there are that many."""
        exact = self.left // self.per_connection
        return exact - exact % 10 if exact >= 20 else exact

    def arithmetic(self) -> str:
        """The formula with its numbers."""
        return (
            f"({_size(self.ram)} - {_size(self.system)} for the system - {_size(self.shared_buffers)} shared_buffers"
            f" - {self.workers} × {_size(self.per_worker)} for autovacuum) / ({_size(self.per_backend)} of one session"
            f" + {_size(self.work_mem)} work_mem × {100 * self.active_share:.0f} % active) = {self.connections}"
        )


def _size(amount: int) -> str:
    for unit, size in (("GB", GIB), ("MB", MIB)):
        if amount >= size:
            return f"{amount / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{amount // KIB} kB"


def bytes_of(setting: ServerSetting | None, default: int) -> int:
    """A setting of memory; the default where it was not read, or is -1 for "as another one"."""
    if setting is None or setting.number is None or setting.number < 0:
        return default
    return int(setting.number) * _UNITS.get(setting.unit, 1)


def memory_budget(case: Case) -> Budget | None:
    """The budget of the memory that is known: told by the user, else measured on the host; None without either."""
    facts = case.facts
    measured = facts.memory
    ram = case.ram if case.ram is not None else measured.total if measured is not None else None
    if ram is None:
        return None
    workers = facts.number("autovacuum_max_workers")
    return Budget(
        ram=ram,
        system=max(GIB if ram >= 4 * GIB else ram // 4, ram // 10),
        shared_buffers=bytes_of(facts.settings.get("shared_buffers"), ram // 4),
        workers=int(workers) if workers is not None else 3,
        per_worker=_per_worker(facts),
        per_backend=measured.per_backend if measured is not None and measured.measured else ASSUMED_PER_BACKEND,
        work_mem=bytes_of(facts.settings.get("work_mem"), 4 * MIB),
        active_share=active_share(case),
    )


def _per_worker(facts: Facts) -> int:
    maintenance = bytes_of(facts.settings.get("maintenance_work_mem"), 64 * MIB)
    return bytes_of(facts.settings.get("autovacuum_work_mem"), maintenance)


def active_share(case: Case) -> float:
    """The share of the sessions that work at once at the peak; a tenth at the least."""
    uses = pool_uses(case)
    peak = sum(use.peak for use in uses)
    return (
        min(1.0, max(LEAST_ACTIVE_SHARE, sum(use.peak_active for use in uses) / peak)) if peak else LEAST_ACTIVE_SHARE
    )


def safe_max_connections(case: Case) -> tuple[Remedy, ...]:
    """What memory allows, and the change that follows from it where slots are short; and the warning above 500."""
    return (*_by_memory(case), *_many(case))


def _by_memory(case: Case) -> tuple[Remedy, ...]:
    present = case.budget.max
    budget = memory_budget(case)
    if budget is None:
        text = f"Tell the server's memory with --ram (for example --ram 16GB) for a safe max_connections.\n{FORMULA}"
        why = (
            f"max_connections is {present}; {case.facts.memory_unknown}. One session takes 5 to 10 MB as guides say,"
            " 1.4 MB idle as measured on a small catalog"
        )
        return (Remedy(RemedyKind.STEP, text, Effect.RESTART, why),)
    memory, safe = case.facts.memory, budget.connections
    source = "as guides say at most"
    if memory and memory.measured:
        source = f"median of {memory.measured} sessions measured, the largest {_size(memory.largest)}"
    why = f"{budget.arithmetic()}; memory of one session: {source}"
    if safe < present:
        text = (
            f"max_connections {present} is more than the memory is good for: {safe}. Do not lower it below what is in"
            f" use ({case.budget.used}); put a pooler in front, or lower work_mem"
        )
        return (Remedy(RemedyKind.STEP, text, Effect.RESTART, why),)
    wanted = _raised(case, safe)
    if wanted is None:
        text = f"Leave max_connections at {present}: the memory is good for {safe}, and {_seen_active(case)}"
        return (Remedy(RemedyKind.STEP, text, Effect.NOW, why),)
    standbys = "; raise it on standbys first, they must not have less" if not case.snapshot.server.in_recovery else ""
    why = f"from {present} to {wanted}; the memory is good for {safe}: {why}{standbys}"
    return applied((alter_system(case, "max_connections", str(wanted), Effect.RESTART, why),))


def _seen_active(case: Case) -> str:
    uses = pool_uses(case)
    hidden = sum(use.hidden for use in uses)
    if hidden:
        return f"how many of {hidden} sessions are active is hidden from us"
    watched_s = max((use.habit.watched_s for use in uses), default=0.0)
    return f"at most {sum(use.peak_active for use in uses)} sessions were active at once{only_watched(watched_s)}"


def _raised(case: Case, safe: int) -> int | None:
    """Half as many again where slots are short of what is really active, within memory and what goes without a pooler.

    More slots for sessions that only sit there would be taken by more of them.
    """
    if case.budget.level is Level.OK or sum(use.demand for use in pool_uses(case)) <= pool_room(case):
        return None
    most = safe if pooler_seen(case) else min(safe, MANY_CONNECTIONS)
    wanted = min(most, ceil(case.budget.max * 1.5 / 10) * 10)
    return wanted if wanted > case.budget.max else None


def _many(case: Case) -> tuple[Remedy, ...]:
    if case.budget.max <= MANY_CONNECTIONS or pooler_seen(case):
        return ()
    text = (
        f"max_connections is {case.budget.max} and no pooler was seen: put one in front instead of raising it further"
    )
    why = (
        f"above {MANY_CONNECTIONS} sessions every snapshot and lock table grows with them, and a spike that makes them"
        " all active at once stalls the server"
    )
    return (Remedy(RemedyKind.STEP, text, Effect.NOW, why),)
