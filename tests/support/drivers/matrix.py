"""Matrix: drivers against behaviours, what was said of each; and why it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.support.drivers.table import BEHAVIOURS
from tests.support.drivers.verdicts import Judgement

WAYS = {behaviour.name for behaviour in BEHAVIOURS}


def matrix(results: Mapping[str, Judgement | str]) -> list[str]:
    """`results` are by the name of the scenario; a text says why there is none. One row for each driver and server."""
    judged = [one for one in results.values() if isinstance(one, Judgement) and one.expectation.behaviour in WAYS]
    columns = list(dict.fromkeys(one.expectation.behaviour for one in sorted(judged, key=_healthy_first)))
    rows: dict[str, dict[str, list[str]]] = {}
    for one in judged:
        about = one.expectation
        rows.setdefault(about.driver, {}).setdefault(about.behaviour, []).append(one.word)
    width = max((len(row) for row in rows), default=0)
    wide = {column: max(len(column), *(len(_cell(row.get(column, []))) for row in rows.values())) for column in columns}
    lines = [f"{'':{width}}  " + "  ".join(f"{column:{wide[column]}}" for column in columns)]
    for name in sorted(rows):
        cells = (f"{_cell(rows[name].get(column, [])):{wide[column]}}" for column in columns)
        lines.append(f"{name:{width}}  " + "  ".join(cells).rstrip())
    return lines


def incidents(results: Mapping[str, Judgement | str]) -> list[str]:
    """A line for each scenario that is no cell of the matrix."""
    found = {name: one for name, one in results.items() if isinstance(one, Judgement)}
    names = [name for name, one in found.items() if one.expectation.behaviour not in WAYS]
    width = max(map(len, names), default=0)
    return [f"{name:{width}}  {found[name].word}" for name in sorted(names)]


def explained(results: Mapping[str, Judgement | str]) -> list[str]:
    """A line for each that is wrong or was not to be had."""
    lines = []
    for name, one in sorted(results.items()):
        why = one if isinstance(one, str) else one.wrong
        if why:
            lines.append(f"{name}: {why}")
    return lines


def counts(results: Mapping[str, Judgement | str]) -> str:
    """How many are right and wrong."""
    judged = [one for one in results.values() if isinstance(one, Judgement)]
    wrong = [one for one in judged if one.wrong]
    return (
        f"{len(judged)} judged, {len(judged) - len(wrong)} right; {sum(bool(one.accused) for one in judged)} accused, "
        f"{sum(one.missed for one in judged)} missed, {sum(one.lost is not None for one in judged)} forgotten again; "
        f"{len(results) - len(judged)} not played"
    )


def _healthy_first(one: Judgement) -> bool:
    return one.expectation.leaks


def _cell(words: Sequence[str]) -> str:
    """One word for several servers where they agree; otherwise the worst of them."""
    if not words:
        return "."
    bad = [word for word in words if word.isupper()]
    return f"{bad[0]} {len(bad)}/{len(words)}" if bad else max(words, key=lambda word: (len(word), word))
