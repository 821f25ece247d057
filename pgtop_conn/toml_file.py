"""The configuration's file: TOML, as a mapping. What its names and values mean is for config.py."""

from __future__ import annotations

from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.model.errors import BadInput

#: A configuration is far shorter.
MOST_BYTES = 2**20


def read_file(path: Path, *, required: bool) -> dict[str, object]:
    """The TOML file; {} where there is none and none is required. Raises BadInput."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        if not required:
            return {}
        raise BadInput(f"there is no configuration file {path}") from None
    except OSError as error:
        if not required and not _may_be_there(path):
            return {}
        raise BadInput(f"the configuration file {path} can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadInput(f"the configuration file {path} can't be read: expected UTF-8") from None
    try:
        return toml_of(text)
    except ValueError as error:
        raise BadInput(f"{path}: expected TOML: {error}") from None


def read_text(path: Path) -> str:
    """The file's text, without the mark that editors put at its beginning. Raises OSError and UnicodeDecodeError."""
    return private_files.read(path, MOST_BYTES).decode("utf-8-sig")


def toml_of(text: str) -> dict[str, object]:
    """What the text says. Raises ValueError, tomllib.TOMLDecodeError where a place can be named."""
    # 4 ms, for those who have a file.
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        # What Python says of it is for programmers.
        raise ValueError("a number has too many digits") from None


def _may_be_there(path: Path) -> bool:
    """Whether there is a file, or what stands in its place: not where its folder is none, or another account's."""
    try:
        path.lstat()
    except OSError:
        return False
    return True
