"""What `check` measures, and its line as monitoring plugins print it. Add a metric: an entry in METRICS.

The format is that of the Monitoring Plugins Development Guidelines: one line of text, then performance data behind `|`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite

from pgtop_conn.model.slots import Limit, SlotBudget, may_hold_slot
from pgtop_conn.model.snapshot import HIDDEN_STATE, HOST_DOOR, IDLE, TRANSACTION_STATES, Backend, Snapshot
from pgtop_conn.model.text import clean
from pgtop_conn.model.thresholds import Range
from pgtop_conn.view.format import duration

SERVICE = "PGTOP_CONN"
#: A limit whose use is worth a word, as on the screen.
LIMIT_SHARE = 0.8
#: Limits in the performance data; of more only those that are worth a word.
MOST_LIMITS = 20


class PluginStatus(IntEnum):
    """A plugin's states by their exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """One poll; `matching` counts the sessions in a slot that match the filter, and is None without one."""

    snapshot: Snapshot
    budget: SlotBudget
    matching: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One number. `of` gives None where the role may not know it; `most` is the largest there can be."""

    help: str
    of: Callable[[Checked], float | None]
    unit: str = ""
    most: Callable[[Checked], float | None] = lambda _checked: None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Ranges by the names of METRICS."""

    warning: Mapping[str, Range]
    critical: Mapping[str, Range]


def _in_transaction(checked: Checked) -> float | None:
    states = checked.budget.states
    return None if HIDDEN_STATE in states else sum(states.get(state, 0) for state in TRANSACTION_STATES)


def _oldest_idle(checked: Checked) -> float | None:
    """0 where nobody is idle; by titles of processes only what was watched is known."""
    return _oldest(checked, Backend.idle_s)


def _oldest_unused(checked: Checked) -> float | None:
    """The same, by the last statement: a keep-alive without a statement doesn't make it young."""
    return _oldest(checked, Backend.unused_s)


def _oldest(checked: Checked, age_of: Callable[[Backend, float], float | None]) -> float | None:
    if checked.snapshot.server.door == HOST_DOOR:
        return None
    states = checked.budget.states
    at = checked.snapshot.taken_at
    ages = [age_of(backend, at) for backend in checked.snapshot.backends if may_hold_slot(backend)]
    known = [age for age in ages if age is not None]
    hidden = HIDDEN_STATE in states or (not known and any(states.get(state) for state in (IDLE, *TRANSACTION_STATES)))
    return None if hidden else max(known, default=0.0)


def _limit_percent(checked: Checked) -> float | None:
    """0 where there is no limit; from the host none is known, nor where limits are not ours to read."""
    server = checked.snapshot.server
    if server.door == HOST_DOOR or server.lacks("pg_roles") or server.lacks("pg_database"):
        return None
    return max((100.0 * limit.share for limit in _open_limits(checked)), default=0.0)


def _open_limits(checked: Checked) -> list[Limit]:
    """Tightest first. A limit of 0 keeps a role out on purpose, and is no alarm."""
    return [limit for limit in checked.budget.limits if limit.limit]


def _near_limits(checked: Checked) -> tuple[list[Limit], int]:
    """Limits for the performance data, by their names, and how many are left out: all, or those near their end.

    A line of 3,000 limits is cut off by those that read it, in the middle of one.
    """
    limits = checked.budget.limits
    if len(limits) > MOST_LIMITS:
        tightest = sorted(_open_limits(checked), key=lambda one: (-one.share, one.kind, one.name))
        limits = tuple(limit for limit in tightest[:MOST_LIMITS] if limit.share >= LIMIT_SHARE)
    return sorted(limits, key=lambda one: (one.kind, one.name)), len(checked.budget.limits) - len(limits)


METRICS: dict[str, Metric] = {
    "used": Metric("slots in use", lambda c: c.budget.used, most=lambda c: c.budget.max),
    "used_percent": Metric("slots in use, in per cent of what ordinary roles may use", lambda c: c.budget.percent, "%"),
    "ordinary_free": Metric(
        "further logins of ordinary roles that would succeed",
        lambda c: c.budget.ordinary_free,
        most=lambda c: c.budget.capacity,
    ),
    "idle_in_transaction": Metric("sessions idle in a transaction, aborted ones included", _in_transaction),
    "oldest_idle": Metric("seconds that the session idle for the longest is idle, 0 where none is", _oldest_idle, "s"),
    "oldest_unused": Metric(
        "seconds since the last statement of the idle session that has been without one for longest, 0 if none is idle",
        _oldest_unused,
        "s",
    ),
    "limit_percent": Metric(
        "the fullest CONNECTION LIMIT above 0 of a role or a database, in per cent", _limit_percent, "%"
    ),
    "matching": Metric("sessions in a slot that --filter matches", lambda c: c.matching),
}


def plugin_line(checked: Checked, thresholds: Thresholds) -> tuple[str, PluginStatus]:
    """The line without its end, and the state it stands for."""
    values = {name: _rounded(metric.of(checked)) for name, metric in METRICS.items()}
    if checked.matching is None:
        del values["matching"]
    status, reasons = _judged(values, thresholds)
    data = [_datum(name, values[name], checked, thresholds) for name in values]
    near, far = _near_limits(checked)
    data += [_limit_datum(limit) for limit in near]
    if far:
        data.append(f"limits_left_out={far};;;0")
    return f"{said(status, '; '.join([*reasons, _summary(checked, values)]))}|{' '.join(data)}", status


def said(status: PluginStatus, text: str) -> str:
    """A plugin's text: the first line of it, and nothing that would begin the performance data."""
    first = clean(text.partition("\n")[0]).replace("|", "¦")
    return f"{SERVICE} {status.name} - {first}"


def _judged(values: Mapping[str, float | None], thresholds: Thresholds) -> tuple[PluginStatus, list[str]]:
    """The worst of all; what can't be known is UNKNOWN only where nothing that is known alerts."""
    status, reasons = PluginStatus.OK, []
    blind = []
    for name, value in values.items():
        for level in (PluginStatus.CRITICAL, PluginStatus.WARNING):
            wanted = (thresholds.critical if level is PluginStatus.CRITICAL else thresholds.warning).get(name)
            if wanted is None:
                continue
            if value is None:
                blind.append(f"{name} can't be seen by this role")
                break
            if wanted.alerts(value):
                status = max(status, level)
                reasons.append(f"{name} {_number(value)}{METRICS[name].unit} ({level.name.lower()} {wanted.text})")
                break
    return (PluginStatus.UNKNOWN if blind and status is PluginStatus.OK else status), [*reasons, *blind]


def _summary(checked: Checked, values: Mapping[str, float | None]) -> str:
    budget = checked.budget
    parts = [
        f"{'' if budget.exact else 'at most '}{budget.used} of {budget.max} slots used",
        f"{'' if budget.exact else 'at least '}{budget.ordinary_free} free for ordinary roles",
    ]
    if values["idle_in_transaction"] is not None:
        parts.append(f"{_number(values['idle_in_transaction'])} idle in transaction")
    if values["oldest_idle"]:
        parts.append(f"oldest idle {duration(values['oldest_idle'])}")
    tightest = _open_limits(checked)[:1]
    parts += [f"{one.kind} {one.name} {one.used}/{one.limit}" for one in tightest if one.share >= LIMIT_SHARE]
    if checked.matching is not None:
        parts.append(f"{checked.matching} matching the filter")
    return ", ".join(parts)


def _datum(name: str, value: float | None, checked: Checked, thresholds: Thresholds) -> str:
    metric = METRICS[name]
    ranges = (thresholds.warning.get(name), thresholds.critical.get(name))
    wanted = ["" if one is None else one.text for one in ranges]
    most = metric.most(checked)
    ends = [] if metric.unit == "%" else ["0", "" if most is None else _number(most)]
    told = "U" if value is None else f"{_number(value)}{metric.unit}"
    return ";".join([f"{name}={told}", *wanted, *ends]).rstrip(";")


def _limit_datum(limit: Limit) -> str:
    return f"'{limit.kind} {label(limit.name)}'={limit.used};;;0;{limit.limit}"


def label(name: str) -> str:
    """A name from the server for use in a quoted label: what ends a label, or the data, is percent-encoded.

    Doubled quotes would be right by the guidelines, but not every reader knows them; two names never become one.

    >>> label("o'brien=50%|x")
    'o%27brien%3D50%25%7Cx'
    """
    return "".join(f"%{ord(char):02X}" if char in "'=|%" else char for char in clean(name))


def _rounded(value: float | None) -> float | None:
    """As it is printed: whoever compares the printed value with the range must come to the same verdict."""
    return round(value, 2) if value is not None and isfinite(value) else None


def _number(value: float | None) -> str:
    """In the C locale, without an exponent or trailing zeros.

    >>> _number(61.0), _number(85.57), _number(0.5)
    ('61', '85.57', '0.5')
    """
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def help_lines() -> Sequence[str]:
    """The metrics as --help lists them."""
    return [f"  {name:<20} {metric.help}" for name, metric in METRICS.items()]
