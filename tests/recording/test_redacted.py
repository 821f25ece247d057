"""A recording of a real server on which statements with secrets were run: none is in the file, packed or unpacked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zlib
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.recording.codec.framing import TIME, FileFrame, FrameKind, frames
from tests.support.data.secret_statements import ASKED_FOR, MAY_HOLD
from tests.support.servers import Clients


def unpacked(path: Path) -> bytes:
    """All that the file holds: as it is, each item of each block, and the totals; not a byte of it is damaged."""
    raw = path.read_bytes()
    pieces, unpacker = [raw], zlib.decompressobj(-15)
    with path.open("rb") as file:
        for found in frames(file, raw.index(b"\n") + 1, len(raw)):
            assert isinstance(found, FileFrame)
            if found.kind is FrameKind.BLOCK:
                unpacker = zlib.decompressobj(-15)
            elif found.kind is FrameKind.MOMENT:
                pieces.append(unpacker.decompress(found.payload[TIME.size :]))
            elif found.kind is FrameKind.TOTALS and len(found.payload) > 2:
                pieces.append(zlib.decompress(found.payload[2:]))
    return b"\n".join(pieces)


@pytest.mark.parametrize("redact", [True, False])
async def test_no_secret_is_in_the_file(cluster: Cluster, clients: Clients, tmp_path: Path, redact: bool) -> None:
    statements = (*MAY_HOLD, *ASKED_FOR) if redact else MAY_HOLD
    for number, statement in enumerate(statements):
        session = await clients(cluster, app=f"form{number}")
        # Most of them fail, and stay on view as the session's last statement.
        try:
            await session.execute(statement)
        except asyncpg.PostgresError:
            continue
    path = tmp_path / "r.pgtop"
    options = ("--redact",) if redact else ()
    arguments = ("record", str(path), cluster.uri(), "--interval", "0.25", "--duration", "1s", *options)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pgtop_conn", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err
    found = unpacked(path)
    # Every one of them was seen.
    for number in range(len(statements)):
        assert f"form{number}".encode() in found
    assert b"dblink" in found
    assert b"CRET" not in found
    assert b"53C4E7" not in found or not redact
