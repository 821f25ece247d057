"""Keys of the user's own: what can't be in a configuration, said before anything starts, and how keys are written.

A binding of a screen or dialog needs nothing but its id to be remapped; scopes() finds it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, KEY_TO_UNICODE_NAME, REPLACED_KEYS, Keys

from pgtop_conn.tui.keys import monitor as keys

if TYPE_CHECKING:
    from pgtop_conn.tui.dialogs.base import Dialog

#: How people write keys, and how Textual does; terminals can't tell the last three from what they stand for.
SPELLINGS = {
    "esc": "escape",
    "return": "enter",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "page_up": "pageup",
    "page_down": "pagedown",
    "del": "delete",
    "ins": "insert",
    "backtab": "shift+tab",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+left_square_bracket": "escape",
}
MODIFIERS = ("ctrl", "alt", "shift", "super", "hyper", "meta")
NAMED = frozenset(key.value.rpartition("+")[2] for key in Keys if not key.value.startswith("<"))
DISPLAYED = {"pagedown": "PgDn", "pageup": "PgUp", "escape": "Esc", "delete": "Del", "insert": "Ins"}

#: While text is typed, these are wanted too, so at least one of their keys must type nothing.
WHILE_TYPING = frozenset({"quit_everywhere", "stop_signals", "filter_leave", "confirm_no", "free_leave"})
#: What ends or cancels something, once it is answered with yes.
DESTRUCTIVE = ("cancel", "terminate", "free")
ANSWER = "confirm_yes"


def normal(key: str) -> str:
    """One key as Textual names it; a name that no key has stays as it is."""
    word = key.strip()
    if len(word) > 1 and word[:-1].lower().rstrip("+-") in MODIFIERS and word[-2] in "+-":
        modifiers, last = [word[:-2].lower()], word[-1]
    elif len(word) > 1:
        *modifiers, last = word.lower().replace("-", "+").split("+")
    else:
        modifiers, last = [], word
    if len(last) == 1:
        if modifiers == ["shift"] and last.isalpha():
            return last.upper()
        last = _named(last.lower() if modifiers else last)
    last = SPELLINGS.get(last, last)
    whole = "+".join([*modifiers, last])
    return SPELLINGS.get(whole, whole)


def _named(character: str) -> str:
    if character == " ":
        return "space"
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _character(key: str) -> str:
    """What a key types; '' for one that types nothing."""
    if len(key) == 1:
        return key
    if key == "space":
        return " "
    name = REPLACED_KEYS.get(key, key)
    try:
        found = unicodedata.lookup(KEY_TO_UNICODE_NAME.get(name, name.replace("_", " ")))
    except KeyError:
        return ""
    return found if found.isprintable() else ""


def _exists(key: str) -> bool:
    *modifiers, last = key.split("+")
    return all(word in MODIFIERS for word in modifiers) and bool(last in NAMED or _character(last))


def split(keys_of_one: str) -> list[str]:
    """The keys of a binding: `down,j` are two."""
    return [normal(key) for key in keys_of_one.split(",") if key.strip()]


def keymap_of(pairs: Iterable[tuple[str, str | Sequence[str]]]) -> dict[str, str]:
    """What App.set_keymap() takes, whatever way the keys were written."""
    several = ((name, chosen if isinstance(chosen, str) else ",".join(chosen)) for name, chosen in pairs)
    return {name: ",".join(split(chosen)) for name, chosen in several}


def display(keys_of_one: str, most: int | None = None) -> str:
    """Keys as a reader knows them: `x F9`, `Ctrl-P`; at most so many of them."""
    return " ".join(_displayed(key) for key in split(keys_of_one)[:most])


def _displayed(key: str) -> str:
    *modifiers, last = key.split("+")
    shown = DISPLAYED.get(last) or ("Space" if last == "space" else _character(last)) or last.capitalize()
    return "-".join(
        [*(word.capitalize() for word in modifiers), shown.upper() if modifiers and len(shown) == 1 else shown]
    )


def remapped(bindings: Iterable[Binding], keymap: Mapping[str, str]) -> list[Binding]:
    """The bindings with the keys that they have now."""
    return [
        binding.with_key(keymap[binding.id]) if binding.id and keymap.get(binding.id) else binding
        for binding in bindings
    ]


def problems(keymap: Mapping[str, str | Sequence[str]]) -> list[str]:
    """What can't be as the configuration has it, a line each; an empty list when everything can."""
    chosen = keymap_of(keymap.items())
    found = list(_unknown(chosen))
    # What is wrong by itself is not compared with the rest.
    chosen = {name: wanted for name, wanted in chosen.items() if not any(_unknown({name: wanted}))}
    seen: dict[str, None] = {}
    for bindings in scopes().values():
        seen.update(dict.fromkeys(_clashes(bindings, chosen)))
    return [*found, *seen, *_unsafe(chosen)]


def _unknown(keymap: Mapping[str, str]) -> Iterator[str]:
    known = {binding.id for bindings in scopes().values() for binding in bindings if binding.id}
    for name, chosen in keymap.items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
            yield f"keys: nothing is called {name!r}{hint}"
            continue
        if not chosen:
            yield f"keys: {name} needs a key"
        for key in chosen.split(",") if chosen else []:
            if not _exists(key):
                near = get_close_matches(key, NAMED, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield f"keys: {name}: there is no key {key!r}{hint}"


def _clashes(bindings: Sequence[Binding], keymap: Mapping[str, str]) -> Iterator[str]:
    """Two on one key in one place; where they share a key from the start they take turns."""
    now = {binding.id: split(binding.key) for binding in remapped(bindings, keymap) if binding.id}
    before = {binding.id: split(binding.key) for binding in bindings if binding.id}
    for one, other in combinations(now, 2):
        if not (one in keymap or other in keymap) or set(before[one]) & set(before[other]):
            continue
        for key in now[one]:
            if key in now[other]:
                yield f"keys: {display(key)} is {one} and {other}; give one of them another key"


def _unsafe(keymap: Mapping[str, str]) -> Iterator[str]:
    """Keys on which a slip of the finger ends sessions, and keys that would be typed instead of obeyed."""
    every = {binding.id: binding for bindings in scopes().values() for binding in bindings if binding.id}
    now = {binding.id: split(binding.key) for binding in remapped(every.values(), keymap) if binding.id}
    moving = {key for name in now if every[name].group is keys.MOVE for key in now[name]}
    for name in DESTRUCTIVE:
        for key in now[name]:
            if key in now[ANSWER]:
                yield f"keys: {display(key)} is {name} and {ANSWER}: pressed twice, nobody would be asked"
            if (plain := unshifted(key)) in moving:
                yield f"keys: {name} on {display(key)} is the shifted form of {display(plain)}, which moves"
    for name, own in now.items():
        for key in own if name not in (ANSWER, *DESTRUCTIVE) else ():
            if key in now[ANSWER]:
                yield f"keys: {display(key)} is {name} and {ANSWER}; the key that sends signals may mean nothing else"
    for name in sorted(WHILE_TYPING & keymap.keys()):
        if all(_character(key) for key in now[name]):
            yield f"keys: {name} needs a key that types nothing, it is wanted while text is typed"


def unshifted(key: str) -> str:
    """The same key without Shift; '' where it has none."""
    if key.startswith("shift+"):
        return key.removeprefix("shift+")
    return key.lower() if len(key) == 1 and key.isupper() else ""


@cache
def scopes() -> dict[str, list[Binding]]:
    """Every place where keys are read, and its bindings; those of the application are read everywhere."""
    # The screens import what is written here.
    from pgtop_conn.tui.app import MonitorApp
    from pgtop_conn.tui.dialogs.base import Dialog
    from pgtop_conn.tui.screen.monitor_screen import MainScreen
    from pgtop_conn.tui.widgets.filter_bar import FilterBar

    places = [MainScreen, FilterBar, *_below(Dialog)]
    return {place.__name__: [*_of(place), *_of(MonitorApp)] for place in places}


def _below(cls: type[Dialog[Any]]) -> Iterator[type]:
    for child in cls.__subclasses__():
        if child.__module__.startswith("pgtop_conn."):
            yield child
            yield from _below(child)


def _of(cls: type) -> list[Binding]:
    """What the class and those above it bind, as far as they are ours."""
    found = [
        binding
        for one in cls.__mro__
        if one.__module__.startswith("pgtop_conn.")
        for binding in vars(one).get("BINDINGS", ())
    ]
    return [binding for binding in found if isinstance(binding, Binding)]
