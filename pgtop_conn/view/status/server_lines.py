"""The lines above the table: server, slots, headroom, states. Each is a list of segments for a given width in cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from pgtop_conn.model.history.trend import FLAT_PER_MINUTE, Churn, History
from pgtop_conn.model.instants import moment
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.quoting import identifier
from pgtop_conn.model.signalling.comeback import Comeback
from pgtop_conn.model.slots import Level, Limit, SlotBudget, may_hold_slot
from pgtop_conn.model.snapshot import (
    ABORTED,
    ACTIVE,
    HIDDEN_STATE,
    IDLE,
    IN_TRANSACTION,
    OWN_APPLICATION_NAME,
    Server,
    Snapshot,
)
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.status import comeback as comebacks
from pgtop_conn.view.status import door_banner
from pgtop_conn.view.table.columns import LIMIT_SHOWN_FROM, STATE_STYLES, Cell
from pgtop_conn.view.table.groups import Group

#: The cell of the server line that says TLS: the first to go where it says nothing bad.
_SAFETY = 5

#: The trend leaves before the gauge gets shorter than this.
GAUGE_AT_LEAST = 20

#: The gauge gets no longer than this, or half of a wide screen.
GAUGE_AT_MOST = 60

#: Names are not abbreviated to less.
NAME_AT_LEAST = 16

LEVEL_STYLES = {
    Level.OK: "ok",
    Level.WARNING: "warning",
    Level.CRITICAL: "critical",
    Level.FULL: "critical",
}


@dataclass(frozen=True, slots=True)
class Back:
    """An earlier moment is shown: seconds before the newest poll, and the slots of that one."""

    seconds: float
    now: SlotBudget


@dataclass(frozen=True, slots=True)
class ScreenStatus:
    """What the screen knows besides the snapshot."""

    #: None for one look.
    interval_s: float | None
    #: What slow answers have made of the interval; None while they leave it as it is.
    stretched_s: float | None = None
    paused: bool = False
    read_only: bool = False
    #: Seconds since the last good poll when the source is lost, and why.
    stale_s: float | None = None
    trouble: str = ""
    #: Who came back after a kill, as long as that is worth saying.
    comeback: Comeback | None = None
    #: Whether what is polled is written to a recording.
    recording: bool = False
    #: None while the newest poll is shown.
    back: Back | None = None


def server_name(snapshot: Snapshot) -> str:
    """host:port; a Unix socket is [local], as psql calls it."""
    server = snapshot.server
    if server.is_unix_socket:
        return f"[local]:{server.port}"
    return f"{server.host}:{server.port}"


def server_line(snapshot: Snapshot, budget: SlotBudget, status: ScreenStatus, width: int) -> list[Cell]:
    """Who and where we are."""
    server = snapshot.server
    kind = "standby" if server.in_recovery else "primary"
    pooled = ", behind a pooler" if server.pooled else ""
    cells = [
        Cell(f" {server_name(snapshot)}", "title"),
        Cell(f"  PostgreSQL {server.version} {kind}{pooled}", "dim"),
        Cell(f"  {server.role}", "dim"),
        _way_in(server, budget),
        _pace(status),
        _safety(server),
    ]
    if status.back is not None:
        cells += _looking_back(snapshot, status.back)
    elif status.stale_s is None:
        cells.append(Cell(f"  {clock(snapshot.taken_at)}", "dim"))
    if status.stale_s is not None:
        cells.append(Cell(f"  STALE {format.duration(status.stale_s)}", "critical"))
    if status.paused:
        cells.append(Cell("  PAUSED", "warning"))
    if status.recording:
        cells.append(Cell("  REC", "critical"))
    if status.read_only:
        cells.append(Cell("  read-only", "dim"))
    cells.append(Cell(_others_like_us(snapshot), "dim"))
    # That the interval is stretched says why the figures are older than expected: it goes last.
    order = (3, 1, 2) if status.stretched_s is None and not server.door else (1, 2, 3)
    if _length(cells) > width:
        cells[1] = Cell(f"  {server.version} {kind}{pooled}", "dim")
    kept = _dropping(cells, width, order if server.is_in_the_clear else (_SAFETY, *order))
    # Names of hosts in a cloud are longer than a narrow screen; what they end in says most.
    room = width - _length(kept[1:])
    kept[0] = Cell(f" {format.abbreviated(server_name(snapshot), max(NAME_AT_LEAST, room - 1))}", "title")
    return kept


def _looking_back(snapshot: Snapshot, back: Back) -> list[Cell]:
    """Which moment is shown instead of now, and how full it is now."""
    now, level = back.now, back.now.level
    share = format.percent(now.used, now.max)
    return [
        Cell(f"  {clock(snapshot.taken_at)}, {format.duration(back.seconds)} back", "alert"),
        Cell(f"  now {now.used}/{now.max} {share}", LEVEL_STYLES[level]),
    ]


def _safety(server: Server) -> Cell:
    """Whether our own connection can be overheard."""
    if server.is_in_the_clear:
        return Cell("  no TLS", "warning")
    return Cell(f"  {server.tls.split(',')[0].replace('TLSv', 'TLS ')}" if server.tls else "", "dim")


def _way_in(server: Server, budget: SlotBudget) -> Cell:
    """What our own session holds, behind the role's name; the comma goes where this goes."""
    return Cell(f", {server.door} door", "warning") if server.door else Cell(f", {budget.own_slot} slot", "dim")


def _pace(status: ScreenStatus) -> Cell:
    if status.interval_s is None:
        return Cell("")
    if status.stretched_s is None:
        return Cell(f"  every {status.interval_s:g} s", "dim")
    return Cell(f"  every {status.interval_s:g} s, stretched to {status.stretched_s:.2g} s: slow answers", "warning")


def _others_like_us(snapshot: Snapshot) -> str:
    """Who else watches this server with pgtop-conn: two people may be about to end the same sessions."""
    others = [
        f"{one_line(backend.role)} from {one_line(backend.app_host or backend.client) or 'unknown'}"
        for backend in snapshot.backends
        if backend.app == OWN_APPLICATION_NAME and backend.pid != snapshot.server.own_pid
    ]
    if not others:
        return ""
    return f"  also here: {others[0]}" + (f" and {len(others) - 1} more" if len(others) > 1 else "")


def slots_line(budget: SlotBudget, history: History, width: int, *, ascii_only: bool = False) -> list[Cell]:
    """The saturation gauge: used, free, and the reserves at its end."""
    level = LEVEL_STYLES[budget.level]
    sign = "" if budget.exact else ("<=" if ascii_only else "≤")
    figures = f"  {sign}{budget.used}/{budget.max}  {format.percent(budget.used, budget.max)}"
    cells = [Cell(f"{figures}  ", "count"), Cell(budget.level.upper(), level)]
    if budget.level in (Level.CRITICAL, Level.FULL):
        # A patch of colour, or turned round where there is none: nobody overlooks it.
        cells = [Cell(f"{figures} ", "count"), Cell(f" {budget.level.upper()} ", "alert")]
    tail = _trend(history, budget, level, ascii_only)
    title = " Slots   "
    tail = _dropping(tail, max(0, width - len(title) - _length(cells) - GAUGE_AT_LEAST), (3, 0, 1, 2))
    room = width - len(title) - _length(cells) - _length(tail) - 1
    return [
        Cell(title, "dim"),
        *gauge_bar(budget, max(6, min(max(GAUGE_AT_MOST, width // 2), room)), ascii_only=ascii_only),
        *cells,
        *tail,
    ]


def _trend(history: History, budget: SlotBudget, level: str, ascii_only: bool) -> list[Cell]:
    """Sparkline, rate, forecast and high-water mark; nothing while there is too little history."""
    trend = history.trend(budget)
    if trend is None or trend.per_minute is None:
        return []
    forecast = "" if trend.seconds_to_full is None else f"  full in ~{_about(trend.seconds_to_full)}"
    peak = f"  peak {trend.peak} at {clock(trend.peak_at)}" if trend.peak > budget.used else ""
    growing = trend.per_minute >= FLAT_PER_MINUTE
    return [
        Cell(f"   {format.sparkline(history.used(8), 8, ascii=ascii_only)}", "bar"),
        Cell(f"  {format.rate(trend.per_minute)}/min", "growing" if growing else "dim"),
        Cell(forecast, level),
        Cell(peak, "dim"),
    ]


def gauge_bar(budget: SlotBudget, width: int, *, ascii_only: bool = False) -> list[Cell]:
    """`width` cells: used filled, free for ordinary roles light, reserves at the end dark."""
    if budget.max <= 0:
        return [Cell(" " * width)]
    filled = format.bar(min(1.0, budget.used / budget.max), width, ascii=ascii_only).rstrip()
    reserve = min(width - len(filled), round(width * (budget.max - budget.capacity) / budget.max))
    free = width - len(filled) - reserve
    light, dark = ("-", "=") if ascii_only else ("░", "▓")
    return [
        Cell(filled, LEVEL_STYLES[budget.level]),
        Cell(light * free, "faint"),
        Cell(dark * reserve, "reserve"),
    ]


def headroom_line(budget: SlotBudget, width: int) -> list[Cell]:
    """Who can still get in. The figures add up: reserved and superuser are what comes on top of the ordinary ones."""
    sign = "" if budget.exact else "≥"
    ordinary = budget.ordinary_free
    reserved = budget.reserved_free - budget.ordinary_free
    superuser = budget.superuser_free - budget.reserved_free
    cells = [
        Cell(" Headroom", "dim"),
        Cell(f"  ordinary {sign}{ordinary}", LEVEL_STYLES[budget.level] if budget.level is not Level.OK else "ok"),
    ]
    if budget.reserved:
        cells.append(Cell(f"   reserved {sign}{reserved}", "" if reserved else "warning"))
    cells.append(Cell(f"   superuser {sign}{superuser}", "" if superuser else "critical"))
    # A role that is locked out on purpose, and has nobody in, is nobody's trouble.
    tight = [limit for limit in budget.limits if limit.share >= LIMIT_SHOWN_FROM and (limit.limit or limit.used)]
    first_limit = len(cells)
    cells += [Cell(f"   {_limit(limit)}", "critical" if not limit.free else "warning") for limit in tight[:3]]
    if _length(cells) > width:
        cells[first_limit:] = [
            Cell(f"   {_brief_limit(limit, width)}", cell.style)
            for limit, cell in zip(tight, cells[first_limit:], strict=False)
        ]
    walsenders = len(cells)
    cells.append(Cell(f"   walsenders {budget.walsenders_used}/{budget.walsenders_max}", "dim"))
    if budget.authenticating:
        cells.append(Cell(f"   logging in {budget.authenticating}", "warning"))
    return _dropping(cells, width, (walsenders, *reversed(range(first_limit, walsenders))))


def _brief_limit(limit: Limit, width: int) -> str:
    return f"{limit.kind} {format.abbreviated(limit.name, max(8, width // 6))} {limit.used}/{limit.limit}"


def _limit(limit: Limit) -> str:
    return f"{limit.name} {limit.used}/{limit.limit} ({limit.kind} limit)"


#: In full, and where that is too long.
STATE_TITLES = (
    (ACTIVE, "active", "active"),
    (IDLE, "idle", "idle"),
    (IN_TRANSACTION, "in transaction", "in tx"),
    (ABORTED, "aborted", "aborted"),
)


def states_line(snapshot: Snapshot, budget: SlotBudget, width: int, churn: Churn | None = None) -> list[Cell]:
    """Sessions by state, and how many open and end a second."""
    at = snapshot.taken_at
    states = dict(budget.states)
    hidden = HIDDEN_STATE in states
    oldest = max((b.xact_s(at) or 0.0 for b in snapshot.backends if b.state == IN_TRANSACTION), default=0.0)
    blocked = sum(map(bool, map(attrgetter("blocked_by"), snapshot.backends)))
    hides_blockers = hidden or snapshot.server.lacks("pg_blocking_pids")
    long, short = [Cell(" ")], [Cell(" ")]
    for state, title, brief in STATE_TITLES:
        count = states.pop(state, 0)
        style = STATE_STYLES[state] if count else "faint"
        age = format.duration(oldest) if state == IN_TRANSACTION and count else ""
        long.append(Cell(f"{title} {_at_least(count, hidden)}{f' (oldest {age})' if age else ''}   ", style))
        short.append(Cell(f"{brief} {_at_least(count, hidden)}{f' ({age})' if age else ''}  ", style))
    for cells, gap in ((long, "   "), (short, "  ")):
        cells.append(Cell(f"blocked {_at_least(blocked, hides_blockers)}{gap}", "blocked" if blocked else "faint"))
        cells += [Cell(f"{state} {count}{gap}", "warning") for state, count in states.items()]
    # The blanks at the end go.
    cells = long if _length(long) <= width + 3 else short
    extra = _churn(churn)
    # What is none goes before what is some.
    none = [index for index in range(len(cells) - 1, 0, -1) if cells[index].style == "faint"]
    row = _dropping([*cells, *extra], width + 2, (*range(len(cells) + len(extra) - 1, len(cells) - 1, -1), *none))
    return [*row[:-1], Cell(row[-1].text.rstrip(), row[-1].style)]


def _at_least(count: int, hidden: bool) -> str:
    """Where states are hidden from us a count is a lower bound, and none is unknown."""
    if not hidden:
        return str(count)
    return f"≥{count}" if count else "?"


def _churn(churn: Churn | None) -> list[Cell]:
    """Opened always, the bad endings only when there are any."""
    if churn is None or churn.opened is None:
        return []
    cells = [Cell(f"opened {churn.opened:.1f}/s   ", "dim")]
    for title, rate in (("killed", churn.killed), ("abandoned", churn.abandoned), ("fatal", churn.fatal)):
        if rate:
            cells.append(Cell(f"{title} {rate:.1f}/s   ", "warning"))
    return cells


def notice_line(
    snapshot: Snapshot,
    largest: Group | None,
    per_minute: float | None,
    status: ScreenStatus,
    history: History | None = None,
    width: int | None = None,
    leaks: Sequence[Leak] = (),
) -> list[Cell]:
    """The one thing worth saying now: trouble, who came back after a kill, a leak, what we may not see, who grows."""
    server = snapshot.server
    if status.trouble:
        return [Cell(f" {status.trouble}", "critical")]
    if status.comeback is not None:
        return comebacks.notice(status.comeback, width)
    if flood := door_banner.newcomers_line(snapshot):
        return flood
    if leaks:
        return _leak(leaks, status, width)
    hidden = sum(map(may_hold_slot, filter(attrgetter("hidden"), snapshot.backends)))
    if hidden:
        grants = "pg_monitor" if status.read_only else "pg_monitor, pg_signal_backend"
        text = f"{hidden} sessions of other roles are hidden from {server.role}"
        return [Cell(f" {text}: GRANT {grants} TO {identifier(server.role) or server.role}", "warning")]
    if server.pooled:
        return [Cell(" Behind a pooler: these are the pool's server connections, not the applications' own", "warning")]
    if history is not None and history.leak_signature():
        churn = history.churn()
        rate = f" at {churn.transactions:.0f}/s" if churn else ""
        text = f" Connections climb while transactions stay flat{rate}: the mark of a leak"
        return [Cell(text, "warning"), Cell(_holds(largest, per_minute, "; ", None), "dim")]
    return [Cell(_holds(largest, per_minute, " ", width), "dim")]


#: At the end of the line that tells of a leak: the key that explains it.
DIAGNOSE = (Cell("d", "key"), Cell(" diagnose ", "dim"))


def _leak(leaks: Sequence[Leak], status: ScreenStatus, width: int | None) -> list[Cell]:
    """The worst leak, cut so that the key at the end of the line stays; one look has no keys."""
    others = f"   and {len(leaks) - 1} more" if len(leaks) > 1 else ""
    head, sentence = " Leak: ", one_line(leaks[0].sentence)
    if status.interval_s is None or width is None:
        return [Cell(head, "leak"), Cell(sentence, "warning"), Cell(others, "dim")]
    room = width - len(head) - len(others) - _length(list(DIAGNOSE)) - 2
    if len(sentence) > room:
        sentence = f"{sentence[: max(0, room - 1)]}…"
    gap = " " * max(2, width - len(head) - len(sentence) - len(others) - _length(list(DIAGNOSE)))
    return [Cell(head, "leak"), Cell(sentence, "warning"), Cell(others, "dim"), Cell(gap), *DIAGNOSE]


def _holds(largest: Group | None, per_minute: float | None, before: str, width: int | None) -> str:
    """Who holds most, on `width` cells: the name is abbreviated, and what is said of its sessions goes first."""
    if largest is None or largest.count < 2:
        return ""
    growth = f", {format.rate(per_minute)}/min" if per_minute is not None and abs(per_minute) >= FLAT_PER_MINUTE else ""
    idle = f"; {largest.idle} idle" if largest.idle else ""
    oldest = f", oldest {format.duration(largest.oldest_idle_s)}" if largest.oldest_idle_s else ""
    holds = f" holds {largest.count} slots ({100 * largest.share:.0f} %){growth}"
    name = one_line(largest.name)
    if width is None:
        return f"{before}{name}{holds}{idle}{oldest}"
    for tail in (f"{idle}{oldest}", idle, ""):
        room = width - format.cell_count(f"{before}{holds}{tail}")
        if room >= min(format.cell_count(name), NAME_AT_LEAST):
            break
    return f"{before}{format.abbreviated(name, max(1, room))}{holds}{tail}"


def clock(at: float) -> str:
    """Local time of an instant of the server's clock."""
    return moment(at).strftime("%H:%M:%S")


def _about(seconds: float) -> str:
    """A rough duration: nobody needs the seconds of an estimate."""
    if seconds < 90:
        return f"{max(1, round(seconds / 10)) * 10} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} d"


def _length(cells: list[Cell]) -> int:
    return sum(format.cell_count(cell.text) for cell in cells)


def _dropping(cells: list[Cell], width: int, order: tuple[int, ...]) -> list[Cell]:
    """The cells that fit: those at the indices of `order` are left out, one after the other, while it is too long."""
    left_out: set[int] = set()
    for index in order:
        kept = [cell for number, cell in enumerate(cells) if number not in left_out]
        if _length(kept) <= width:
            return kept
        left_out.add(index)
    return [cell for number, cell in enumerate(cells) if number not in left_out]
