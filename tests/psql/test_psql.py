"""Every keyword and variable of libpq does what it does in psql, or differs for a reason that the table tells."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pgtop_conn.demo.binaries import Binaries
from pgtop_conn.postgres.conninfo.keywords import DROPPED_VARIABLES, KEYWORDS, OTHER_VARIABLES
from tests.support.psql.case import Case
from tests.support.psql.comparison import CASES, Psql, compare, reference
from tests.support.psql.servers import ground, make_roles
from tests.support.servers import Servers, server_with_tls


class _Option(ctypes.Structure):
    """PQconninfoOption."""

    _fields_ = [
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    ]


def _defaults(library: Path) -> dict[str, str]:
    """PQconndefaults(): every keyword that this libpq knows, with its variable."""
    call = ctypes.CDLL(str(library)).PQconndefaults
    call.restype = ctypes.POINTER(_Option)
    found: dict[str, str] = {}
    for option in call():
        if option.keyword is None:
            break
        found[option.keyword.decode()] = (option.envvar or b"").decode()
    return found
    return found


@pytest.fixture(scope="module")
def psql() -> Psql:
    found = reference()
    if found is None:
        pytest.skip("no psql here")
    return found


@pytest.fixture(scope="module")
def names(
    tmp_path_factory: pytest.TempPathFactory, servers: Servers, newest_binaries: Binaries
) -> Iterator[Mapping[str, str]]:
    with_tls = server_with_tls(servers.versions)
    if with_tls is None:
        pytest.skip("no server with TLS here")
    with ground(tmp_path_factory.mktemp("psql"), with_tls, newest_binaries) as found:
        yield found


@pytest.fixture(scope="module")
def ready() -> list[Mapping[str, str]]:
    """The grounds that have their roles."""
    return []


# One ground serves all cases, so one worker takes them all.
@pytest.mark.xdist_group("psql")
@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.about}-{one}"[:90])
async def test_as_psql(one: Case, psql: Psql, names: Mapping[str, str], ready: list[Mapping[str, str]]) -> None:
    if one.needs_tls and psql.libpq is None:
        pytest.skip("this psql has no TLS")
    if names not in ready:
        await make_roles(dict(names))
        ready.append(names)
    result = await compare(one, psql, names)
    assert result.as_expected, f"psql: {result.psql.said}\nours: {result.ours.said}"
    assert result.ours.said.isprintable()
    assert "hunter2" not in result.ours.said


def test_no_keyword_and_no_variable_is_missing(newest_binaries: Binaries) -> None:
    library = newest_binaries.bin_dir.parent / "lib" / "libpq.so.5"
    if not library.exists():
        pytest.skip("no libpq here")
    for keyword, variable in _defaults(library).items():
        assert KEYWORDS[keyword].env == (variable or None)


def test_every_keyword_and_variable_has_a_case() -> None:
    variables = {keyword.env for keyword in KEYWORDS.values() if keyword.env}
    wanted = {*KEYWORDS, *variables, *DROPPED_VARIABLES, *OTHER_VARIABLES}
    assert wanted <= {one.about for one in CASES}
