"""The key line for bindings: which of them it shows where the cursor is, as view/status/key_line.py says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual.binding import Binding

from pgtop_conn.view.status import key_line
from pgtop_conn.view.status.key_line import Spot


def own_words(binding: Binding) -> tuple[str, str]:
    """Its id, and the words beside it where there is no rule for it."""
    return binding.id or "", binding.description if binding.show else ""


def offered(bindings: Sequence[Binding], spot: Spot) -> list[Binding]:
    """The keys to show here, the most fitting first, described for this place."""
    found = key_line.offered([own_words(binding) for binding in bindings], spot)
    return [replace(bindings[place], description=words, show=True) for place, words in found]
