"""Everything known of one session and its whole query, kept up to date by the polls until it is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import BindingType

from pgtop_conn.model.filters.language import Tags
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.server_identity import Relation, place_of
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.source import Action, Target
from pgtop_conn.model.text import one_line
from pgtop_conn.tui.clipboard import copy
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys.dialogs import SESSION
from pgtop_conn.tui.widgets.line_view import RowList
from pgtop_conn.view import format
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.dialogs import session as detail
from pgtop_conn.view.table.columns import Cell

Ask = Callable[[Action, Target], None]


class SessionDetail(Dialog[None]):
    """One session by its identity; once it is gone the last data stay, and it says so."""

    BINDINGS: ClassVar[list[BindingType]] = [*SESSION]

    def __init__(
        self, backend: Backend, snapshot: Snapshot, policy: Policy, tags: Callable[[], Tags], ask: Ask
    ) -> None:
        """`tags` gives those of the newest poll; `ask` puts the question before a signal."""
        super().__init__(RowList(id="dialog-body", wrap=detail.LABEL_WIDTH))
        self._newest_tags = tags
        self._ask = ask
        self._tags = tags()
        self._backend = backend
        self._snapshot = snapshot
        self._policy = policy
        self._gone_at: float | None = None
        #: What the server of the poll that it was missing from is to its own.
        self._relation = Relation.SAME

    def renew(self, snapshot: Snapshot) -> None:
        found = snapshot.by_key.get(self._backend.key)
        if found is not None:
            self._backend, self._snapshot, self._gone_at = found, snapshot, None
            self._tags = self._newest_tags()
        elif self._gone_at is None:
            self._gone_at = snapshot.taken_at
            self._relation = place_of(self._snapshot).relation(snapshot)
        self.draw()

    def draw(self) -> None:
        backend = self._backend
        self.set_title(f"Session {backend.pid}   {one_line(backend.role)}   {one_line(backend.app)}")
        facts = detail.detail(backend, self._snapshot, self._policy, self._tags)
        rows = [*facts, [], *detail.query_rows(backend)]
        if self._gone_at is not None:
            since = format.duration(self._gone_at - self._snapshot.taken_at)
            end = "Gone: it has left." if self._relation.tells else f"Its end is unknown: {self._relation}."
            rows = [[Cell(f"{end} What follows was read {since} before that was seen.", "critical")], [], *rows]
        self.show_rows(rows)
        signals = () if self._policy.read_only else (("c", "cancel"), ("x", "terminate"))
        keys = (("Esc", "close"), *signals, ("y", "copy query"), ("Y", "copy the SQL that ends it"))
        self.set_hint(*(cell for key, words in keys for cell in (Cell(key, "key"), Cell(f" {words}   "))))

    def action_close(self) -> None:
        self.dismiss()

    def action_cancel(self) -> None:
        self._signal(Action.CANCEL)

    def action_terminate(self) -> None:
        self._signal(Action.TERMINATE)

    def _signal(self, action: Action) -> None:
        """Bound to the session that is shown, which may have left."""
        if self._gone_at is not None:
            self.notify("It is gone already; Esc goes back to the others", severity="warning", markup=False)
        else:
            self._ask(action, Target.of(self._backend, "the detail pane"))

    def action_copy_query(self) -> None:
        where = copy(self.app, self._backend.query)
        self.notify(f"Query copied{where}", markup=False)

    def action_copy_signal(self) -> None:
        if self._backend.by_title:
            self.notify("by the host door no SQL ends a session", severity="warning", markup=False)
            return
        statement = plans.signal_sql(Action.TERMINATE, Target.of(self._backend))
        if statement is None:
            self.notify("its identity is hidden: nothing can be bound to it", severity="warning", markup=False)
            return
        where = copy(self.app, statement)
        self.notify(f"Statement copied{where}", markup=False)
