"""A leak in words: its evidence as plain data, one sentence with its numbers, and one for each session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgtop_conn.model.leaks.births import Life
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.staircase import Statement, dominant, statement_of
from pgtop_conn.model.redaction.literals import shape
from pgtop_conn.model.snapshot import ACTIVE, TRANSACTION_STATES, Backend, BackendKey

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


@dataclass(frozen=True, slots=True, eq=False)
class LeakFacts:
    """What a leak is told from: one pool, all its sessions, those that are lost, and what was seen of them."""

    pool: Pool
    at: float
    members: Sequence[Backend]
    sessions: Sequence[Life]
    mistake: str
    certainty: str
    score: float
    #: Sessions per minute as the polls saw it; None: too little history. Otherwise the seconds between two births,
    #: endless where they have stopped.
    growth: float | None
    pace_s: float | None
    #: Slots in use, of the whole server.
    used: int
    #: Seconds since it was found first; None for what is only suspected.
    since_s: float | None
    watched_s: float
    #: How long this pool leaves a session that it takes up again, as far as that was seen.
    habit_s: float | None


def evidence_of(told: LeakFacts) -> dict[str, object]:
    """Plain JSON data; times are seconds."""
    at, sessions = told.at, [life.backend for life in told.sessions]
    idle = sorted((at - life.used for life in told.sessions), reverse=True)
    over_s = _over(idle)
    statement, share = dominant(sessions)
    in_transaction = [backend for backend in sessions if backend.state in TRANSACTION_STATES]
    return {
        "app": told.pool.app,
        "role": told.pool.role,
        "database": told.pool.database,
        "verdict": told.certainty,
        "mistake": told.mistake,
        "since_s": None if told.since_s is None else round(told.since_s, 3),
        "count": len(told.members),
        "used": told.used,
        "per_minute": round(told.growth, 2) if told.growth is not None else _by_start_times(told.pace_s),
        # True where the growth is told from when the sessions began, and not from several polls.
        "per_minute_estimated": told.growth is None,
        "sessions": len(sessions),
        "idle_over_s": over_s,
        "idle_over": sum(seconds > over_s for seconds in idle),
        "passed_over": max((life.passed for life in told.sessions), default=0),
        "statement": _text(statement, sessions),
        "statement_share": round(share, 3),
        "never_queried": sum(backend.never_queried for backend in sessions),
        "in_transaction": len(in_transaction),
        "unread_results": sum(backend.state == ACTIVE for backend in sessions),
        "holds_xmin": sum(backend.holds_xmin for backend in in_transaction),
        "wrote": sum(backend.wrote for backend in in_transaction),
        "oldest_idle_s": round(idle[0], 3),
        "habit_s": told.habit_s,
        "watched_s": round(told.watched_s, 3),
        "clients": dict(Counter(backend.client for backend in told.members).most_common(CLIENTS)),
        "score": round(told.score, 3),
    }


def _by_start_times(pace_s: float | None) -> float | None:
    return round(60.0 / pace_s, 2) if pace_s else None


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
    return (
        f"{name} holds {count} of {used}{_grows(evidence)}; {_idle(evidence)}{_statement(evidence)}{_spares(evidence)}"
    )


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
    if evidence["unread_results"] == sessions:
        state = "waiting for the client in the middle of a result"
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


def _spares(evidence: Mapping[str, object]) -> str:
    """What of a mixed pool is not leaked."""
    count, sessions = evidence["count"], evidence["sessions"]
    assert isinstance(count, int)
    assert isinstance(sessions, int)
    rest = count - sessions
    return f"; {rest} other{'s' if rest > 1 else ''} in use" if rest > max(2, sessions // 4) else ""


def session_sentences(told: LeakFacts) -> dict[BackendKey, str]:
    """What speaks against each session, with its numbers."""
    statements = Counter(statement_of(life.backend) for life in told.sessions)
    return {life.backend.key: _session(life, told, statements) for life in told.sessions}


def _session(life: Life, told: LeakFacts, statements: Counter[Statement]) -> str:
    backend, idle_s = life.backend, told.at - life.used
    others = statements[statement_of(backend)] - 1
    if backend.never_queried:
        return f"never ran a query in {span(idle_s)}, like {others} others of its pool"
    where = "idle in transaction" if backend.state in TRANSACTION_STATES else "idle"
    if backend.state == ACTIVE:
        where = "waiting for its client to read a result"
    parts = [f"{where} for {span(idle_s)}"]
    if life.passed:
        parts.append(f"{life.passed} session{'s' if life.passed > 1 else ''} opened since it was last used")
    if others:
        parts.append(f"same last statement as {others} other{'s' if others > 1 else ''}")
    if backend.holds_xmin or backend.wrote:
        parts.append("its transaction " + ("has written" if backend.wrote else "holds back vacuum"))
    return "; ".join(parts)
