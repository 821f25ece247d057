"""What the commands that connect do once they are chosen: read their arguments, open the source, tell, close.

Add a command: its functions here, each importing what it needs when it runs, and an entry in cli.COMMANDS.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pgtop_conn import config, folders
from pgtop_conn.connect.login import Login, login_of
from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal import streams

if TYPE_CHECKING:
    from pgtop_conn.commands.check.options import Demand
    from pgtop_conn.commands.diagnose.options import Request
    from pgtop_conn.commands.kill.options import Order
    from pgtop_conn.commands.record.options import Wanted
    from pgtop_conn.commands.snapshot.options import Looks
    from pgtop_conn.model.signalling.guards import Policy

T = TypeVar("T")

DONE = 0
#: What a monitoring plugin says of itself when it can't say anything.
CHECK_UNKNOWN = 3
#: New objects between two collections: more than one look makes, few enough to wait for a slot for hours.
COLLECT_SELDOM = 300_000


def _run(work: Coroutine[object, object, T]) -> T:
    """asyncio.run(), imported only by the commands that need it: it is the slowest import of --help."""
    import asyncio
    import gc

    # What is loaded and read at first stays: looking for garbage in it is a tenth of the work.
    gc.set_threshold(COLLECT_SELDOM)
    return asyncio.run(work)


def policy_of(settings: config.Settings) -> Policy:
    """What the guards are told of the settings."""
    from pgtop_conn.model.signalling.guards import Policy

    return Policy(
        read_only=settings.read_only,
        allow_replication=settings.allow_replication,
        allow_superuser=settings.allow_superuser,
        protected_roles=settings.protected_roles,
        replication_roles=settings.replication_roles,
    )


def watch(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.watch.preload import need_terminal

    need_terminal(settings)
    return _run(_watch_async(login_of(vars(arguments)), settings))


async def _watch_async(login: Login, settings: config.Settings) -> int:
    import pgtop_conn.postgres.session  # noqa: F401
    from pgtop_conn.commands.watch.preload import load_meanwhile
    from pgtop_conn.connect.open import open_source

    load_meanwhile()
    source = await open_source(login, os.environ, settings, offers=True)
    try:
        first = await source.poll()
        from pgtop_conn.commands.watch.run import show

        return await show(source, first, settings, policy_of(settings))
    finally:
        await source.close()


def snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.snapshot.options import add_arguments

    add_arguments(parser)


def snapshot_notes() -> str:
    from pgtop_conn.commands.snapshot.options import notes

    return notes()


def snapshot(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.snapshot.options import looks_of

    looks = looks_of(vars(arguments))
    streams.write(_run(_snapshot_async(login_of(vars(arguments)), settings, looks)))
    return DONE


async def _snapshot_async(login: Login, settings: config.Settings, looks: Looks) -> str:
    from pgtop_conn.commands.snapshot.run import snapshot, snapshots
    from pgtop_conn.connect.open import open_source

    source = await open_source(login, os.environ, settings)
    try:
        if looks.every_s is None:
            return await snapshot(source, settings, policy_of(settings), looks.form)
        await snapshots(source, settings, policy_of(settings), looks)
        return ""
    finally:
        await source.close()


def check_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.check.options import add_arguments

    add_arguments(parser)


def check_notes() -> str:
    from pgtop_conn.commands.check.options import notes

    return notes()


def check_complains(message: str) -> int:
    """A monitoring plugin has one line for everything, on stdout."""
    from pgtop_conn.view.export.check import Status, said

    return answer(f"{said(Status.UNKNOWN, message)}\n", "", Status.UNKNOWN)


def check(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.check.options import demand_of
    from pgtop_conn.commands.check.run import alarm, patience_s

    demand = demand_of(vars(arguments), settings)
    seconds = patience_s(settings, demand)
    login = replace(login_of(vars(arguments)), never_ask=True, patience_s=seconds)
    with alarm(seconds):
        line, code = _run(_check_async(login, settings, demand))
    return answer(f"{line}\n", "", code)


async def _check_async(login: Login, settings: config.Settings, demand: Demand) -> tuple[str, int]:
    from pgtop_conn.commands.check.run import check
    from pgtop_conn.connect.open import open_source

    # Who waits for a slot does not tell that there is none.
    settings = replace(settings, wait=False)
    return await check(lambda: open_source(login, os.environ, settings), settings, demand)


def diagnose_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.diagnose.options import add_arguments

    add_arguments(parser)


def diagnose_notes() -> str:
    from pgtop_conn.commands.diagnose.options import notes

    return notes()


def diagnose(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.diagnose.options import request_of

    request = request_of(vars(arguments))
    streams.write(_run(_diagnose_async(login_of(vars(arguments)), settings, request)))
    return DONE


async def _diagnose_async(login: Login, settings: config.Settings, request: Request) -> str:
    from pgtop_conn.commands.diagnose.run import diagnose
    from pgtop_conn.connect.open import open_source

    source = await open_source(login, os.environ, settings)
    try:
        return await diagnose(source, settings, request, folders.journal_file())
    finally:
        await source.close()


def kill_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.kill.options import add_arguments

    add_arguments(parser)


def kill_notes() -> str:
    from pgtop_conn.commands.kill.options import notes

    return notes()


def kill(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.kill.options import order_of

    # Before anything that a refusal need not wait for is loaded.
    order = order_of(vars(arguments), settings.read_only)
    return _run(_kill_async(login_of(vars(arguments)), settings, order))


async def _kill_async(login: Login, settings: config.Settings, order: Order) -> int:
    from pgtop_conn.commands.kill.run import kill
    from pgtop_conn.connect.open import open_source

    source = await open_source(login, os.environ, settings)
    try:
        done = await kill(source, order, policy_of(settings), settings)
    finally:
        await source.close()
    return answer(done.out, done.err, done.code)


def record_arguments(parser: argparse.ArgumentParser) -> None:
    from pgtop_conn.commands.record.options import add_arguments

    add_arguments(parser)


def record_notes() -> str:
    from pgtop_conn.commands.record.options import notes

    return notes()


def record(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn.commands.record.options import wanted_of

    # Before anything that a refusal need not wait for is loaded.
    wanted = wanted_of(vars(arguments))
    return _run(_record_async(login_of(vars(arguments)), settings, wanted))


async def _record_async(login: Login, settings: config.Settings, wanted: Wanted) -> int:
    from pgtop_conn.commands.record.run import record
    from pgtop_conn.connect.open import open_source

    return await record(lambda: open_source(login, os.environ, settings), wanted, settings)


def replay_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", metavar="FILE", help="a recording: what `record FILE` or R on the screen wrote")


def replay_notes() -> str:
    return """
The same screen as it was, with a time of its own: p plays and holds, + and - change the speed, [ and ] step, t goes to
a time, n and m to the next signal and the next peak, h shows the whole as a chart. Nothing is asked of any server, and
nothing can be cancelled or terminated. What is damaged in the file is left out and said.

exit codes:
  0  the user left
  2  bad input, or FILE is no recording
"""


def replay(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pathlib import Path

    from pgtop_conn.commands.watch.preload import need_terminal

    need_terminal(settings, "report FILE")
    from pgtop_conn.commands.replay.run import replay

    return _run(replay(Path(arguments.recording), settings, policy_of(settings)))


def answer(out: str, remark: str, code: int) -> int:
    """The remark goes first: a reader of stdout who has left must not hide it."""
    if remark:
        streams.say(f"{PROGRAM}: {remark}\n")
    streams.write(out)
    return code


def demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="no screen: print the CONNINFO, serve until Ctrl-C")


def demo(arguments: argparse.Namespace, settings: config.Settings) -> int:
    from pgtop_conn import demo

    if getattr(arguments, "headless", False):
        return demo.run_headless()
    from pgtop_conn.commands.watch.preload import need_terminal

    need_terminal(settings)

    with demo.running_demo() as uri:
        return _run(_watch_async(Login(conninfo=uri, never_ask=True), settings))
