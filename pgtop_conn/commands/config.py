"""config: the settings in force and where each comes from; a commented file to begin with; a file checked."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.commands.common.command import Command, Invocation
from pgtop_conn.commands.common.exit_codes import DONE, REFUSED
from pgtop_conn.commands.common.theme_names import theme_names
from pgtop_conn.config import (
    SETTINGS,
    Setting,
    Settings,
    meant,
    resolve,
    setting_named,
    unknown,
)
from pgtop_conn.folders import config_file, state_folder, typed_path
from pgtop_conn.model.errors import BadInput, FilterError, named
from pgtop_conn.model.text import clean
from pgtop_conn.program import PROGRAM
from pgtop_conn.storage.layout import FILE as LAYOUT
from pgtop_conn.terminal.console import answer
from pgtop_conn.toml_file import read_text, toml_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of config's own."""
    group = parser.add_argument_group("what is done").add_mutually_exclusive_group()
    group.add_argument("--init", action="store_true", help="write a commented file, where there is none yet")
    group.add_argument("--print", action="store_true", help="print that file to stdout instead")
    group.add_argument("--check", nargs="?", const="", metavar="FILE", help="say what is wrong in it, line by line")


def run(invocation: Invocation) -> int:
    """Print what was asked for; the exit code. Raises BadInput."""
    found = invocation.found
    file = found.get("config")
    path = typed_path(file) if file else config_file()
    if found.get("init"):
        return answer(init(path), "", DONE)
    if found.get("print"):
        return answer(template(), "", DONE)
    if "check" in found:
        path = typed_path(found["check"]) if found["check"] else path
        wrong = check(path)
        told = "".join(f"{line}\n" for line in wrong) or f"{clean(str(path))}: valid\n"
        return answer(told, "", REFUSED if wrong else DONE)
    settings, origins = resolve(invocation.given, os.environ, file)
    return answer(in_force(settings, origins, path, state_folder() / LAYOUT), "", DONE)


def template() -> str:
    """A configuration in which every setting stands, with its default, as a comment."""
    tables = [setting for setting in SETTINGS if setting.is_table]
    parts = [
        "# Configuration of pgtop-conn. Every line is a comment: take the # away to choose a value.",
        "# The environment and options of the command line win over this file.",
        *(_described(setting) for setting in SETTINGS if not setting.is_table),
        *(_described(setting) for setting in tables),
    ]
    return "\n\n".join([parts[0] + "\n" + parts[1], *parts[2:]]) + "\n"


def _described(setting: Setting) -> str:
    said = f"# {'use the mouse' if setting.field == 'mouse' else setting.help} ({setting.variable})"
    if setting.is_table:
        return "\n".join([said, f"# [{setting.name}]", *(f"# {line}" for line in setting.example.splitlines())])
    return f"{said}\n# {setting.name} = {setting.example or written(getattr(Settings(), setting.field))}"


def written(value: object) -> str:
    """A value as TOML writes it; of a table, an inline one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    quoted = clean(str(value)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def init(path: Path) -> str:
    """Write the commented file; raises BadInput where there is one already, or none can be written."""
    try:
        private_files.make_folder(path.parent)
        private_files.create(path, template())
    except FileExistsError:
        raise BadInput(
            f"there is a configuration already, and it is left as it is: {clean(str(path))}"
            f" ({PROGRAM} config --print shows a fresh one)"
        ) from None
    except OSError as error:
        raise BadInput(f"{clean(str(path))}: {error.strerror or error}") from None
    return f"{clean(str(path))}: written; {PROGRAM} config --check checks it\n"


def in_force(settings: Settings, origins: Mapping[str, str], path: Path, layout: Path) -> str:
    """Every setting, its value, and where that comes from."""
    there = "" if path.exists() else f" (there is none; {PROGRAM} config --init writes one)"
    rows: list[tuple[str, str, str]] = []
    for setting in SETTINGS:
        value = getattr(settings, setting.field)
        origin = clean(origins.get(setting.field, "default"))
        if setting.field == "labels":
            value = tuple((label.name, label.wanted.text) for label in value)
        if setting.is_table:
            rows += [(f"{setting.name}.{clean(name)}", written(text), origin) for name, text in value]
        else:
            rows.append((setting.name, written(value), origin))
    wide, wider = (max(len(row[index]) for row in rows) for index in (0, 1))
    lines = [f"{name:<{wide}}  {value:<{min(wider, 40)}}  {origin}" for name, value, origin in rows]
    return "\n".join(
        [f"# configuration: {clean(str(path))}{there}", f"# layout of the screen: {clean(str(layout))}", *lines, ""]
    )


def check(path: Path) -> list[str]:
    """What is wrong in a file, `FILE:LINE: what` each. Raises BadInput where it can't be read."""
    shown = clean(str(path))
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise BadInput(f"there is no configuration file {shown} ({PROGRAM} config --init writes one)") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [f"{shown}:{line}: expected UTF-8"]
    except OSError as error:
        raise BadInput(f"the configuration file {shown} can't be read: {error.strerror or error}") from None
    try:
        found = toml_of(text)
    except ValueError as error:
        what = re.sub(r" \(at .*\)$", "", str(error))
        place = re.search(r"line (\d+)", str(error))
        return [f"{shown}:{place[1] if place else text.count(chr(10)) or 1}: expected TOML: {clean(what)}"]
    where = lines_of(text)
    problems = sorted((where.get(at) or where.get(at[:1]) or 1, what) for at, what in _problems(found))
    return [f"{shown}:{line}: {what}" for line, what in problems]


def _problems(found: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where, as the names that lead there, and what."""
    good: dict[str, object] = {}
    for name, value in found.items():
        setting = setting_named(name)
        if setting is None:
            yield (name,), unknown(name)
            continue
        fits = True
        for at, part in _parts(setting, name, value):
            try:
                good[setting.field] = setting.parse(part)
                if setting.field == "filter":
                    _filter(str(part))
            except BadInput as error:
                fits = False
                yield at, f"{name}: {error}"
        if fits and setting.field == "theme" and value not in theme_names():
            yield (name,), f"{name}: there is no theme {named(value)}{meant(str(value), theme_names())}"
        if fits and setting.field == "keys" and isinstance(value, Mapping):
            yield from _of_keys(name, value)
    limits = [good.get(name, getattr(Settings(), name)) for name in ("warning", "critical")]
    if isinstance(limits[0], float) and isinstance(limits[1], float) and limits[0] > limits[1]:
        last = "warning" if "warning" in found else "critical"
        yield (last,), f"expected warning ({limits[0]:g}) to be at most critical ({limits[1]:g})"


def _parts(setting: Setting, name: str, value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """A table's entries one by one, so that each problem has its own line."""
    if setting.is_table and isinstance(value, Mapping) and value:
        for entry, part in value.items():
            yield (name, entry), {entry: part}
    else:
        yield (name,), value


def _filter(text: str) -> None:
    from pgtop_conn.model.filters.language import parse

    try:
        parse(text)
    except FilterError as error:
        raise BadInput(str(error)) from None


def _of_keys(name: str, value: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each problem at the first of the bindings that it names."""
    from pgtop_conn.tui.keys.remapping import problems

    for what in problems(value):
        words = re.findall(r"\w+", what)
        entry = next((entry for entry in value if entry in words), "")
        yield (name, entry), clean(what)


#: A key at the beginning of a line, bare or quoted, up to its `=` or `.`.
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*([=.])""")
_TABLE = re.compile(r"""\s*\[\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*\]""")


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, on which each setting and each entry of a table stands, in a text that is TOML.

    >>> lines_of('interval = 2\\n[labels]\\nBilling = "app:b*"\\n')
    {('interval',): 1, ('labels',): 2, ('labels', 'Billing'): 3}
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    within = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not within:
            if header := _TABLE.match(line):
                table = (_name(header),)
                found.setdefault(table, number)
            elif match := _KEY.match(line):
                path = (*table, _name(match))
                found.setdefault(path, number)
                if match[4] == "." and (rest := _KEY.match(line, match.end())):
                    found.setdefault((*path, _name(rest)), number)
        # What stands in a text of several lines is no key.
        for quotes in ('"""', "'''"):
            if within in ("", quotes) and line.count(quotes) % 2:
                within = "" if within else quotes
    return found


def _name(match: re.Match[str]) -> str:
    return next(part for part in match.groups()[:3] if part is not None)


COMMAND = Command(run, add_arguments, connects=False, loads=False)
