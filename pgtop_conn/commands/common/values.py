"""What the commands' own options are given: counts, seconds, durations, sizes. Each is checked and named in one way.

Add a kind of value: a function of its text and its option, which raises BadInput as "--OPTION: expected ...".
"""

from __future__ import annotations

import re

from pgtop_conn.model.errors import BadInput, named
from pgtop_conn.model.filters.words import duration_s

#: Memory is counted as the server counts it: a kB is 1024 bytes, whatever it is called.
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
#: A size as PostgreSQL's settings have it (512kB, 2GB), and as people write memory (1.5GiB, 64G).
_SETTING = re.compile(r"([0-9]{1,9})\s*([kmgt])b", re.IGNORECASE)
_MEMORY = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([kmgt])i?b?", re.IGNORECASE | re.ASCII)
_MEMORY_LEAST, _MEMORY_MOST = 16 * 1024**2, 1024**5


def count(text: str, option: str) -> int:
    """A whole number of up to nine digits. Raises BadInput."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadInput(f"--{option}: expected a whole number, not {named(text)}")
    return int(text)


def seconds(text: str, option: str, least: float, most: float, *, above: bool = False) -> float:
    """Seconds from `least` to `most`; `above`: more than `least`. Raises BadInput."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not least <= found <= most or (above and found == least):
        bounds = f"above {least:g} and up to {most:g}" if above else f"between {least:g} and {most:g}"
        raise BadInput(f"--{option}: expected seconds {bounds}, not {named(text)}")
    return found


def duration(text: str, option: str, least_s: float) -> float:
    """Seconds of a duration as in a filter: 90s, 10m, 2h, 3d. Raises BadInput."""
    found = duration_s(text)
    if found is None or found < least_s:
        least = f" of at least {least_s:g} s" if least_s >= 1 else ""
        raise BadInput(f"--{option}: expected a duration{least}, like 90s, 10m, 2h or 3d, not {named(text)}")
    return found


def file_size(text: str, option: str, least: int) -> int:
    """Bytes of a size as in PostgreSQL's settings. Raises BadInput.

    >>> file_size("64kB", "rotate-size", 65536), file_size("2 gb", "rotate-size", 65536) == 2 * 1024**3
    (65536, True)
    """
    found = _bytes(_SETTING.fullmatch(text.strip()))
    if found is None or found < least:
        least_kb = f"{least // 1024}kB"
        raise BadInput(f"--{option}: expected a size from {least_kb} on, like 100MB or 2GB, not {named(text)}")
    return found


def memory(text: str, option: str) -> int:
    """Bytes of a computer's memory. Raises BadInput.

    >>> memory("16GB", "ram") == memory("16 GiB", "ram") == memory("16384MB", "ram") == 16 * 1024**3
    True
    """
    found = _bytes(_MEMORY.fullmatch(text.strip()))
    if found is None:
        raise BadInput(f"--{option}: expected a number and a unit, like 16GB, 32GiB or 65536MB, not {named(text)}")
    if not _MEMORY_LEAST <= found <= _MEMORY_MOST:
        raise BadInput(f"--{option}: expected between 16MB and 1024TB, not {named(text)}")
    return found


def _bytes(match: re.Match[str] | None) -> int | None:
    return int(float(match[1]) * 1024 ** _POWERS[match[2].lower()]) if match else None
