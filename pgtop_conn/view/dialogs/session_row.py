"""One session as a row of a dialog: its process, whose it is, and what is said of it."""

from __future__ import annotations

from pgtop_conn.model.snapshot import Backend
from pgtop_conn.model.source import Target
from pgtop_conn.model.text import one_line
from pgtop_conn.view.table.columns import Cell


def pid_cell(pid: int, style: str = "count") -> Cell:
    """The number of its process, and the gap behind it."""
    return Cell(f"{pid:>8}  ", style)


def who(session: Backend | Target) -> str:
    """Its role, application and client."""
    return f"{one_line(session.role)}  {one_line(session.app)}  {session.client}"


def remarked(session: Backend | Target, style: str, remark: str, remark_style: str) -> list[Cell]:
    """A session that nothing is done to, and why."""
    return [pid_cell(session.key.pid, style), Cell(who(session), style), Cell(f"  {remark}", remark_style)]
