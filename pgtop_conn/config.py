"""Settings: defaults < TOML file < environment < command line. The only user of platformdirs.

Add a setting: one field of Settings and one entry in SETTINGS; --help, the environment and the TOML file read it.
"""

from __future__ import annotations

import pwd
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from pgtop_conn.model.errors import BadInput

if TYPE_CHECKING:
    from pgtop_conn.model.labels import Label

ENVIRONMENT_PREFIX = "PGTOP_CONN_"

DOORS = ("walsender", "host")

INTERVAL_MIN_S = 0.25
INTERVAL_MAX_S = 60.0


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


def _number(low: float, high: float, unit: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise BadInput(f"expected {unit} between {low:g} and {high:g}, not {value!r}")
        return number

    return parse


def _switch(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise BadInput(f"expected yes or no, not {value!r}")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(f"expected a text, not {value!r}")
    return value


def _names(value: object) -> tuple[str, ...]:
    """A TOML list, or names separated by commas."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise BadInput(f"expected a list of names, not {value!r}")


def _group(value: object) -> str:
    # The groupings live in view, which must not be loaded for --help to stay quick.
    from pgtop_conn.view.groups import GROUPINGS

    if value not in GROUPINGS:
        raise BadInput(f"expected one of {', '.join(GROUPINGS)}, not {value!r}")
    return str(value)


def _labels(value: object) -> tuple[Label, ...]:
    # As above: only who has labels needs the filter language.
    from pgtop_conn.model.labels import labels_of

    return labels_of(value)


def _door(value: object) -> str:
    if value not in DOORS:
        raise BadInput(f"expected one of {', '.join(DOORS)}, not {value!r}")
    return str(value)


_interval = _number(INTERVAL_MIN_S, INTERVAL_MAX_S, "seconds")
_percent = _number(1, 100, "per cent")

SETTINGS: tuple[Setting, ...] = (
    Setting("interval_s", "interval", _interval, "seconds between two polls, 0.25 to 60 (default 2)", "S"),
    Setting("filter", "filter", _text, "show only matching sessions, e.g. 'state:idle idle>10m app:billing*'", "F"),
    Setting("group", "group", _group, "group by app, role, state, client, database, source or query", "K"),
    Setting("read_only", "read-only", _switch, "take the keys that signal away"),
    Setting("allow_replication", "allow-replication", _switch, "let single replication sessions be signalled"),
    Setting("allow_superuser", "allow-superuser", _switch, "let superuser sessions be signalled in bulk"),
    Setting("wait", "wait", _switch, "when no slot is free, keep trying and take the first that is"),
    Setting("door", "door", _door, "go in without a slot, by the walsender or the host door", "DOOR"),
    Setting("theme", "theme", _text, "colour theme of the screen", "NAME"),
    Setting("ascii", "ascii", _switch, "draw bars and arrows in plain ASCII"),
    Setting("mouse", "mouse", _switch, "leave the mouse to the terminal", None),
    Setting("warning", "warning", _percent, "warn from so many per cent of what ordinary roles may use", "PCT"),
    Setting("critical", "critical", _percent, "critical from so many per cent", "PCT"),
    Setting("protected_roles", "protected-roles", _names, "patterns of roles that are never signalled", "ROLES"),
    Setting("replication_roles", "replication-roles", _names, "patterns of roles guarded as replication", "ROLES"),
    Setting("labels", "labels", _labels, "name sessions: 'Billing=app:billing*;BI=client:10.2.0.0/16'", "NAME=F;..."),
    Setting("log_file", "log-file", _text, "write a log to this file", "FILE"),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


def load(arguments: Mapping[str, object], environ: Mapping[str, str], file: str | None = None) -> Settings:
    """Resolve the settings. `arguments` maps fields to what the command line gave (absent: not given).

    Raises BadInput that names the place (file, variable or option) of a value that does not fit.
    """
    chosen: dict[str, object] = {}
    path = Path(file).expanduser() if file else config_file()
    for name, value in _read(path, required=file is not None).items():
        setting = _BY_NAME.get(name.replace("_", "-"))
        if setting is None:
            near = get_close_matches(name.replace("_", "-"), _BY_NAME, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; it can have {', '.join(_BY_NAME)}"
            raise BadInput(f"{path}: there is no setting {name!r}{hint}")
        chosen[setting.field] = _parsed(setting, value, f"{path}: {name}")
    for setting in SETTINGS:
        variable = ENVIRONMENT_PREFIX + setting.name.upper().replace("-", "_")
        if environ.get(variable):
            chosen[setting.field] = _parsed(setting, environ[variable], variable)
        if setting.field in arguments:
            chosen[setting.field] = _parsed(setting, arguments[setting.field], f"--{setting.name}")
    settings = replace(Settings(), **chosen)  # type: ignore[arg-type]
    if settings.warning > settings.critical:
        raise BadInput(f"expected warning ({settings.warning:g}) to be at most critical ({settings.critical:g})")
    return settings


def _parsed(setting: Setting, value: object, place: str) -> object:
    try:
        return setting.parse(value)
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from None


def _read(path: Path, *, required: bool) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        raise BadInput(f"there is no configuration file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the configuration file {path} can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: expected TOML: {error}") from None


def config_file() -> Path:
    """Where the configuration is looked for."""
    import platformdirs

    return platformdirs.user_config_path("pgtop-conn", appauthor=False) / "config.toml"


def state_folder() -> Path:
    """Where the journal is kept."""
    import platformdirs

    return platformdirs.user_state_path("pgtop-conn", appauthor=False)


def state_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Ours, and behind sudo that of whoever became us: what they have seen counts, too."""
    invoker = environ.get("SUDO_USER", "")
    try:
        home = Path(pwd.getpwnam(invoker).pw_dir) if invoker else None
    except KeyError:
        home = None
    return (state_folder(), home / ".local" / "state" / "pgtop-conn") if home is not None else (state_folder(),)


def journal_file() -> Path:
    """The journal of every signal sent from this account."""
    return state_folder() / "journal.jsonl"


assert {setting.field for setting in SETTINGS} == {field.name for field in fields(Settings)}
