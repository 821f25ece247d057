"""Everything known of one session, a fact a line."""

from __future__ import annotations

from pgtop_conn.model.causes.lock_waits import blocker_name
from pgtop_conn.model.filters.language import NO_TAGS, Tags
from pgtop_conn.model.instants import moment
from pgtop_conn.model.signalling.guards import Care, Judgement, Policy, judge, refused
from pgtop_conn.model.snapshot import Backend, Role, Snapshot, age
from pgtop_conn.model.source import Action
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.dialogs import sql_highlight
from pgtop_conn.view.table.columns import STATE_STYLES, Cell

#: Cells of the names on the left.
LABEL_WIDTH = 14

#: Of a query; breaking 1 MiB into lines takes seconds.
SHOWN_CHARACTERS = 20_000

CARE_WORDS = {
    Care.ALLOW: ("allowed", "ok"),
    Care.CONFIRM: ("asked about", "warning"),
    Care.TYPE_ROLE: ("the role's name is typed", "warning"),
    Care.REFUSE: ("refused", "protected"),
}

Row = list[Cell]

_BY_TITLE = "not known: the title of its process does not tell"


def detail(backend: Backend, snapshot: Snapshot, policy: Policy, tags: Tags = NO_TAGS) -> list[Row]:
    """The rows above the query; `snapshot` is the last one the session was in, and `tags` are of that one."""
    return [
        *_identity(backend, snapshot),
        *_tags(backend, tags),
        [],
        *_times(backend, snapshot.taken_at),
        [],
        *_transaction(backend, snapshot),
        [],
        *_guard(backend, snapshot, policy),
    ]


def query_rows(backend: Backend) -> list[Row]:
    """The query as it was sent, line by line, as far as anybody reads."""
    query_id = "" if backend.query_id is None else f"   query_id {backend.query_id}"
    heading = [Cell("Query" if backend.state == "active" else "Last query", "header"), Cell(query_id, "dim")]
    if not backend.query:
        return [heading, [Cell(f"  {_BY_TITLE if backend.by_title else 'none'}", "faint")]]
    shown = backend.query[:SHOWN_CHARACTERS]
    rows = [heading, *([Cell("  "), *line] for line in sql_highlight.lines(shown))]
    if more := len(backend.query) - len(shown):
        rows.append([Cell(f"  … {more} more characters; y copies the whole query", "faint")])
    return rows


def _fact(label: str, *cells: Cell | str) -> Row:
    values = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
    return [Cell(f"{label:<{LABEL_WIDTH}}", "dim"), *values]


def _identity(backend: Backend, snapshot: Snapshot) -> list[Row]:
    port = f":{backend.client_port}" if backend.client_port and backend.client_port > 0 else ""
    rows = [
        _fact("process", Cell(str(backend.pid), "count"), f"  {backend.backend_type or 'type hidden'}"),
        _fact("role", backend.role or "none", Cell(_role_facts(snapshot.roles.get(backend.role_oid)), "dim")),
        _fact("database", backend.database or "none"),
        _fact("application", backend.whole_app or Cell("none", "faint")),
        _fact("client", f"{backend.client}{port}" or Cell("unknown", "faint"), _encryption(backend)),
    ]
    if backend.leader_pid:
        rows.append(_fact("leader", f"parallel worker of {backend.leader_pid}"))
    return rows


def _tags(backend: Backend, tags: Tags) -> list[Row]:
    """Whose it is, where a label says so, and why it looks leaked."""
    source, leak = one_line(tags.source(backend)), tags.leak.get(backend.key)
    rows = [_fact("source", source)] if source else []
    return rows + ([_fact("leak", Cell(one_line(leak), "leak"))] if leak else [])


def _encryption(backend: Backend) -> Cell:
    if backend.ssl is None or backend.client == "local":
        return Cell("")
    return Cell("  encrypted" if backend.ssl else "  not encrypted", "dim")


def _role_facts(role: Role | None) -> str:
    if role is None:
        return ""
    facts = [
        name
        for name, holds in (
            ("superuser", role.superuser),
            ("replication", role.replication or role.replication_member),
            ("may use reserved slots", role.uses_reserved),
            (f"at most {role.connection_limit} connections", role.connection_limit >= 0),
        )
        if holds
    ]
    return f"  {', '.join(facts)}" if facts else ""


def _times(backend: Backend, at: float) -> list[Row]:
    state = backend.state or ("hidden" if backend.hidden else "none")
    kept = ", kept alive without a statement" if backend.kept_alive else ""
    return [
        _fact("state", Cell(state, STATE_STYLES.get(state, "")), Cell(_since(backend.state_change, at) + kept, "dim")),
        _fact("wait", backend.wait or Cell("does not wait", "faint")),
        _fact("connected", _moment(backend.key.backend_start, at)),
        _fact("transaction", Cell(_BY_TITLE, "faint") if backend.by_title else _moment(backend.xact_start, at)),
        _fact("query began", Cell(_BY_TITLE, "faint") if backend.by_title else _moment(backend.query_start, at)),
    ]


def _moment(since: float | None, at: float) -> Cell:
    return Cell("none", "faint") if since is None else Cell(_since(since, at).strip())


def _since(since: float | None, at: float) -> str:
    if since is None:
        return ""
    clock = moment(since).strftime("%Y-%m-%d %H:%M:%S")
    return f"  since {clock}, for {format.duration(age(at, since))}"


def _transaction(backend: Backend, snapshot: Snapshot) -> list[Row]:
    wrote = Cell("has written; ending it rolls back", "warning") if backend.wrote else Cell("nothing", "faint")
    xmin = Cell("held back by its snapshot", "warning") if backend.holds_xmin else Cell("not held back", "faint")
    waiters = [other for other in snapshot.backends if backend.pid in other.blocked_by]
    rows = [_fact("written", wrote), _fact("vacuum", xmin)]
    if backend.blocked_by:
        rows.append(_fact("blocked by", Cell(_named(backend.blocked_by, snapshot), "blocked")))
    if waiters:
        rows.append(_fact("blocks", Cell(_named([other.pid for other in waiters], snapshot), "blocked")))
    return rows


def _named(pids: list[int] | tuple[int, ...], snapshot: Snapshot) -> str:
    """'4711 (billing, idle in transaction)', at most five."""
    parts = []
    for pid in pids[:5]:
        found = snapshot.find(pid)
        parts.append(f"{pid} ({found.role}, {found.state})" if found else blocker_name(pid))
    rest = len(pids) - len(parts)
    return ", ".join(parts) + (f" and {rest} others" if rest else "")


def _guard(backend: Backend, snapshot: Snapshot, policy: Policy) -> list[Row]:
    rows = [
        *_verdict("terminate", judge(backend, snapshot, policy)),
        *_verdict("in bulk", judge(backend, snapshot, policy, bulk=True)),
    ]
    reasons = refused(Action.CANCEL, backend, judge(backend, snapshot, policy))
    rows.append(_fact("cancel", Cell(reasons[-1], "dim") if reasons else Cell("ends the running query", "ok")))
    return rows


def _verdict(label: str, verdict: Judgement) -> list[Row]:
    words, style = CARE_WORDS[verdict.care]
    rows = [_fact(label, Cell(words, style))]
    rows += [_fact("", Cell(f"- {reason}", "dim")) for reason in verdict.reasons]
    return rows
