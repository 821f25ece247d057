"""The layout: what was chosen on the screen (columns, grouping, sort, theme), kept from one start to the next.

A convenience and nothing more: a file that is damaged or can't be written is a line in the log. Options win over it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS

log = logging.getLogger(__name__)

FILE = "layout.json"
#: More than that is no layout of ours.
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """What was chosen; "" and None are what nobody chose."""

    grouping: str = ""
    sort: str = ""
    reverse: bool = False
    theme: str = ""
    #: Names of columns that the user put away or took in; None: those that suit the width.
    hidden: tuple[str, ...] | None = None


class LayoutFile:
    """The layout in its file. Several monitors may run: each writes its whole layout, the last choice stays."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.layout = _read(self.path)

    def save_columns(self, hidden: Collection[str]) -> None:
        """The columns that are not to be shown."""
        self._save(replace(self.layout, hidden=tuple(sorted(hidden))))

    def save_theme(self, name: str) -> None:
        """The theme that was chosen."""
        self._save(replace(self.layout, theme=name))

    def save_grouping(self, name: str) -> None:
        """The grouping that was chosen."""
        self._save(replace(self.layout, grouping=name))

    def save_sort(self, name: str, reverse: bool) -> None:
        """The order that was chosen."""
        self._save(replace(self.layout, sort=name, reverse=reverse))

    def _save(self, layout: Layout) -> None:
        if layout == self.layout:
            return
        self.layout = layout
        try:
            private_files.make_folder(self.path.parent)
            private_files.replace(self.path, json.dumps(asdict(layout), ensure_ascii=False, indent=1) + "\n")
        except OSError as error:
            log.warning("layout %s: %s", self.path, error)


def _read(path: Path) -> Layout:
    try:
        found = json.loads(private_files.read(path, MOST_BYTES))
    except FileNotFoundError:
        return Layout()
    except OSError as error:
        log.warning("layout %s: %s", path, error)
        return Layout()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        log.warning("layout %s: damaged, and left out", path)
        return Layout()
    return Layout(
        grouping=_word(found.get("grouping"), GROUPINGS),
        sort=_word(found.get("sort"), SORTS),
        reverse=found.get("reverse") is True,
        theme=_name(found.get("theme")),
        hidden=_names(found.get("hidden")),
    )


def _word(value: object, known: Collection[str]) -> str:
    """Only what this version knows: the file may be of another."""
    return value if isinstance(value, str) and value in known else ""


def _name(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) < 100 else ""


def _names(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(name for name in map(_name, value) if name)
