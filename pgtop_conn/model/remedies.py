"""What to do about a finding: texts to copy, with this server's numbers, valid on its version. Nothing is ever run."""

from __future__ import annotations

from pgtop_conn.model.findings import Case, Finding, Remedy


def remedies_for(finding: Finding, case: Case) -> tuple[Remedy, ...]:
    """Emergency steps first, then what keeps it from coming back."""
    return ()
