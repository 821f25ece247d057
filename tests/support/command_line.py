"""The program as a user runs it, without a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pgtop_conn.demo.server import Cluster
from tests.support.waits import HANG_S


async def run(*arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """pgtop-conn with these arguments, without a terminal: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pgtop_conn",
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environ or {})},
        start_new_session=True,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def snapshot(cluster: Cluster, *arguments: str) -> dict[str, object]:
    """What `snapshot --json` says of this server."""
    code, out, err = await run("snapshot", "--json", *arguments, cluster.uri())
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


async def kill(cluster: Cluster, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """`kill --json` on this server: exit code, what it says, stderr."""
    code, out, err = await run("kill", *arguments, "--json", cluster.uri())
    return code, json.loads(out), err


async def remark(process: asyncio.subprocess.Process) -> str:
    """The next line on stderr of a program that runs."""
    assert process.stderr is not None
    return (await asyncio.wait_for(process.stderr.readline(), HANG_S)).decode().rstrip("\n")
