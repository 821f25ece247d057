"""What the documents name is there: files, links, and targets of the Makefile, which runs what .ci/run runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.support.servers import PROJECT

DOCUMENTS = sorted(
    path.relative_to(PROJECT).as_posix()
    for path in (
        *PROJECT.glob("docs/**/*.md"),
        *(PROJECT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "README.md")),
        PROJECT / ".github" / "pull_request_template.md",
    )
)
#: Folders whose name at the beginning of a word makes it a path.
FOLDERS = ("pgtop_conn", "tests", "docs", "scripts", "screenshots", "benchmarks", ".ci", ".github")
#: Endings that make a word a path; one without a folder may be anywhere.
ENDINGS = (".py", ".sql", ".md", ".tcss", ".yml", ".yaml", "pyproject.toml", "style_codes.json")
#: Folders that are not the project's.
NOT_OURS = frozenset({".git", ".venv", "__pycache__", "build", "dist"})

_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_PATH = re.compile(r"[\w.][\w./-]*")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MAKE = re.compile(r"make ([a-z][a-z-]*)")


def text_of(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files() -> frozenset[str]:
    """Every file and folder of the project."""
    found = (path.relative_to(PROJECT) for folder in FOLDERS for path in (PROJECT / folder).rglob("*"))
    inside = {path.as_posix() for path in found if NOT_OURS.isdisjoint(path.parts)}
    return frozenset(inside | {path.name for path in PROJECT.iterdir()})


def codes_in(text: str) -> list[str]:
    """What is in backticks, and the lines between fences."""
    lines = [line for block in _FENCE.findall(text) for line in block.splitlines()]
    return [*(code for _, code in _CODE.findall(_FENCE.sub("", text))), *lines]


def paths_in(text: str) -> Iterator[str]:
    """Words in backticks that are paths of the project."""
    for word in " ".join(codes_in(text)).split():
        if _PATH.fullmatch(word) and (word.split("/")[0] in FOLDERS or word.endswith(ENDINGS)):
            yield word.rstrip("/")


def is_there(name: str, files: frozenset[str]) -> bool:
    """Whether it is a path from the project's folder, or the end of one."""
    return name in files or any(path.endswith(f"/{name}") for path in files)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document: str, files: frozenset[str]) -> None:
    assert [name for name in paths_in(text_of(document)) if not is_there(name, files)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    folder = (PROJECT / document).parent
    links = [link.partition("#")[0] for link in _LINK.findall(_FENCE.sub("", text_of(document))) if "://" not in link]
    assert [link for link in links if not (folder / link).exists()] == []


def targets() -> dict[str, list[str]]:
    """Each target of the Makefile: what it needs, and the commands that it runs."""
    found: dict[str, list[str]] = {}
    for line in text_of("Makefile").splitlines():
        if line.startswith("\t"):
            found[list(found)[-1]].append(line.strip())
        elif (rule := re.fullmatch(r"([a-z][a-z-]*):(.*)", line)) is not None:
            found[rule[1]] = rule[2].split()
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_that_a_document_names_is_in_the_makefile(document: str) -> None:
    named = {found[1] for code in codes_in(text_of(document)) if (found := _MAKE.fullmatch(code)) is not None}
    assert named <= targets().keys()


def test_the_hooks_and_all_run_every_check() -> None:
    checks = targets().keys() - {"all"}
    assert set(targets()["all"]) == checks
    hooks = re.findall(r"^ +entry: (.*)$", text_of(".pre-commit-config.yaml"), re.MULTILINE)
    assert set(hooks) == {f"make {name}" for name in checks - {"test"}}


def test_the_makefile_runs_what_ci_runs() -> None:
    ran = text_of(".ci/run") + text_of("README.md")
    commands = [line for name, lines in targets().items() if name != "all" for line in lines]
    assert [line for line in commands if line.replace("$(BIN)", ".venv/bin") not in ran] == []
    assert len(commands) == len(re.findall(r"^\.venv/bin/", text_of(".ci/run"), re.MULTILINE)) + 1


def test_what_is_looked_for() -> None:
    text = "`pgtop_conn/cli.py` and `nothing.py`, `idle>10m`, ```\n`~/x.md`\n\n```sh\nls docs/ .ci/run\n```\n"
    assert [*paths_in(text)] == ["pgtop_conn/cli.py", "nothing.py", "docs", ".ci/run"]
    assert not is_there("nothing.py", frozenset({"pgtop_conn/cli.py"}))
    assert is_there("cli.py", frozenset({"pgtop_conn/cli.py"}))


def test_the_architecture_names_every_room_and_the_layers_as_they_are() -> None:
    (tree, layers), package = _FENCE.findall(text_of("docs/architecture.md")), PROJECT / "pgtop_conn"
    rooms = {path.name for path in package.iterdir() if path.is_dir() and path.name not in NOT_OURS}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    assert {name for name in rooms if f"  {name}/" not in tree} | {
        name for name in modules if name not in tree
    } == set()
    contract = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    assert layers.split() == " > ".join(contract["layers"]).split()
