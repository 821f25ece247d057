"""How keys are written: by people, by Textual, and on the screen; and bindings with the keys that were mapped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, KEY_TO_UNICODE_NAME, REPLACED_KEYS, Keys

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


def character(key: str) -> str:
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


def exists(key: str) -> bool:
    *modifiers, last = key.split("+")
    return all(word in MODIFIERS for word in modifiers) and bool(last in NAMED or character(last))


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
    shown = DISPLAYED.get(last) or ("Space" if last == "space" else character(last)) or last.capitalize()
    return "-".join(
        [*(word.capitalize() for word in modifiers), shown.upper() if modifiers and len(shown) == 1 else shown]
    )


def remapped(bindings: Iterable[Binding], keymap: Mapping[str, str]) -> list[Binding]:
    """The bindings with the keys that they have now."""
    return [
        binding.with_key(keymap[binding.id]) if binding.id and keymap.get(binding.id) else binding
        for binding in bindings
    ]


def unshifted(key: str) -> str:
    """The same key without Shift; '' where it has none."""
    if key.startswith("shift+"):
        return key.removeprefix("shift+")
    return key.lower() if len(key) == 1 and key.isupper() else ""
