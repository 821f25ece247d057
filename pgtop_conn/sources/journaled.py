"""Journaled: a Source that writes every signal and how it ended to a journal of JSON lines, then passes it on.

Three kinds of lines: `asked` (before anything is sent), `sent` (what the server said) and `settled` (how the session
ended, as the campaign found that sent the signal). The file is created 0600 and only ever appended to.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pgtop_conn.model.facts import Facts
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Target
from pgtop_conn.model.text import clean
from pgtop_conn.storage import journal_file
from pgtop_conn.view.format import iso

log = logging.getLogger(__name__)

#: Characters of what was typed, and of what a server said: a line has a bound, so that a reader may have one.
_TEXT_MOST = 4000


class Journaled:
    """A Source around another one. A journal that can't be written never stops a rescue: the outcome says so."""

    def __init__(self, source: Source, journal: Path) -> None:
        self._source = source
        self._journal = journal
        self._last: Snapshot | None = None

    async def poll(self) -> Snapshot:
        """Poll; the lines tell of the server and its slots as they were then."""
        self._last = await self._source.poll()
        return self._last

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """Write down what is asked, pass it on, write down each answer."""
        failures = {self._write("asked", action, target) for target in targets}
        outcomes = await self._source.signal(action, targets)
        for outcome in outcomes:
            failures.add(self._write("sent", action, outcome.target, str(outcome.status), outcome.detail))
        failure = next((text for text in failures if text), "")
        return [_noted(outcome, failure) for outcome in outcomes] if failure else outcomes

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Write down how the session ended."""
        self._write("settled", action, outcome.target, str(outcome.status), outcome.detail)
        self._source.settle(action, outcome)

    async def facts(self) -> Facts:
        """Pass the question on."""
        return await self._source.facts()

    async def close(self) -> None:
        """End the session."""
        await self._source.close()

    def _write(self, event: str, action: Action, target: Target, status: str = "", detail: str = "") -> str:
        """Append one line; what went wrong, or ''."""
        line = json.dumps(self._line(event, action, target, status, detail), ensure_ascii=False)
        try:
            journal_file.append(self._journal, line)
        except OSError as error:
            log.warning("journal %s: %s", self._journal, error)
            return f"the journal was not written: {error.strerror or error}"
        return ""

    def _line(self, event: str, action: Action, target: Target, status: str, detail: str) -> dict[str, object]:
        server = self._last.server if self._last else None
        start = target.key.backend_start
        return {
            "at": iso(time.time()),
            "event": event,
            "action": str(action),
            "os_user": _os_user(),
            "client_host": os.uname().nodename,
            "server": f"{server.host}:{server.port}" if server else None,
            "database_role": server.role if server else None,
            "slots_used": SlotBudget.of(self._last).used if self._last else None,
            "chosen_by": target.chosen_by[:_TEXT_MOST] or None,
            "reason": target.reason[:_TEXT_MOST] or None,
            "pid": target.key.pid,
            "backend_start": iso(start) if start is not None else None,
            "role": target.role,
            "database": target.database,
            "app": target.app,
            "client": target.client,
            "state": target.state,
            "status": status or None,
            "detail": detail[:_TEXT_MOST] or None,
        }


def _os_user() -> str:
    """The account's name, its number where it has none (containers), and who became it by sudo.

    Not what LOGNAME says: anybody can set that.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    sudo_user = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {clean(sudo_user)})" if sudo_user else name


def _noted(outcome: Outcome, failure: str) -> Outcome:
    return replace(outcome, note=f"{outcome.note}; {failure}" if outcome.note else failure)
