"""What the golden screens show: a shop whose billing leaks, at one instant, and the keys that lead to each scene.

Add a scene: one entry in SCENES, then `python -m tests.snapshots`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from pgtop_conn.model.snapshot import ABORTED, ACTIVE, IN_TRANSACTION, Backend, Database, Snapshot
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import BackendFields

#: Polls before the last one, so that there are rates and a forecast.
POLLS, EVERY_S = 12, 20.0

BILLING, WEB, REPORTING = "billing-worker", "web", "reporting"
INVOICES = "SELECT id, total FROM invoices WHERE paid_at IS NULL AND customer_id = $1"
LOCKED = "UPDATE stock SET reserved = reserved + 1 WHERE sku = $1"


@dataclass(frozen=True, slots=True)
class Scene:
    """`look` is a theme's name, or "no-color"; `calm` shows the shop on a good day."""

    name: str
    size: tuple[int, int]
    look: str = "dark"
    keys: tuple[str, ...] = ()
    calm: bool = False
    ascii: bool = False

    @property
    def id(self) -> str:
        width, height = self.size
        return f"{self.name}-{width}x{height}-{self.look}"


SMALL, USUAL, LARGE, HUGE = (60, 20), (80, 24), (120, 36), (200, 60)
OPEN = ("g", "right", "down", "down", "space", "down", "space", "down")
CONFIRM, DETAIL, HELP, DIAGNOSIS = ("g", "x"), ("g", "right", "down", "enter"), ("question_mark",), ("d",)

SCENES: tuple[Scene, ...] = (
    *(Scene("main", size) for size in (SMALL, USUAL, LARGE, HUGE)),
    *(Scene("groups", size, keys=OPEN) for size in (SMALL, USUAL, LARGE, HUGE)),
    *(Scene("confirm", size, keys=CONFIRM) for size in (SMALL, LARGE)),
    *(Scene("detail", size, keys=DETAIL) for size in (SMALL, LARGE)),
    *(Scene("help", size, keys=HELP) for size in (SMALL, USUAL, LARGE)),
    *(Scene("diagnosis", size, keys=DIAGNOSIS) for size in (SMALL, LARGE)),
    *(Scene("groups", LARGE, look, OPEN) for look in ("light", "ansi", "no-color")),
    *(Scene("confirm", USUAL, look, CONFIRM) for look in ("light", "ansi", "no-color")),
    Scene("calm", LARGE, calm=True),
    Scene("calm", USUAL, "no-color", calm=True),
    Scene("ascii", USUAL, "no-color", OPEN, ascii=True),
)


def _session(
    pid: int, app: str, /, *, backend_start: float | None = None, **overrides: Unpack[BackendFields]
) -> Backend:
    role = app.partition("-")[0]
    oid = {"billing": 20_001, "web": 20_002, REPORTING: 20_003}.get(role, 20_004)
    fields: BackendFields = {"app": app, "role": role, "role_oid": oid}
    began = NOW - 7200.0 + pid % 97 if backend_start is None else backend_start
    return make_backend(pid, backend_start=began, **(fields | overrides))


def _billing(count: int) -> list[Backend]:
    """One more at each poll; nearly all idle for long after the same query."""
    rows = []
    for number in range(count):
        since = NOW - 60.0 * (95 - number) - 900.0 if number < 90 else NOW - 2.0 * (count - number)
        rows.append(
            _session(
                4711 + number,
                BILLING,
                backend_start=since - 30.0,
                query=INVOICES,
                query_start=since - 1.0,
                state_change=since,
                client=f"10.2.0.{17 + number % 3}",
            )
        )
    return rows


def _web(count: int) -> list[Backend]:
    """Idle and busy by turns, some in a transaction, one of them waiting for another."""
    rows = []
    for number in range(count):
        since = NOW - 1.5 * (number % 9)
        fields: BackendFields = {"state_change": since, "query_start": since, "client": f"10.2.1.{number % 5 + 2}"}
        if number % 5 == 0:
            fields |= {"state": ACTIVE, "wait_event_type": "", "wait_event": ""}
        elif number % 7 == 0:
            fields |= {"state": IN_TRANSACTION, "xact_start": NOW - 4.0 * number, "wrote": True, "query": LOCKED}
        rows.append(_session(6000 + number, WEB, **fields))
    return rows


def _reporting() -> list[Backend]:
    stuck: BackendFields = {
        "state": ACTIVE,
        "state_change": NOW - 61.0,
        "query_start": NOW - 61.0,
        "wait_event_type": "Lock",
        "wait_event": "transactionid",
        "blocked_by": (6007,),
        "query": LOCKED,
    }
    old: BackendFields = {
        "state": IN_TRANSACTION,
        "state_change": NOW - 11_520.0,
        "query_start": NOW - 11_521.0,
        "xact_start": NOW - 11_521.0,
        "holds_xmin": True,
    }
    return [
        *(_session(7000 + n, REPORTING, client="10.2.3.4", state_change=NOW - 30.0 * n) for n in range(6)),
        _session(7006, REPORTING, **stuck),
        _session(7007, REPORTING, backend_start=NOW - 12_000.0, **old),
        _session(7008, REPORTING, state=ABORTED, xact_start=NOW - 95.0, state_change=NOW - 90.0),
    ]


def shop(at: float = NOW, *, billing: int = 96, web: int = 70, calm: bool = False) -> Snapshot:
    """187 of 200 slots in use at the end, or 21 on a good day."""
    rows = _web(12) if calm else [*_billing(billing), *_web(web), *_reporting()]
    rows += [] if calm else [_session(7100 + n, f"cron-{n:02}", client="local") for n in range(11)]
    own = make_own(state_change=at, query_start=at, backend_start=NOW - 900.0)
    server = make_server(host="prod-db-1", max_connections=200, reserved=2)
    return make_snapshot(
        [own, *rows, make_walsender(), make_walsender(4800)],
        server=server,
        roles=[make_role(20_003, REPORTING, connection_limit=10)],
        databases={5: Database(5, "shop", -1)},
        taken_at=at,
    )


def polls(*, calm: bool) -> list[Snapshot]:
    """What the screen has seen when it is drawn, oldest first."""
    times = [NOW - EVERY_S * step for step in range(POLLS, -1, -1)]
    return [shop(at, billing=96 - (len(times) - 1 - n) // 2, calm=calm) for n, at in enumerate(times)]
