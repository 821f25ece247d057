"""Who waits for whom, as a list; Enter goes to the session in the table."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from pgtop_conn.model.causes.lock_waits import WaitLink, chains
from pgtop_conn.model.snapshot import HOST_DOOR, BackendKey, Snapshot
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys.dialogs import BLOCKERS
from pgtop_conn.tui.widgets.line_view import LineView, RowList
from pgtop_conn.view.dialogs.blockers import link_line
from pgtop_conn.view.dialogs.plan import plural
from pgtop_conn.view.table.columns import Cell


class Blockers(Dialog[BackendKey | None]):
    """Dismissed with the session to go to, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [*BLOCKERS]

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(RowList(id="dialog-body", cursor=True))
        self._snapshot = snapshot
        self._links: list[WaitLink] = chains(snapshot)

    def renew(self, snapshot: Snapshot) -> None:
        chosen = self.chosen
        self._snapshot, self._links = snapshot, chains(snapshot)
        keys = [link.backend.key if link.backend else None for link in self._links]
        # The cursor never slips to another session: when its own has left, it is on none.
        self.body.cursor = keys.index(chosen) if chosen is not None and chosen in keys else None
        self.draw()

    def draw(self) -> None:
        if self._snapshot.server.door == HOST_DOOR:
            self._draw_by_title()
            return
        waiting = sum(1 for backend in self._snapshot.backends if backend.blocked_by)
        self.set_title(f"{plural(waiting, 'session')} blocked" if waiting else "Nobody waits for a lock")
        at = self._snapshot.taken_at
        self.show_rows([link_line(link, at) for link in self._links] or [[Cell(" No session is blocked.", "dim")]])
        self.set_hint(Cell("Enter", "key"), Cell(" go to the session   "), Cell("Esc", "key"), Cell(" close"))

    def _draw_by_title(self) -> None:
        waiting = sum(1 for backend in self._snapshot.backends if backend.wait)
        self.set_title("Who blocks whom can't be told by the host door")
        self.show_rows([[Cell(f" {plural(waiting, 'process title')} with a lock that is waited for.", "dim")]])
        self.set_hint(Cell("Esc", "key"), Cell(" close"))

    @property
    def chosen(self) -> BackendKey | None:
        """The session under the cursor; None where there is none."""
        index = self.body.cursor
        backend = self._links[index].backend if index is not None and index < len(self._links) else None
        return backend.key if backend else None

    def action_go(self) -> None:
        self.dismiss(self.chosen)

    def action_close(self) -> None:
        self.dismiss(None)

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        self.body.cursor = event.index
        self.body.repaint_changed()
