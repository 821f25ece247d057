"""Programs: what each kind of client is run with, and why one can't be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from tests.support.drivers.scenario import Driver
from tests.support.pgbouncer import pooler_program

CLIENTS = Path(__file__).resolve().parent / "clients"
JARS = Path("/usr/share/java")


def scratch() -> Path:
    """What is installed or compiled for the clients is kept here: PGTOP_CONN_DRIVERS, or a folder in the cache."""
    return Path(os.environ.get("PGTOP_CONN_DRIVERS") or Path.home() / ".cache" / "pgtop-conn-drivers")


def command_of(driver: Driver) -> list[str]:
    """What starts the client; what has to be compiled is."""
    return _COMMANDS[driver.kind](driver)


def options_of(driver: Driver) -> dict[str, object]:
    """The driver's own, and where a client of its kind finds what it loads."""
    modules = {"modules": str(scratch() / "npm")} if driver.kind == "node" else {}
    return {**modules, **driver.options}


def missing(driver: Driver) -> str:
    """What is not here that the client needs; "" when all is."""
    return _MISSING[driver.kind](driver)


def _python(driver: Driver) -> list[str]:
    return [sys.executable, "-m", f"tests.support.drivers.clients.{driver.program}"]


def _python_missing(driver: Driver) -> str:
    wanted = [str(driver.options[name]) for name in ("driver", "under") if name in driver.options]
    if "through" in driver.options and pooler_program() is None:
        return "pgbouncer is not installed"
    absent = [name for name in wanted if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _node(driver: Driver) -> list[str]:
    return ["node", str(CLIENTS / f"{driver.program}.js")]


def _node_missing(driver: Driver) -> str:
    if shutil.which("node") is None:
        return "node is not installed"
    package = str(driver.options["driver"])
    return "" if (scratch() / "npm" / "node_modules" / package).is_dir() else f"not installed: {package}"


def _java(driver: Driver) -> list[str]:
    return ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", _classpath(), "Pools"]


@lru_cache(maxsize=1)
def _classpath() -> str:
    """Compiled once for each change of the source."""
    source = CLIENTS / "Pools.java"
    jars = [str(JARS / f"{name}.jar") for name in _JARS]
    target = scratch() / "java"
    path = ":".join([str(target), *jars])
    compiled = target / "Pools.class"
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["javac", "-nowarn", "-d", str(target), "-cp", path, str(source)], check=True)
    return path


_JARS = (
    "postgresql",
    "HikariCP",
    "commons-dbcp2",
    "commons-pool2",
    "commons-logging",
    "c3p0",
    "slf4j-api",
)


def _java_missing(driver: Driver) -> str:
    if shutil.which("java") is None or shutil.which("javac") is None:
        return "no java and javac"
    absent = [name for name in _JARS if not (JARS / f"{name}.jar").exists()]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _ruby(driver: Driver) -> list[str]:
    return ["ruby", str(CLIENTS / f"{driver.program}.rb")]


def _ruby_missing(driver: Driver) -> str:
    if shutil.which("ruby") is None:
        return "ruby is not installed"
    return "" if Path("/usr/share/rubygems-integration").is_dir() else "no activerecord"


def _go(driver: Driver) -> list[str]:
    return [_binary(driver.program)]


@lru_cache(maxsize=4)
def _binary(program: str) -> str:
    source, binary = CLIENTS / f"{program}.go", scratch() / "go" / program
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": "/usr/share/gocode",
            "GOCACHE": str(scratch() / "go" / "cache"),
            "GOFLAGS": "",
        }
        subprocess.run(["go", "build", "-o", str(binary), str(source)], check=True, env=environment)
    return str(binary)


def _go_missing(driver: Driver) -> str:
    if shutil.which("go") is None:
        return "go is not installed"
    sources = Path("/usr/share/gocode/src/github.com")
    absent = [name for name in ("lib/pq", "jackc/pgx/v4") if not (sources / name).is_dir()]
    return f"not installed: {', '.join(absent)}" if absent else ""


_COMMANDS: Mapping[str, Callable[[Driver], list[str]]] = {
    "python": _python,
    "node": _node,
    "java": _java,
    "ruby": _ruby,
    "go": _go,
}
_MISSING: Mapping[str, Callable[[Driver], str]] = {
    "python": _python_missing,
    "node": _node_missing,
    "java": _java_missing,
    "ruby": _ruby_missing,
    "go": _go_missing,
}
