"""What is measured, in what order and how often. The programs of one measurement take turns: A B C, A B C.

Add a measurement: a method of Session, and its name in environment.STAGES.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.environment import HERE
from benchmarks.figures import HELP, OURS, PSQL_ALL, PYTHON, SNAPSHOT, VERSION, Record
from benchmarks.goals import FEW_SESSIONS, MEMORY_SESSIONS, SYNTHETIC_SESSIONS
from benchmarks.harness.phases import Conditions, NoData, Numbers, growth, hold, keys, startup, steady
from benchmarks.harness.spec import Spec, load_spec
from benchmarks.harness.terminal import clean_environment
from benchmarks.laboratory import Laboratory

SPECS = HERE / "specs"
#: Those that need a server with sessions.
ON_REAL_SESSIONS = frozenset({"steady", "startup", "keys", "snapshot"})
#: Where keys, starts and snapshots are measured.
MANY_SESSIONS = 2000
#: Specs in the order they take turns, and the program that each needs beside the product.
PROGRAMS = {
    "closed": "pgtop-conn",
    "pg_activity": "pg_activity",
    "open": "pgtop-conn",
    "pg_activity-remote": "pg_activity",
    "pg_top": "pg_top",
    "pgcenter": "pgcenter",
    "pgcenter-idle": "pgcenter",
    "psql": "psql",
}
#: At fewer sessions only those that the curves show.
CURVES = ("closed", "pg_activity", "open")
CHURN_A_SECOND = 20

Phase = Callable[[Spec, Conditions], Numbers]


@dataclass(frozen=True, slots=True)
class Effort:
    """How often, and how long."""

    startups: int = 6
    commands: int = 20
    snapshots: int = 5
    steady: int = 2
    #: Further ones of the programs that the goals are about, on 2,000 sessions.
    steady_more: int = 2
    keys: int = 2
    holds: int = 3
    presses: int = 12
    window_s: float = 10.0
    settle_s: float = 2.5
    refreshes: int = 2000


QUICK = Effort(
    startups=3,
    commands=10,
    snapshots=3,
    steady=1,
    steady_more=0,
    keys=1,
    holds=1,
    presses=9,
    window_s=8.0,
    settle_s=2.0,
    refreshes=450,
)


@dataclass(slots=True)
class Session:
    """One run of the benchmarks; `records` and `troubles` grow while it goes on."""

    made: Laboratory
    programs: Mapping[str, str]
    effort: Effort
    #: Called after each run, with a line for whoever waits.
    tell: Callable[[str], None]
    records: list[Record] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def measure(self, stages: Set[str], sessions: Sequence[int], *, long: bool) -> None:
        """Everything that is asked for; a program that is not here or shows no data is noted and passed over."""
        absent = {needed for needed in PROGRAMS.values() if needed not in self.programs}
        self.troubles += [f"{name}, which is not here" for name in sorted(absent)]
        if "commands" in stages:
            self.commands()
        if "idle" in stages:
            with self.made.load(FEW_SESSIONS, "--still"):
                self.take_turns("idle", steady, ("closed",), FEW_SESSIONS, self.effort.steady)
        if "synthetic" in stages:
            self.synthetic()
        if "memory" in stages:
            self.memory()
        for count in sessions:
            self.on_real_sessions(count, stages)
        if long:
            with self.made.load(MANY_SESSIONS, "--churn", str(CHURN_A_SECOND)):
                self.memory_of_real_sessions()

    def on_real_sessions(self, count: int, stages: Set[str]) -> None:
        """What needs a server with so many sessions."""
        many = count == MANY_SESSIONS
        if not (stages & ON_REAL_SESSIONS if many else "steady" in stages):
            return
        with self.made.load(count):
            if "steady" in stages:
                self.take_turns("steady", steady, tuple(PROGRAMS) if many else CURVES, count, self.effort.steady)
                if many:
                    self.take_turns("steady", steady, CURVES, count, self.effort.steady_more)
            if "startup" in stages and many:
                names = [name for name in PROGRAMS if name not in ("open", "pgcenter-idle")]
                self.take_turns("startup", startup, names, count, self.effort.startups)
            if "keys" in stages and many:
                self.take_turns("keys", keys, ("open", "pg_activity"), count, self.effort.keys)
                self.take_turns("hold", hold, ("open", "pg_activity"), count, self.effort.holds)
            if "snapshot" in stages and many:
                self.snapshots(count)

    def conditions(self) -> Conditions:
        """As every program has them."""
        effort = self.effort
        return Conditions(
            settle_s=effort.settle_s,
            window_s=effort.window_s,
            presses=effort.presses,
            server=self.made.server,
            probe=self.made.probe,
        )

    def spec(self, name: str, **variables: object) -> Spec:
        """A spec of this folder with every variable it may name."""
        known = {
            **self.programs,
            "port": self.made.cluster.port,
            "specs": SPECS,
            "synthetic": HERE / "synthetic.py",
            **variables,
        }
        return load_spec(SPECS / f"{name}.toml", {key: str(value) for key, value in known.items()})

    def take_turns(self, title: str, phase: Phase, names: Sequence[str], sessions: int, runs: int) -> None:
        """The same phase for each program, one after the other, so many times."""
        specs = [self.spec(name) for name in names if PROGRAMS[name] in self.programs]
        for _ in range(runs):
            for spec in specs:
                self.run(title, phase, spec, sessions)

    def run(self, title: str, phase: Phase, spec: Spec, sessions: int, conditions: Conditions | None = None) -> None:
        """One run; its record, or why there is none."""
        load_average = os.getloadavg()[0]
        try:
            numbers = phase(spec, conditions or self.conditions())
        except NoData as error:
            self.troubles.append(f"{title} on {sessions} sessions, where {str(error).partition(':')[0]}")
            self.tell(str(error))
            return
        self.records.append(Record(spec.name, title, sessions, numbers, load_average))
        shown = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        self.tell(f"{title:9} {sessions:5}  {spec.name:24} {shown}")

    def synthetic(self) -> None:
        """The screen on many and on very many made-up sessions; no server is asked."""
        conditions = replace(self.conditions(), server=None, probe=dict)
        specs = [(count, self.spec("synthetic", sessions=count)) for count in (MANY_SESSIONS, SYNTHETIC_SESSIONS)]
        runs = self.effort
        phases: tuple[tuple[str, Phase, int], ...] = (
            ("synthetic", steady, runs.steady),
            ("keys", keys, runs.keys),
            ("hold", hold, runs.holds),
        )
        for title, phase, times in phases:
            for _ in range(times):
                for count, spec in specs:
                    self.run(title, phase, spec, count, conditions)

    def memory(self) -> None:
        """Memory over many refreshes of made-up sessions that come and go."""
        with tempfile.TemporaryDirectory() as folder:
            count_file = Path(folder) / "polls"

            def polls() -> int:
                # Empty while it is being written.
                return int(count_file.read_text() or 0) if count_file.exists() else 0

            def phase(spec: Spec, conditions: Conditions) -> Numbers:
                return growth(spec, conditions, refreshes=self.effort.refreshes, polls=polls)

            self.run("memory", phase, self.spec("growth", sessions=MEMORY_SESSIONS, count=count_file), MEMORY_SESSIONS)

    def memory_of_real_sessions(self) -> None:
        """The same on a server, at the smallest interval."""

        def phase(spec: Spec, conditions: Conditions) -> Numbers:
            return growth(spec, conditions, refreshes=self.effort.refreshes, polls=None)

        self.run("memory", phase, self.spec("growth-real"), MANY_SESSIONS)

    def commands(self) -> None:
        """What a start of Python costs, and what the product adds where it shows nothing but a text."""
        ours, python = self.programs["pgtop-conn"], self.programs["python"]
        wanted = {HELP: [ours, "--help"], VERSION: [ours, "--version"], PYTHON: [python, "-c", "pass"]}
        self.time_in_turns("command", wanted, 0, self.effort.commands)

    def snapshots(self, sessions: int) -> None:
        """One look for scripts, beside the least that anybody could do."""
        server = ["-h", "127.0.0.1", "-p", str(self.made.cluster.port), "-U", "mon", "-d", "postgres"]
        wanted = {
            SNAPSHOT: [self.programs[OURS], "snapshot", "--json", *server],
            PSQL_ALL: [self.programs["psql"], "-X", *server, "-c", "SELECT * FROM pg_stat_activity"],
            PYTHON: [self.programs["python"], "-c", "pass"],
        }
        self.time_in_turns("snapshot", wanted, sessions, self.effort.snapshots)

    def time_in_turns(self, title: str, commands: Mapping[str, Sequence[str]], sessions: int, runs: int) -> None:
        """Wall time from start to end of each command, its output thrown away; the first round is not counted."""
        with tempfile.TemporaryDirectory() as home:
            environ = clean_environment(Path(home), os.environ)
            for number in range(runs + 1):
                for name, command in commands.items():
                    load_average, began = os.getloadavg()[0], time.perf_counter()
                    subprocess.run(
                        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
                    )
                    wall_ms = 1000 * (time.perf_counter() - began)
                    if number:
                        self.records.append(Record(name, title, sessions, {"wall_ms": wall_ms}, load_average))
        self.tell(f"{title:9} {sessions:5}  {', '.join(commands)}: {runs} times each")


def tell_on_stderr(line: str) -> None:
    """For whoever waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
