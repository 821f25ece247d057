"""Keys of the user's own: what can't be in a configuration, said before anything starts.

A binding of a screen or dialog needs nothing but its id to be remapped. Add a place where keys are read: SCOPES.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import combinations

from textual.binding import Binding

from pgtop_conn.tui.keys import confirm, diagnosis, dialogs, history, monitor
from pgtop_conn.tui.keys.application import APPLICATION
from pgtop_conn.tui.keys.names import NAMED, character, display, exists, keymap_of, remapped, split, unshifted

#: While text is typed, these are wanted too, so at least one of their keys must type nothing.
WHILE_TYPING = frozenset({"quit_everywhere", "stop_signals", "filter_leave", "confirm_no", "free_leave"})
#: What ends or cancels something, once it is answered with yes.
DESTRUCTIVE = ("cancel", "terminate", "free")
ANSWER = "confirm_yes"


#: Every place where keys are read, and its bindings; those of the application are read everywhere.
SCOPES: Mapping[str, tuple[Binding, ...]] = {
    name: (*bindings, *APPLICATION)
    for name, bindings in {
        "monitor": tuple(monitor.BINDINGS),
        "filter": dialogs.FILTER_BAR,
        "confirm": confirm.BINDINGS,
        "free slots": dialogs.FREE_SLOTS,
        "session": dialogs.SESSION,
        "blockers": dialogs.BLOCKERS,
        "counting": dialogs.COUNTING,
        "columns": dialogs.COLUMNS,
        "diagnosis": diagnosis.BINDINGS,
        "history": history.BINDINGS,
        "help": dialogs.HELP,
        "go to time": dialogs.GO_TO_TIME,
    }.items()
}


def problems(keymap: Mapping[str, str | Sequence[str]]) -> list[str]:
    """What can't be as the configuration has it, a line each; an empty list when everything can."""
    chosen = keymap_of(keymap.items())
    found = list(_unknown(chosen))
    # What is wrong by itself is not compared with the rest.
    chosen = {name: wanted for name, wanted in chosen.items() if not any(_unknown({name: wanted}))}
    seen: dict[str, None] = {}
    for bindings in SCOPES.values():
        seen.update(dict.fromkeys(_clashes(bindings, chosen)))
    return [*found, *seen, *_unsafe(chosen)]


def _unknown(keymap: Mapping[str, str]) -> Iterator[str]:
    known = {binding.id for bindings in SCOPES.values() for binding in bindings if binding.id}
    for name, chosen in keymap.items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
            yield f"keys: nothing is called {name!r}{hint}"
            continue
        if not chosen:
            yield f"keys: {name} needs a key"
        for key in chosen.split(",") if chosen else []:
            if not exists(key):
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
    every = {binding.id: binding for bindings in SCOPES.values() for binding in bindings if binding.id}
    now = {binding.id: split(binding.key) for binding in remapped(every.values(), keymap) if binding.id}
    moving = {key for name in now if every[name].group is monitor.MOVE for key in now[name]}
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
        if all(character(key) for key in now[name]):
            yield f"keys: {name} needs a key that types nothing, it is wanted while text is typed"
