"""Feed: where the screen's moments come from, and how it moves among them. LiveFeed asks a server, ReplayFeed plays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from textual.binding import Binding

from pgtop_conn.model.history.moments import Tape
from pgtop_conn.monitor.poller import SnapshotLoop
from pgtop_conn.tui.widgets.pieces import Row


class Feed(Protocol):
    """What a screen needs to know of it."""

    #: Whom the signals and the facts wait for.
    poller: SnapshotLoop
    #: Seconds between two polls, as they were asked for.
    interval_s: float

    @property
    def bindings(self) -> Sequence[Binding]:
        """The keys that do something here."""
        ...

    @property
    def remark(self) -> str:
        """What the help says of the whole screen; "" for nothing."""
        ...

    @property
    def tape(self) -> Tape | None:
        """Where the moments are that the keys go to."""
        ...

    @property
    def index(self) -> int | None:
        """The moment on the screen, by its index on the tape now; None where none is kept."""
        ...

    @property
    def held(self) -> bool:
        """Whether what comes in leaves the table as it is."""
        ...

    @property
    def refusal(self) -> str:
        """Why no signal can be asked for here and now; "" when one can."""
        ...

    def begin(self) -> None:
        """Bring moments from now on. The screen is there."""
        ...

    def keys(self, offered: list[Binding]) -> tuple[list[Binding], Row]:
        """Of the keys that are offered those for the key line, and what stands in front of them."""
        ...

    def pause(self) -> None:
        """Hold still, or go on."""
        ...

    def refresh(self) -> None:
        """Bring the next moment now."""
        ...

    def pace(self, step: int) -> None:
        """The next longer (1) or shorter (-1) interval, or a higher or lower speed."""
        ...

    def step(self, step: int) -> None:
        """So many moments later, or with a negative number earlier."""
        ...

    def last(self) -> None:
        """To the newest moment."""
        ...

    def go_to(self, at: float) -> None:
        """To the moment of this time."""
        ...
