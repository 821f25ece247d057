"""Settings: defaults < TOML file < environment < command line.

Add a setting: one field of Settings and one entry in SETTINGS; --help, the environment and the TOML file read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from pgtop_conn.folders import config_file, typed_path
from pgtop_conn.model.errors import BadInput, FilterError, named
from pgtop_conn.toml_file import read_file

if TYPE_CHECKING:
    from pgtop_conn.model.labels.labels import Label

ENVIRONMENT_PREFIX = "PGTOP_CONN_"

DOORS = ("walsender", "host")

INTERVAL_MIN_S = 0.25
INTERVAL_MAX_S = 60.0

#: Filters on the number keys, where the user did not choose others.
PRESETS = {
    "1": "idle>10m",
    "2": "state:in-transaction,aborted",
    "3": "state:active",
    "4": "blocked:yes",
    "5": "leak:yes",
    "6": "xact>5m",
    "7": "query_age>1m state:active",
    "8": "wait:lock",
    "9": "age>1d",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may be chosen, resolved. Percentages are of what ordinary roles may use."""

    interval_s: float = 2.0
    filter: str = ""
    #: "" until somebody chose: then by application, or by role where no application is known.
    group: str = ""
    read_only: bool = False
    allow_replication: bool = False
    allow_superuser: bool = False
    wait: bool = False
    door: str = ""
    theme: str = ""
    ascii: bool = False
    mouse: bool = True
    warning: float = 80.0
    critical: float = 95.0
    protected_roles: tuple[str, ...] = ()
    replication_roles: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    #: Ids of bindings and the keys that they get.
    keys: tuple[tuple[str, str], ...] = ()
    #: Number keys and their filters.
    presets: tuple[tuple[str, str], ...] = tuple(PRESETS.items())
    #: Days that a recording of every session of the monitor is kept; 0 records none.
    record_days: float = 0.0
    #: For stepping back in time, in units of 2**20 bytes.
    history_mb: float = 64.0
    log_file: str = ""

    def grouping(self, door: str) -> str:
        """By what the table is grouped for whoever came in by this door: a process title names no application."""
        return self.group or ("role" if door == "host" else "app")


@dataclass(frozen=True, slots=True)
class Setting:
    """How one field is written: `name` in TOML and (in capitals, after PGTOP_CONN_) in the environment."""

    field: str
    name: str
    parse: Callable[[object], object]
    help: str
    #: What --help shows for the value; None is a switch.
    metavar: str | None = None
    #: A value as TOML writes it, for settings that have none by default; of a table, its lines.
    example: str = ""
    #: What it can be, where that is a list. Asked for only where it is needed: some of it is slow to load.
    values: Callable[[], Sequence[str]] | None = None

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")

    @property
    def is_table(self) -> bool:
        """Whether its entries have names of the user's, in a TOML table of its own."""
        return self.field in ("labels", "keys", "presets")


def _number(low: float, high: float, unit: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        except (ValueError, OverflowError):
            number = None
        if number is None or not low <= number <= high:
            raise BadInput(f"expected {unit} between {low:g} and {high:g}, not {named(value)}")
        return number

    return parse


def _switch(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    # A number is as good: True and 1 are the same key.
    numbers = {0: False, 1: True}
    found = words.get(value.lower()) if isinstance(value, str) else None
    if isinstance(value, int):
        found = numbers.get(value)
    if found is None:
        raise BadInput(f"expected yes or no, not {named(value)}")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(f"expected a text, not {named(value)}")
    return value


def _names(value: object) -> tuple[str, ...]:
    """A TOML list, or names separated by commas."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise BadInput(f"expected a list of names, not {named(value)}")


def groupings() -> Sequence[str]:
    """By what sessions can be grouped."""
    # They live in view, which must not be loaded for --help to stay quick.
    from pgtop_conn.view.table.groups import GROUPINGS

    return list(GROUPINGS)


def _one_of(values: Callable[[], Sequence[str]]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        known = values()
        if value not in known:
            near = meant(value, known) if isinstance(value, str) else ""
            raise BadInput(f"expected one of {', '.join(known)}, not {named(value)}{near}")
        return str(value)

    return parse


def meant(word: str, known: Collection[str]) -> str:
    """What a word that is none of the known may have meant; "" where it is near none of them."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _doors() -> Sequence[str]:
    return DOORS


def _labels(value: object) -> tuple[Label, ...]:
    # As above: only who has labels needs the filter language.
    from pgtop_conn.model.labels.labels import labels_of

    return labels_of(value)


def _keys(value: object) -> tuple[tuple[str, str], ...]:
    """Which ids and keys there are is known on the screen, which says so."""
    from pgtop_conn.model.labels.labels import pairs_of

    found = []
    for name, keys in pairs_of(value, "ids and keys, like terminate = 'f9,x'", "ID=KEYS"):
        several = keys if isinstance(keys, list) else [keys]
        if not all(isinstance(key, str) and key.strip() for key in several) or not several:
            raise BadInput(f"{name}: expected keys, like 'f9', 'f9,x' or ['f9', 'x'], not {named(keys)}")
        found.append((name.strip(), ",".join(map(str, several)).replace(" ", "")))
    return tuple(found)


def _presets(value: object) -> tuple[tuple[str, str], ...]:
    """The user's filters over ours; an empty one takes a key's away."""
    from pgtop_conn.model.filters.language import parse
    from pgtop_conn.model.labels.labels import pairs_of

    found = dict(PRESETS)
    for name, text in pairs_of(value, "number keys and filters, like 1 = 'idle>10m'", "N=FILTER"):
        number = name.strip()
        if number not in PRESETS:
            raise BadInput(f"expected a number key, 1 to 9, not {name!r}")
        if not isinstance(text, str):
            raise BadInput(f"{number}: expected a filter, like 'idle>10m', not {named(text)}")
        try:
            found[number] = parse(text).text.strip()
        except FilterError as error:
            raise BadInput(f"{number}: {error}") from None
    return tuple((number, text) for number, text in found.items() if text)


_interval = _number(INTERVAL_MIN_S, INTERVAL_MAX_S, "seconds")
_percent = _number(1, 100, "per cent")

SETTINGS: tuple[Setting, ...] = (
    Setting("interval_s", "interval", _interval, "seconds between two polls, 0.25 to 60 (default 2)", "S"),
    Setting(
        "filter",
        "filter",
        _text,
        "show only matching sessions, e.g. 'state:idle idle>10m app:billing*'",
        "F",
        example='"app:billing* idle>10m"',
    ),
    Setting(
        "group",
        "group",
        _one_of(groupings),
        "group by app, role, state, client, database, source or query",
        "K",
        example='"role"',
        values=groupings,
    ),
    Setting("read_only", "read-only", _switch, "take the keys that signal away"),
    Setting("allow_replication", "allow-replication", _switch, "let single replication sessions be signalled"),
    Setting("allow_superuser", "allow-superuser", _switch, "let superuser sessions be signalled in bulk"),
    Setting("wait", "wait", _switch, "when no slot is free, keep trying and take the first that is"),
    Setting(
        "door",
        "door",
        _one_of(_doors),
        "go in without a slot, by the walsender or the host door",
        "DOOR",
        example='"walsender"',
        values=_doors,
    ),
    Setting("theme", "theme", _text, "colour theme of the screen", "NAME", example='"pgtop"'),
    Setting("ascii", "ascii", _switch, "draw bars and arrows in plain ASCII"),
    Setting("mouse", "mouse", _switch, "leave the mouse to the terminal", None),
    Setting("warning", "warning", _percent, "warn from so many per cent of what ordinary roles may use", "PCT"),
    Setting("critical", "critical", _percent, "critical from so many per cent", "PCT"),
    Setting(
        "protected_roles",
        "protected-roles",
        _names,
        "patterns of roles that are never signalled",
        "ROLES",
        example='["core_*", "payments"]',
    ),
    Setting(
        "replication_roles",
        "replication-roles",
        _names,
        "patterns of roles guarded as replication",
        "ROLES",
        example='["repl_*"]',
    ),
    Setting(
        "record_days",
        "record-days",
        _number(0, 3650, "days"),
        "record every session of the monitor, and keep it so many days (default 0: none)",
        "DAYS",
        example="7",
    ),
    Setting(
        "history_mb",
        "history-memory",
        _number(1, 4096, "MB"),
        "memory for stepping back in time, in MB (default 64)",
        "MB",
    ),
    Setting("log_file", "log-file", _text, "write a log to this file", "FILE", example='"pgtop-conn.log"'),
    Setting(
        "labels",
        "labels",
        _labels,
        "name sessions: 'Billing=app:billing*;BI=client:10.2.0.0/16'",
        "NAME=F;...",
        example='Billing = "app:billing*"\nBI = "client:10.2.0.0/16"',
    ),
    Setting(
        "presets",
        "presets",
        _presets,
        "filters on the number keys: '1=idle>10m;2=state:active'",
        "N=F;...",
        example="\n".join(f'{number} = "{text}"' for number, text in PRESETS.items()),
    ),
    Setting(
        "keys",
        "keys",
        _keys,
        "other keys, by the ids of the bindings: 'terminate=f9,x'",
        "ID=KEY;...",
        example='terminate = "f9,x"\nfree = "F"',
    ),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


def load(arguments: Mapping[str, object], environ: Mapping[str, str], file: str | None = None) -> Settings:
    """Resolve the settings. `arguments` maps fields to what the command line gave (absent: not given).

    Raises BadInput that names the place (file, variable or option) of a value that does not fit.
    """
    return resolve(arguments, environ, file)[0]


def resolve(
    arguments: Mapping[str, object], environ: Mapping[str, str], file: str | None = None
) -> tuple[Settings, dict[str, str]]:
    """As load(), and for each field that is not the default where it comes from. Raises BadInput."""
    chosen: dict[str, object] = {}
    origins: dict[str, str] = {}
    path = typed_path(file) if file else config_file()
    for name, value in read_file(path, required=file is not None).items():
        setting = setting_named(name)
        if setting is None:
            raise BadInput(f"{path}: {unknown(name)}")
        chosen[setting.field] = _parsed(setting, value, f"{path}: {name}")
        origins[setting.field] = str(path)
    for setting in SETTINGS:
        if environ.get(setting.variable):
            chosen[setting.field] = _parsed(setting, environ[setting.variable], setting.variable)
            origins[setting.field] = setting.variable
        if setting.field in arguments:
            chosen[setting.field] = _parsed(setting, arguments[setting.field], f"--{setting.name}")
            origins[setting.field] = f"--{setting.name}"
    settings = replace(Settings(), **chosen)  # type: ignore[arg-type]
    if settings.warning > settings.critical:
        raise BadInput(f"expected warning ({settings.warning:g}) to be at most critical ({settings.critical:g})")
    return settings, origins


def setting_named(name: str) -> Setting | None:
    """The setting of this name in a file, where `_` is as good as `-`."""
    return _BY_NAME.get(name.replace("_", "-"))


def unknown(name: str) -> str:
    """There is no such setting, and which may have been meant."""
    hint = meant(name.replace("_", "-"), _BY_NAME) or f"; it can have {', '.join(_BY_NAME)}"
    return f"there is no setting {name!r}{hint}"


def _parsed(setting: Setting, value: object, place: str) -> object:
    try:
        return setting.parse(value)
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from None


assert {setting.field for setting in SETTINGS} == {field.name for field in fields(Settings)}
