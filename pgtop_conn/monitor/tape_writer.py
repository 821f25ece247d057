"""TapeWriter: writes what comes in to a recording, in order, in a thread: a slow disk never holds the screen up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Keeper, KeepingTape, Mark, Moment, Totals

#: Moments that may wait for the disk; what comes when more do is left out, and said.
MOST_WAITING = 120
#: Between two moments of before, which the screen has to make again: it stays quick meanwhile.
BREATH_S = 0.002


class RecordingFile(Keeper, Protocol):
    """What a recording is written with."""

    @property
    def path(self) -> Path: ...

    def close(self) -> None: ...


class TapeWriter:
    """One recording from its beginning to its end; `failed` is told what can't be written, once until it can again."""

    def __init__(self, recorder: RecordingFile, failed: Callable[[PgtopError], None]) -> None:
        self._recorder = recorder
        self._failed = failed
        self._failing = False
        self._hurry = False
        self._waiting: asyncio.Queue[tuple[Moment, Totals] | Mark | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path:
        return self._recorder.path

    def start(self, before: KeepingTape | None) -> None:
        """Begin with what was kept before, if anything was."""
        times = list(before.times) if before is not None else []
        marks = list(before.marks) if before is not None else []
        self._task = asyncio.create_task(self._run(before, times, marks), name="taping")

    def add(self, moment: Moment, totals: Totals) -> None:
        """One poll more."""
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put_nowait((moment, totals))
        else:
            self._tell(PgtopError(f"{self.path}: the disk is too slow: polls are left out"))

    def mark(self, mark: Mark) -> None:
        """A signal that was sent."""
        self._waiting.put_nowait(mark)

    async def close(self, patience_s: float | None = None) -> None:
        """Write what waits, and end the recording. After `patience_s` no more of what was before is copied."""
        self._waiting.put_nowait(None)
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=patience_s)
            self._hurry = True
            await asyncio.wait({self._task}, timeout=patience_s)

    async def _run(self, before: KeepingTape | None, times: Sequence[float], marks: Sequence[Mark]) -> None:
        try:
            if before is not None:
                await self._copy(before, times, marks)
            while (item := await self._waiting.get()) is not None:
                await self._write(item)
        finally:
            await asyncio.to_thread(self._recorder.close)

    async def _copy(self, before: KeepingTape, times: Sequence[float], marks: Sequence[Mark]) -> None:
        """What was kept until now, each signal in front of the first poll after it."""
        left = list(marks)
        for at in times:
            if self._hurry:
                break
            kept = before.times
            # The ring goes on meanwhile, and its oldest moments may have left it.
            if (index := next((number for number, one in enumerate(kept) if one == at), None)) is None:
                continue
            while left and left[0].at < at:
                await self._write(left.pop(0))
            try:
                await self._write((before.moment(index), before.totals[index]))
            except PgtopError as error:
                self._tell(error)
            await asyncio.sleep(BREATH_S)
        for mark in left:
            await self._write(mark)
        before.rest()

    async def _write(self, item: tuple[Moment, Totals] | Mark) -> None:
        try:
            if isinstance(item, Mark):
                await asyncio.to_thread(self._recorder.mark, item)
            else:
                await asyncio.to_thread(self._recorder.add, *item)
        except PgtopError as error:
            self._tell(error)
        else:
            self._failing = False

    def _tell(self, error: PgtopError) -> None:
        if not self._failing:
            self._failing = True
            self._failed(error)
