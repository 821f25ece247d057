"""Settings of the pools on the client's side: per application, with instances × pool size from the client addresses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pgtop_conn.model.findings import Case, Effect, Remedy, RemedyKind
from pgtop_conn.model.quoting import shown
from pgtop_conn.model.remedies.drivers import main_options, note_of, recognised, settings_text, size_options
from pgtop_conn.model.remedies.pools import PoolUse, only_watched, per_instance, pool_room, pool_uses

#: Applications that get settings of their own; smaller ones are left alone.
MOST_APPLICATIONS = 5
#: A pool of fewer sessions is not worth a word.
LEAST_SESSIONS = 4


def driver_settings(case: Case, apps: Collection[str] | None = None) -> tuple[Remedy, ...]:
    """For the largest pools, or for those of these applications; those of unknown drivers share one remedy."""
    uses = pool_uses(case)
    sizes = per_instance(uses, pool_room(case))
    asked = [use for use in uses if (use.peak >= LEAST_SESSIONS if apps is None else use.pool.app in apps)]
    wanted = [use for use in asked if use.sizable]
    remedies, unknown = [], []
    for use in wanted[:MOST_APPLICATIONS]:
        driver, told_by = recognised(use.pool.app, use.sessions)
        size = sizes[use.pool]
        if driver is None:
            unknown.append((use, size))
            continue
        text = f"{driver.name}, application {_named(use)}, in each instance:\n{settings_text(driver, size)}"
        why = f"{arithmetic(case, use, size)}; {_told_by([use])}; recognised {told_by}; {note_of(driver, size)}"
        remedies.append(Remedy(RemedyKind.DRIVER, text, Effect.NEW_SESSIONS, why))
    if unknown:
        remedies.append(_generic(case, unknown, whole=apps is None))
    return tuple(remedies)


def _generic(case: Case, unknown: Sequence[tuple[PoolUse, int]], *, whole: bool) -> Remedy:
    """`whole` lists every option of the main drivers, otherwise only that of the size."""
    sizes = "\n".join(f"application {_named(use)}: at most {size} in each instance" for use, size in unknown)
    why = "; ".join(arithmetic(case, use, size) for use, size in unknown)
    why = f"{why}; {_told_by([use for use, _ in unknown])}"
    options = f"The options are called\n{main_options()}" if whole else f"The option is called {size_options()}"
    text = f"Pool sizes (the driver was not recognised):\n{sizes}\n{options}"
    return Remedy(RemedyKind.DRIVER, text, Effect.NEW_SESSIONS, why)


def _named(use: PoolUse) -> str:
    return f"{shown(use.pool.app)} (role {shown(use.pool.role)}, database {shown(use.pool.database)})"


def _told_by(uses: Sequence[PoolUse]) -> str:
    """What the number of instances was taken from."""
    if all(backend.client in ("", "local") for use in uses for backend in use.sessions):
        return "without client addresses the instances can't be told apart: divide by them"
    return "instances are told by their client addresses"


def arithmetic(case: Case, use: PoolUse, size: int) -> str:
    """`4 instances × 25 = 100 > 97 slots; recommended 4 × 12 = 48 …`, with what was seen."""
    instances, capacity = use.instances, case.budget.capacity
    each, rest = divmod(use.peak, instances)
    named = f"{instances} instance{'s' if instances > 1 else ''}"
    held = f"{named} hold {use.peak}" if rest else f"{named} × {each} = {use.peak}"
    against = f"> {capacity} slots" if use.peak > capacity else f"of {capacity} slots"
    if instances * size > pool_room(case):
        tail = f"; one session for each of them is more than the {pool_room(case)} that pools may take: use a pooler"
    else:
        tail = f"; recommended {instances} × {size} = {instances * size}"
    peak = f"{use.peak_active} active at once at the peak{only_watched(use.habit.watched_s)}"
    return f"{held} {against}{tail}; {peak}, a quarter more for headroom"
