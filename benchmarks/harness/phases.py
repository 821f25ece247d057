"""The phases of a measurement: startup, steady, keys, hold and growth. Each runs the program once and gives numbers.

Add a phase: write a function from a Spec and Conditions to numbers, and put it where measuring.py plans what is run.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from benchmarks.harness.emulator import Emulator
from benchmarks.harness.processes import Server, process_tree, rss_mb, spent, usage_of
from benchmarks.harness.spec import KeySet, Spec
from benchmarks.harness.terminal import Run, Size

#: So long without output is the end of an answer.
QUIET_S = 0.06
LONGEST_ANSWER_S = 1.5
#: A statement that was run in so many refreshes of ten belongs to every one.
EVERY_TICK_SHARE = 0.8
STATEMENT = "statement:"

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all programs are measured under."""

    size: Size = field(default_factory=Size)
    settle_s: float = 3.0
    window_s: float = 12.0
    presses: int = 15
    server: Server | None = None
    #: Counters of the server: their differences are reported. Those named STATEMENT… are calls of one statement.
    probe: Callable[[], Mapping[str, float]] = dict


class NoData(Exception):
    """The program never showed data; the text is its last screen."""


def wait_for_data(run: Run) -> float:
    """When the screen first showed data, in seconds since the start; the emulation waits while the program works.

    Raises NoData.
    """
    emulator, wanted, fed = Emulator(run.size.columns, run.size.rows), re.compile(run.spec.data_regex, re.MULTILINE), 0
    while run.alive and run.now_s() < run.spec.startup_timeout_s:
        run.pump(1.0, until_quiet_s=0.25)
        while fed < len(run.chunks):
            at_s, data = run.chunks[fed]
            emulator.feed(data)
            fed += 1
            if wanted.search(emulator.text()):
                return at_s
    raise NoData(f"{run.spec.name} shows no data:\n{emulator.text().rstrip()}")


def make_ready(run: Run, refresh_s: float, settle_s: float) -> None:
    """Until it shows data and what the spec asks for."""
    wait_for_data(run)
    for key in run.spec.ready_keys:
        run.send(run.spec.fill(key, refresh_s))
        run.pump(0.4)
    run.pump(settle_s)


def startup(spec: Spec, conditions: Conditions) -> Numbers:
    """Seconds from just before the start to the first screen with data."""
    with Run(spec, spec.refresh_s, conditions.size) as run:
        return {"data_s": wait_for_data(run)}


def steady(spec: Spec, conditions: Conditions) -> Numbers:
    """CPU of program and server, bytes and statements for each refresh, and the memory, when nobody touches a key."""
    with Run(spec, spec.refresh_s, conditions.size) as run:
        make_ready(run, spec.refresh_s, conditions.settle_s)
        counted = conditions.probe()
        run.pump(0.05)
        before, first = usage_of(run.pid, conditions.server), len(run.chunks)
        run.pump(conditions.window_s)
        written = run.chunks[first:]
        after = usage_of(run.pid, conditions.server)
        used = spent(before, after)
        refreshes = refreshes_in([at_s for at_s, _ in written], used["window_s"], spec.refresh_s)
        numbers = {
            "cpu_ms": used["cpu_ms"] / refreshes,
            "bytes": sum(len(data) for _, data in written) / refreshes,
            "server_ms": used["server_ms"] / refreshes,
            "rss_mb": rss_mb(after.pids),
            "refreshes": refreshes,
            "machine_busy_percent": used["machine_busy_percent"],
        }
        return numbers | counted_since(counted, conditions.probe(), refreshes)


def refreshes_in(times_s: Sequence[float], window_s: float, refresh_s: float) -> float:
    """Bursts of output where they are about as many as the interval lets expect, otherwise what it lets expect.

    A program that sleeps after its work refreshes a bit less often than it is told.

    >>> refreshes_in([0.1, 0.11, 2.2, 4.3, 6.4, 8.5], 10.0, 2.0), refreshes_in([3.0], 10.0, 2.0)
    (5, 5.0)
    """
    expected = window_s / refresh_s
    gap_s = min(0.2, refresh_s / 3)
    later = sum(following - one > gap_s for one, following in pairwise(times_s))
    bursts = 1 + later if times_s else 0
    return bursts if abs(bursts - expected) < max(1.5, expected / 4) else expected


def counted_since(before: Mapping[str, float], after: Mapping[str, float], refreshes: float) -> Numbers:
    """Differences of the server's counters; statements for each refresh, and how many of them every refresh runs."""
    differences = {name: value - before.get(name, 0.0) for name, value in after.items()}
    numbers = {name: value for name, value in differences.items() if not name.startswith(STATEMENT)}
    calls = [value for name, value in differences.items() if name.startswith(STATEMENT)]
    if calls:
        numbers["statements"] = sum(calls) / refreshes
        numbers["statements_each_tick"] = sum(value >= EVERY_TICK_SHARE * refreshes for value in calls)
    return numbers


@dataclass(frozen=True, slots=True)
class Press:
    """One key: when it was sent, and the output that followed, as indexes of the run's chunks."""

    keys: KeySet
    sent_s: float
    first: int
    end: int


def keys(spec: Spec, conditions: Conditions) -> Numbers:
    """For each set of keys: milliseconds from a key to the last byte of what it changes, and the bytes."""
    chance = random.Random(4)
    presses: list[Press] = []
    with Run(spec, spec.key_refresh_s, conditions.size) as run:
        make_ready(run, spec.key_refresh_s, conditions.settle_s)
        for one in spec.keys:
            _type(run, one.before)
            for number in range(conditions.presses * one.rounds):
                run.pump(chance.uniform(0.05, 0.35))
                presses.append(_press(run, one, one.send[number % len(one.send)]))
            _type(run, one.after)
        return answers(run.chunks, presses, conditions.size)


def _type(run: Run, sent: Sequence[str]) -> None:
    for key in sent:
        run.send(key)
        run.pump(0.4)


def _press(run: Run, which: KeySet, key: str) -> Press:
    """Send a key in a silent moment; record until it is silent again, or for as long as the spec says."""
    run.pump(2.0, until_quiet_s=0.15)
    first = len(run.chunks)
    sent_s = run.send(key)
    if which.wait_s is not None:
        run.pump(which.wait_s)
        return Press(which, sent_s, first, len(run.chunks))
    end_s = sent_s + LONGEST_ANSWER_S
    while run.alive and run.now_s() < end_s:
        run.pump(QUIET_S, until_quiet_s=QUIET_S)
        if len(run.chunks) > first and run.now_s() - run.chunks[-1][0] >= QUIET_S:
            break
    return Press(which, sent_s, first, len(run.chunks))


def answers(chunks: Sequence[tuple[float, bytes]], presses: Sequence[Press], size: Size) -> Numbers:
    """Replay the output and find the end of each answer; a key that changed nothing in its area counts as unseen."""
    emulator, fed = Emulator(size.columns, size.rows), 0
    milliseconds: dict[str, list[float]] = {}
    sizes: dict[str, list[float]] = {}
    for press in presses:
        name, area = press.keys.name, press.keys.area
        for _, data in chunks[fed : press.first]:
            emulator.feed(data)
        fed = press.end
        before, done_s = emulator.state(*area), None
        for at_s, data in chunks[press.first : press.end]:
            emulator.feed(data)
            goes_on = done_s is not None and at_s - done_s < QUIET_S
            if goes_on or (done_s is None and emulator.state(*area) != before):
                done_s = at_s
        if done_s is not None:
            milliseconds.setdefault(name, []).append(1000 * (done_s - press.sent_s))
            written = (len(data) for at_s, data in chunks[press.first : press.end] if at_s <= done_s)
            sizes.setdefault(name, []).append(sum(written))
    numbers: Numbers = {}
    for name, values in milliseconds.items():
        numbers |= {f"{name}_p50_ms": percentile(values, 0.5), f"{name}_p95_ms": percentile(values, 0.95)}
        numbers |= {f"{name}_bytes": percentile(sizes[name], 0.5), f"{name}_seen": len(values)}
    return numbers


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many of them do not exceed.

    >>> percentile([4, 1, 3, 2, 5], 0.5), percentile([1, 2], 0.95)
    (3, 2)
    """
    return sorted(values)[round(share * (len(values) - 1))]


def hold(spec: Spec, conditions: Conditions) -> Numbers:
    """A key held down: how far the screen is behind when it is let go, and what each repeat costs."""
    held = spec.hold
    if held is None:
        return {}
    with Run(spec, spec.key_refresh_s, conditions.size) as run:
        make_ready(run, spec.key_refresh_s, conditions.settle_s)
        before, first, began_s, sent_s = usage_of(run.pid, None), len(run.chunks), run.now_s(), 0.0
        for number in range(held.count):
            run.pump(max(0.0, began_s + number / held.rate - run.now_s()))
            sent_s = run.send(held.send)
        until_let_go = len(run.chunks)
        while run.alive and len(run.chunks) == until_let_go and run.now_s() < sent_s + LONGEST_ANSWER_S:
            run.pump(0.1, until_quiet_s=0.02)
        run.pump(15.0, until_quiet_s=0.3)
        used = spent(before, usage_of(run.pid, None))
        last_s = run.chunks[-1][0] if len(run.chunks) > until_let_go else sent_s
        return {
            "hold_lag_ms": 1000 * (last_s - sent_s),
            "hold_cpu_ms": used["cpu_ms"] / held.count,
            "hold_bytes": sum(len(data) for _, data in run.chunks[first:]) / held.count,
        }


def growth(
    spec: Spec,
    conditions: Conditions,
    *,
    refreshes: int,
    first: int = 200,
    every: int = 25,
    polls: Callable[[], int] | None,
) -> Numbers:
    """Memory over many refreshes: by how many per cent it grew after the first ones.

    `polls` tells how many refreshes there were; without it the interval does.
    """
    samples: list[tuple[int, float]] = []
    with Run(spec, spec.refresh_s, conditions.size) as run:
        make_ready(run, spec.refresh_s, 0.0)
        began_s, done = run.now_s(), 0
        longest_s = refreshes * max(spec.refresh_s * 2, 0.5)
        while done < refreshes and run.alive and run.now_s() - began_s < longest_s:
            run.pump(min(0.5, spec.refresh_s * every))
            done = polls() if polls is not None else int((run.now_s() - began_s) / spec.refresh_s)
            if not samples or done >= samples[-1][0] + every:
                samples.append((done, rss_mb(process_tree(run.pid))))
    return {**grown(samples, first), "grown_refreshes": done}


def grown(samples: Sequence[tuple[int, float]], first: int, smoothed: int = 4) -> Numbers:
    """The growth between the first samples behind refresh `first` and the last ones, each a median of a few.

    >>> grown([(0, 10), (200, 40), (225, 40), (250, 41), (275, 41)], 200, smoothed=2)
    {'growth_percent': 2.5, 'first_rss_mb': 40.0, 'last_rss_mb': 41.0}
    """
    later = [size_mb for refresh, size_mb in samples if refresh >= first]
    if len(later) < 2 * smoothed:
        return {}
    early_mb, late_mb = median(later[:smoothed]), median(later[-smoothed:])
    return {"growth_percent": 100 * (late_mb - early_mb) / early_mb, "first_rss_mb": early_mb, "last_rss_mb": late_mb}
