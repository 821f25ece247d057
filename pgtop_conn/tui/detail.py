"""Everything known of one session and its whole query, kept up to date by the polls until it is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from pgtop_conn.model.filters import Tags
from pgtop_conn.model.guards import Policy
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.source import Action, Target
from pgtop_conn.model.text import one_line
from pgtop_conn.tui.dialogs import SCROLLING, Dialog, closing
from pgtop_conn.tui.lineview import RowList
from pgtop_conn.view import detail, format, plans
from pgtop_conn.view.columns import Cell


class Detail(Dialog[None]):
    """One session by its identity; once it is gone the last data stay, and it says so."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLLING,
        closing("escape", "enter", "left", "q"),
        Binding("y", "copy_query", "copy query", id="detail_copy_query", tooltip="Copy the query."),
        Binding("Y", "copy_signal", "copy SQL", id="detail_copy_signal", tooltip="Copy the statement that ends it."),
    ]

    def __init__(self, backend: Backend, snapshot: Snapshot, policy: Policy, tags: Callable[[], Tags]) -> None:
        """`tags` gives those of the newest poll."""
        super().__init__(RowList(id="dialog-body", wrap=detail.LABEL_WIDTH))
        self._newest_tags = tags
        self._tags = tags()
        self._backend = backend
        self._snapshot = snapshot
        self._policy = policy
        self._gone_at: float | None = None

    def renew(self, snapshot: Snapshot) -> None:
        found = snapshot.by_key.get(self._backend.key)
        if found is not None:
            self._backend, self._snapshot, self._gone_at = found, snapshot, None
            self._tags = self._newest_tags()
        elif self._gone_at is None:
            self._gone_at = snapshot.taken_at
        self.draw()

    def draw(self) -> None:
        backend = self._backend
        self.set_title(f"Session {backend.pid}   {one_line(backend.role)}   {one_line(backend.app)}")
        facts = detail.detail(backend, self._snapshot, self._policy, self._tags)
        rows = [*facts, [], *detail.query_rows(backend)]
        if self._gone_at is not None:
            since = format.duration(self._gone_at - self._snapshot.taken_at)
            gone = Cell(f"Gone: it has left. What follows was read {since} before that was seen.", "critical")
            rows = [[gone], [], *rows]
        self.show_rows(rows)
        self.set_hint(
            Cell("Esc", "key"), Cell(" close   "), Cell("y", "key"), Cell(" copy query   "),
            Cell("Y", "key"), Cell(" copy the SQL that ends it"),
        )  # fmt: skip

    def action_close(self) -> None:
        self.dismiss()

    def action_copy_query(self) -> None:
        self.app.copy_to_clipboard(self._backend.query)
        self.notify("query copied", markup=False)

    def action_copy_signal(self) -> None:
        if self._backend.by_title:
            self.notify("by the host door no SQL ends a session", severity="warning", markup=False)
            return
        statement = plans.signal_sql(Action.TERMINATE, Target.of(self._backend))
        if statement is None:
            self.notify("its identity is hidden: nothing can be bound to it", severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(statement)
        self.notify("statement copied", markup=False)
