"""Totals and marks as bytes, and back. What comes back is checked and clean."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite

from pgtop_conn.model.history.moments import Mark, Totals
from pgtop_conn.model.text import clean
from pgtop_conn.recording.codec.numbers import Damaged, json_value
from pgtop_conn.recording.codec.parts import flag, maybe, real, several, text, whole

COUNT = struct.Struct("<H")
#: The totals of one frame unpacked are no longer.
_MOST_BYTES = 8 * 2**20
_MOST_VALUES = 500_000
#: Names of a map, and bytes of a mark.
_MOST_NAMES = 10_000
_MARK_MOST = 2**20
_WRONG = (ValueError, LookupError, TypeError, RecursionError, OverflowError)
#: The maps of Totals: each is null where it is as before.
_MAPS = ("states", "apps", "limits")

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def alike(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether both have the same entries in the same order: counts are shown in theirs."""
    return one is other or list(one.items()) == list(other.items())


def totals_packed(series: Sequence[Totals]) -> bytes:
    """How many there are, and they."""
    before: dict[str, Mapping[str, object]] = {}
    documents = []
    for totals in series:
        values: list[object] = []
        for field in fields(Totals):
            value = getattr(totals, field.name)
            if field.name in _MAPS:
                was, before[field.name] = before.get(field.name), value
                value = None if was is not None and alike(was, value) else dict(value)
            values.append(value)
        documents.append(values)
    packed = zlib.compress(_json(documents).encode("utf-8", errors="replace"), 6)
    return COUNT.pack(len(series)) + packed


def totals_count(packed: bytes) -> int:
    """How many totals_packed() was given; 0 where that can't be told."""
    return int(COUNT.unpack_from(packed)[0]) if len(packed) >= COUNT.size else 0


def totals_unpacked(packed: bytes) -> list[Totals]:
    """What totals_packed() was given. Raises Damaged."""
    try:
        raw = zlib.decompressobj().decompress(packed[COUNT.size :], _MOST_BYTES)
        documents = several(json_value(raw, _MOST_VALUES))
        maps: dict[str, Mapping[str, object]] = {}
        series = [_totals(several(document), maps) for document in documents]
    except (zlib.error, *_WRONG):
        raise Damaged("totals make no sense") from None
    if len(series) != totals_count(packed):
        raise Damaged("totals are missing")
    return series


def _totals(values: Sequence[object], maps: dict[str, Mapping[str, object]]) -> Totals:
    at, used, exact, most, free, capacity, states, apps, limits, oldest_idle_s, in_transaction, started_at = values
    for name, value in zip(_MAPS, (states, apps, limits), strict=True):
        if value is not None:
            maps[name] = _map(value, _pair if name == "limits" else whole)
    return Totals(
        real(at),
        whole(used),
        flag(exact),
        whole(most),
        whole(free),
        whole(capacity),
        maps["states"],  # type: ignore[arg-type]
        maps["apps"],  # type: ignore[arg-type]
        maps["limits"],  # type: ignore[arg-type]
        maybe(real)(oldest_idle_s),
        whole(in_transaction),
        maybe(real)(started_at),
    )


def _map(value: object, kind: object) -> Mapping[str, object]:
    # Where there are more, those of a moment are added up from its sessions.
    if not isinstance(value, dict) or not callable(kind) or len(value) > _MOST_NAMES:
        raise Damaged("expected counts by name")
    return {clean(name): kind(number) for name, number in value.items()}


def _pair(value: object) -> tuple[int, int]:
    used, limit = several(value)
    return whole(used), whole(limit)


def mark_packed(mark: Mark) -> bytes:
    """Its fields in order."""
    values = [getattr(mark, field.name) for field in fields(Mark)]
    return _json(values).encode("utf-8", errors="replace")


def mark_unpacked(raw: bytes) -> Mark:
    """What mark_packed() was given. Raises Damaged."""
    try:
        if len(raw) > _MARK_MOST:
            raise Damaged("a mark is too long")
        at, action, pid, role, app, outcome, chosen_by = several(json_value(raw))
        mark = Mark(real(at), text(action), whole(pid), text(role), text(app), text(outcome), text(chosen_by))
    except _WRONG:
        raise Damaged("a mark makes no sense") from None
    if not isfinite(mark.at):
        raise Damaged("a mark has no time")
    return mark
