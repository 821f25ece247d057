"""`python -m tests.psql`: print the table; with `--long` what each of them said."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pgtop_conn.demo.binaries import find_binaries
from tests.support.psql.comparison import CASES, Compared, Psql, compare, reference
from tests.support.psql.servers import ground, make_roles
from tests.support.servers import server_versions, server_with_tls, versions_folder


async def _run(psql: Psql, names: Mapping[str, str]) -> list[Compared]:
    await make_roles(dict(names))
    return [await compare(one, psql, names) for one in CASES]


def _table(results: list[Compared], *, long: bool) -> list[str]:
    lines = []
    for one in results:
        outcomes = [("in" if outcome.got_in else "refused") for outcome in (one.psql, one.ours)]
        lines.append(f"{one.case!s:<100} | {outcomes[0]:<7} | {outcomes[1]:<7} | {one.verdict}")
        if long or not one.as_expected:
            lines += [f"    psql: {one.psql.said}", f"    ours: {one.ours.said}"]
    return lines


def main(words: list[str]) -> int:
    """1 when an outcome differs and nothing explains it."""
    psql = reference()
    with_tls = server_with_tls(server_versions(versions_folder()))
    if psql is None or psql.libpq is None or with_tls is None:
        sys.stdout.write("no psql with TLS, or no server with TLS, is here\n")
        return 2
    with (
        tempfile.TemporaryDirectory() as folder,
        ground(Path(folder), with_tls, find_binaries()) as names,
    ):
        results = asyncio.run(_run(psql, names))
    agreed = sum(one.agree and one.as_expected for one in results)
    explained = sum(one.as_expected and not one.agree for one in results)
    head = f"{'input':<100} | psql    | ours    | verdict"
    foot = f"{len(results)} inputs: {agreed} agree, {explained} differ for a reason, "
    foot += f"{len(results) - agreed - explained} differ without one"
    sys.stdout.write("\n".join([head, *_table(results, long="--long" in words), foot]) + "\n")
    return 0 if agreed + explained == len(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
