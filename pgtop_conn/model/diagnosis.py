"""diagnose(): the causes that hold, most important first, each with evidence. Add a cause: one entry in CAUSES."""

from __future__ import annotations

from pgtop_conn.model.findings import Case, Finding


def diagnose(case: Case) -> tuple[Finding, ...]:
    """Every cause that holds, with its remedies; () when nothing is wrong."""
    return ()
