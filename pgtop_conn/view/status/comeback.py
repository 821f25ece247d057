"""They came back, in words, and the statement that keeps them out. Nothing is sent from here."""

from __future__ import annotations

from pgtop_conn.model.lazy_regex import later
from pgtop_conn.model.signalling.comeback import Comeback
from pgtop_conn.model.text import one_line
from pgtop_conn.view import format
from pgtop_conn.view.table.columns import Cell

#: Clients named before the rest is summed up.
CLIENTS_NAMED = 2

#: What clean() puts in the place of other characters: such a name may not be the role's real one.
_REPLACED = later("[\u2400-\u2421\ufffd]")


def refills(comeback: Comeback) -> bool:
    """Whether so many came back that ending them again would only repeat it."""
    return comeback.count * 2 >= comeback.killed


def sentence(comeback: Comeback) -> str:
    """'18 of 20 came back in 4 s from 10.2.0.7: the pool refills; limit the role or stop the deploy'."""
    advice = ": the pool refills; limit the role or stop the deploy" if refills(comeback) else ""
    return f"{_what(comeback)}{advice}"


def notice(comeback: Comeback, width: int | None) -> list[Cell]:
    """The line above the table; advice and key are shortened before anything is cut off."""
    offered = bool(limit_sql(comeback))
    key = [Cell("   L", "key"), Cell(" copies the limit", "dim")] if offered else []
    row = [Cell(f" {sentence(comeback)}", "warning"), *key]
    if width is None or sum(len(cell.text) for cell in row) <= width:
        return row
    short = ": the pool refills" if refills(comeback) else ""
    return [Cell(f" {_what(comeback)}{short}", "warning"), *key[:1], *([Cell(" limit", "dim")] if offered else [])]


def limit_sql(comeback: Comeback) -> str:
    """ALTER ROLE for each role that came back, at what it holds now; '' where no name can be quoted with certainty."""
    return "\n".join(
        f"ALTER ROLE {_quoted(role)} CONNECTION LIMIT {max(1, held):d};"
        for role, held in comeback.roles
        if role and not _REPLACED.search(role)
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _what(comeback: Comeback) -> str:
    clients = [one_line(client) or "unknown" for client, _ in comeback.clients]
    named = ", ".join(clients[:CLIENTS_NAMED])
    more = f" and {len(clients) - CLIENTS_NAMED} more" if len(clients) > CLIENTS_NAMED else ""
    return f"{comeback.count} of {comeback.killed} came back in {_seconds(comeback.seconds)} from {named}{more}"


def _seconds(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 60 else format.duration(seconds)
