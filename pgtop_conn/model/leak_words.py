"""A leak in words: its evidence as plain data, one sentence with its numbers, and one for each session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pgtop_conn.model.cohort import Cohort, Statement, statement_of
from pgtop_conn.model.redact import shape
from pgtop_conn.model.snapshot import TRANSACTION_STATES, Backend, BackendKey

#: Longer statements are cut in the evidence, and in a sentence.
STATEMENT_LENGTH = 200
SENTENCE_STATEMENT_LENGTH = 60
#: Clients named in the evidence.
CLIENTS = 20

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
#: Round durations that a sentence names.
_ROUND_S = (
    *(1, 2, 3, 5, 10, 15, 20, 30, 45),
    *(minutes * _MINUTE_S for minutes in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(hours * _HOUR_S for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY_S for days in (1, 2, 3, 7, 14, 30)),
)
#: The sentence names the longest duration that this share of the sessions has been idle for.
_MOST = 0.6


def span(seconds: float) -> str:
    """A duration in words, rounded down.

    >>> [span(seconds) for seconds in (0.4, 45, 125, 4000, 7200, 200_000)]
    ['0.4 s', '45 s', '2 min', '1 h 06 min', '2 h', '2 days']
    """
    whole = int(seconds)
    if whole < 1:
        return f"{int(seconds * 10) / 10} s"
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < 2 * _DAY_S:
        minutes = whole % _HOUR_S // _MINUTE_S
        return f"{whole // _HOUR_S} h" + (f" {minutes:02} min" if minutes else "")
    return f"{whole // _DAY_S} days"


def cut(text: str, length: int) -> str:
    """At most so many characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def brief(statement: str) -> str:
    """A statement as a sentence names it: what a query selects is left out before where it selects from.

    >>> brief("SELECT id, order_id, total_cents FROM invoices WHERE status = ? AND due_on < current_date")
    'SELECT … FROM invoices WHERE status = ? AND due_on < curren…'
    """
    begin, found, rest = statement.partition(" FROM ")
    if found and begin.upper().startswith("SELECT ") and len(begin) > len("SELECT …"):
        statement = f"SELECT … FROM {rest}"
    return cut(statement, SENTENCE_STATEMENT_LENGTH)


def evidence_of(cohort: Cohort, sessions: Sequence[Backend], used: int) -> dict[str, object]:
    """Plain JSON data, without the score; `sessions` are those that look leaked. Times are seconds."""
    at = cohort.at
    idle = sorted((backend.idle_s(at) or 0.0 for backend in sessions), reverse=True)
    over_s = _over(idle)
    statements = Counter(map(statement_of, sessions))
    statement, count = min(statements.items(), key=lambda item: (-item[1], str(item[0])))
    growth, estimated = _growth(cohort)
    in_transaction = [backend for backend in sessions if backend.state in TRANSACTION_STATES]
    return {
        "app": cohort.pool.app,
        "role": cohort.pool.role,
        "database": cohort.pool.database,
        "count": cohort.size,
        "used": used,
        "per_minute": growth,
        # True where the growth is told from when the sessions began, and not from several polls.
        "per_minute_estimated": estimated,
        "sessions": len(sessions),
        "idle_over_s": over_s,
        "idle_over": sum(seconds > over_s for seconds in idle),
        "statement": _text(statement, sessions),
        "statement_share": round(count / len(sessions), 3),
        "used_once": cohort.once,
        "never_queried": sum(backend.never_queried for backend in sessions),
        "in_transaction": len(in_transaction),
        "holds_xmin": sum(backend.holds_xmin for backend in in_transaction),
        "wrote": sum(backend.wrote for backend in in_transaction),
        "oldest_idle_s": round(idle[0], 3),
        "habit_s": cohort.known_gap_s,
        "watched_s": round(cohort.habit.watched_s, 3),
        "clients": dict(cohort.clients.most_common(CLIENTS)),
        "full": cohort.full,
    }


def _growth(cohort: Cohort) -> tuple[float | None, bool]:
    if cohort.growth is not None:
        return round(cohort.growth, 2), False
    pace_s = cohort.arrivals.pace_s
    return (round(60.0 / pace_s, 2), True) if pace_s and not cohort.full else (None, True)


def _over(idle: Sequence[float]) -> float:
    """The longest round duration that most of them, the longest first, have been idle for; 0 below a second."""
    least_s = idle[max(0, int(_MOST * len(idle)) - 1)]
    return float(max((seconds for seconds in _ROUND_S if seconds < least_s), default=0))


def _text(statement: Statement, sessions: Sequence[Backend]) -> str:
    """The normalised text of a statement; of one query_id that of the session that comes first by its text."""
    if isinstance(statement, str):
        return cut(statement, STATEMENT_LENGTH)
    return cut(min(shape(b.query) for b in sessions if b.query_id == statement), STATEMENT_LENGTH)


def sentence_of(evidence: Mapping[str, object], shared_name: bool) -> str:
    """One sentence with its numbers; `shared_name`: another pool has the same application_name."""
    app, count, used = str(evidence["app"]), evidence["count"], evidence["used"]
    name = app or "the application without a name"
    if shared_name or not app:
        name = f"{name} ({evidence['role']} in {evidence['database']})"
    return f"{name} holds {count} of {used}{_grows(evidence)}; {_idle(evidence)}{_statement(evidence)}"


def _grows(evidence: Mapping[str, object]) -> str:
    growth = evidence["per_minute"]
    if not isinstance(growth, float) or growth <= 0:
        return ""
    return f", +{growth:.1f}/min" + (" by their start times" if evidence["per_minute_estimated"] else "")


def _idle(evidence: Mapping[str, object]) -> str:
    over_s, over, sessions = evidence["idle_over_s"], evidence["idle_over"], evidence["sessions"]
    in_transaction, waiting = evidence["in_transaction"], evidence["holds_xmin"]
    assert isinstance(over_s, float)
    if evidence["never_queried"] == sessions:
        return f"{sessions} never ran a query, the first for {span(_number(evidence['oldest_idle_s']))}"
    state = "idle"
    if in_transaction == sessions:
        state = "idle in transaction"
    text = f"{over} {state} > {span(over_s)}" if over_s else f"{sessions} {state}"
    if in_transaction and in_transaction != sessions:
        text += f", {in_transaction} of {sessions} in a transaction"
    return f"{text}, {waiting} hold back vacuum" if waiting else text


def _number(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _statement(evidence: Mapping[str, object]) -> str:
    statement, share = str(evidence["statement"]), _number(evidence["statement_share"])
    if not statement or evidence["never_queried"] == evidence["sessions"] or share < 0.5:
        return ""
    most = "all" if share == 1.0 else f"{int(100 * share)} %"
    return f", {most} last ran {brief(statement)}"


def session_sentences(cohort: Cohort, sessions: Sequence[Backend]) -> dict[BackendKey, str]:
    """What speaks against each session, with its numbers."""
    statements = Counter(map(statement_of, sessions))
    return {backend.key: _session(backend, cohort, statements) for backend in sessions}


def _session(backend: Backend, cohort: Cohort, statements: Counter[Statement]) -> str:
    idle_s, start, since = backend.idle_s(cohort.at) or 0.0, backend.key.backend_start, backend.state_change
    if backend.never_queried:
        return f"never ran a query in {span(idle_s)}, like {statements[''] - 1} others of its pool"
    where = "idle in transaction" if backend.state in TRANSACTION_STATES else "idle"
    parts = [f"{where} {span(idle_s)}"]
    if start is not None and since is not None and since - start <= 0.1 * (cohort.at - start):
        parts[0] += ", used once at its start"
    elif cohort.known_gap_s is not None:
        parts[0] += f", where its pool takes one up again after {span(cohort.known_gap_s)}"
    others = statements[statement_of(backend)] - 1
    if others:
        parts.append(f"its last statement is that of {others} other{'s' if others > 1 else ''}")
    if backend.holds_xmin or backend.wrote:
        parts.append("its transaction " + ("has written" if backend.wrote else "holds back vacuum"))
    return "; ".join(parts)
