"""What the names of one application share: `puma: cluster worker *: * [shop]` for each of its processes.

Process ids, numbers, hashes and the suffixes of pods are left out. Add a form: a line in VARYING.
"""

from __future__ import annotations

from functools import lru_cache

from pgtop_conn.model.lazy_regex import later

#: Regular expressions for the parts of a name that differ between processes of one application.
VARYING = (
    # A UUID, and any other hexadecimal text of eight digits or more with a digit in it.
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    r"(?<![0-9A-Za-z])(?=[a-f]*[0-9])[0-9a-f]{8,}(?![0-9A-Za-z])",
    # The suffix that a ReplicaSet and a pod add, from the letters that Kubernetes uses.
    r"-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}(?![0-9A-Za-z])",
    r"[0-9]+",
)
_VARYING = later("|".join(VARYING))


@lru_cache(maxsize=4096)
def app_group(app: str) -> str:
    """The shared part, with `*` for what varies.

    >>> app_group("puma: cluster worker 2: 8123 [shop]"), app_group("web-5d9c7b6f4d-x2x7k"), app_group("billing")
    ('puma: cluster worker *: * [shop]', 'web*', 'billing')
    """
    return _VARYING.sub("*", app)
