"""A shop whose billing leaks: its sessions, and what is found of them."""

from __future__ import annotations

from pgtop_conn.model.facts import Facts, ServerSetting
from pgtop_conn.model.findings import Cause, Effect, Finding, Remedy, RemedyKind, Severity
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import screen_text

OPEN = ViewState(expanded=frozenset({("billing",)}))
LEAKED = (1, 2, 3)
SENTENCE = "billing holds 4 of 7, +2.1/min; 3 idle > 20 min, all last ran SELECT … FROM invoices"

LIMIT = Remedy(RemedyKind.SQL, 'ALTER ROLE "app" CONNECTION LIMIT 20;', Effect.NEW_SESSIONS, "it can't fill the server")
TIMEOUT = Remedy(
    RemedyKind.SQL,
    "ALTER SYSTEM SET idle_session_timeout = '10min';\nSELECT pg_reload_conf();",
    Effect.RELOAD,
    "ends them",
)
POOLER = Remedy(RemedyKind.PGBOUNCER, "[pgbouncer]\ndefault_pool_size = 5", Effect.RESTART, "peak of 3 active, and 2")
LEAK = Finding(
    Cause.LEAK,
    Severity.CRITICAL,
    SENTENCE,
    {"app": "billing", "role": "app", "database": "shop", "count": 4, "per_minute": 2.1, "oldest_idle_s": 1500.0},
    LEAKED,
    (LIMIT, TIMEOUT),
)
BLOCKER = Finding(Cause.BLOCKER, Severity.WARNING, "terminating 5 frees 2 waiters", {"pid": 5, "frees": 2}, (5, 6))
RESERVE = Finding(Cause.RESERVE, Severity.INFO, "no slot is kept for a superuser", {"superuser_reserved": 0})
FACTS = Facts(at=NOW, settings={"work_mem": ServerSetting("work_mem", "4096", "kB", "4MB", "user", "default")})


def shop(at: float = NOW, *, without: int = 0) -> Snapshot:
    """`billing` with four sessions of which three leak, and `web` with two."""
    rows = [make_backend(pid, app="billing", state_change=NOW - 1500.0) for pid in (*LEAKED, 4) if pid != without]
    return make_snapshot([make_own(), *rows, make_backend(5), make_backend(6)], taken_at=at)


def text_of(app: MonitorApp) -> str:
    return "\n".join(screen_text(app))


def listed(app: MonitorApp) -> set[int]:
    return {line.backend.pid for line in app.main.table.lines if line.backend is not None}


def dialog_of(app: MonitorApp) -> Diagnosis:
    assert isinstance(app.screen, Diagnosis)
    return app.screen
