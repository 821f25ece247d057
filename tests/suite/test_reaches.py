"""No test reaches for a private member of the package: a test that needs one asks for a public one instead.

A name with one underscore belongs to whoever defines it. What counts as a reach: such a name of the package behind a
dot, in an import, or as a string that names an attribute. An exception: one line in ALLOWED, with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PACKAGE = TESTS.parent / "pgtop_conn"
#: File below tests/ and name to the reason.
ALLOWED = {
    ("postgres/poll/test_poll.py", "_transport"): "asyncpg's own, whose name a class of ours has too",
    ("support/drivers/clients/blocking.py", "_pool"): "psycopg2's own, whose name a class of ours has too",
    ("tui/rendering/test_diff_app.py", "_display"): "Textual's own, which the test takes away",
    ("tui/rendering/test_diff_app.py", "_compositor"): "Textual's own, whose name a module of ours has too",
    ("support/fake_source.py", "_compositor"): "Textual's own, whose name a module of ours has too",
}
#: Methods of named tuples, which are public in spite of their underscore.
NAMED_TUPLE = {"_asdict", "_fields", "_field_defaults", "_make", "_replace"}
#: Functions whose second argument names an attribute.
BY_NAME = {"setattr", "getattr", "delattr", "hasattr"}
#: Whose own members these are.
SELVES = {"self", "cls"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_" and name not in NAMED_TUPLE


def defined(tree: ast.AST) -> Iterator[str]:
    """Private names that this code defines: functions, classes, variables, and attributes of its own objects."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names = [node.id]
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            names = [node.attr]
        else:
            names = []
        yield from filter(is_private, names)


def is_own(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in SELVES


def foreign(tree: ast.AST) -> set[str]:
    """Names under which a module imports others that are not of the package."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name.partition(".")[0] for one in node.names if not is_ours(one.name)}
        elif isinstance(node, ast.ImportFrom) and not is_ours(node.module or ""):
            found |= {one.asname or one.name for one in node.names}
    return found


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in (PACKAGE.name, TESTS.name)


def root(value: ast.expr) -> str:
    """The name that a chain of attributes begins with; "" for anything else."""
    while isinstance(value, ast.Attribute):
        value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def named(node: ast.AST) -> Iterator[str]:
    """Names of attributes in a string: of a call such as setattr(), or of a whole path in the package."""
    if isinstance(node, ast.Call):
        function = node.func.attr if isinstance(node.func, ast.Attribute) else root(node.func)
        if function in BY_NAME and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            yield str(node.args[1].value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PACKAGE.name}."):
        yield from node.value.split(".")


def reaches(text: str, private: set[str]) -> list[tuple[int, str]]:
    """Line and name of each reach in a test's code; `private` are the package's names."""
    tree = ast.parse(text)
    theirs, strangers, found = private - set(defined(tree)), foreign(tree), []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute) and not is_own(node.value) and root(node.value) not in strangers:
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom) and is_ours(node.module or ""):
            names = [one.name for one in node.names]
            found += [(node.lineno, name) for name in names if is_private(name) and name not in theirs]
        else:
            names = list(named(node))
        found += [(getattr(node, "lineno", 0), name) for name in names if name in theirs]
    return sorted(found)


@pytest.fixture(scope="module")
def private() -> set[str]:
    """Every private name of the package."""
    return {name for path in PACKAGE.rglob("*.py") for name in defined(ast.parse(path.read_text(encoding="utf-8")))}


def test_no_test_reaches_for_a_private_member_of_the_package(private: set[str]) -> None:
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        place = path.relative_to(TESTS).as_posix()
        for line, name in reaches(path.read_text(encoding="utf-8"), private):
            found.append((place, line, name))
    assert [f"{place}:{line} {name}" for place, line, name in found if (place, name) not in ALLOWED] == []
    assert ALLOWED.keys() <= {(place, name) for place, _, name in found}


@pytest.mark.parametrize(
    "text",
    [
        "session._link.close()",
        "app.main._good_at = 1.0",
        "open_session()._link",
        "from pgtop_conn.postgres.session import _end",
        "from tests.support.waits import _anything",
        "monkeypatch.setattr(session, '_link', None)",
        "getattr(session, '_link')",
        "monkeypatch.setattr('pgtop_conn.postgres.session._end', None)",
    ],
)
def test_a_reach_is_found(text: str) -> None:
    assert len(reaches(text, {"_link", "_good_at", "_end"})) == 1


@pytest.mark.parametrize(
    "text",
    [
        "class Fake:\n    def __init__(self) -> None:\n        self._link = 1\n\nFake()._link",
        "import textual\ntextual._link.wait()",
        "row._replace(pid=1)",
        "session.link",
        "f'{name}_link'",
        "session.__dict__",
        "'the member _link'",
    ],
)
def test_what_is_no_reach_is_left_alone(text: str) -> None:
    assert reaches(text, {"_link"}) == []
