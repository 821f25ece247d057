"""`python -m tests.shapes [WORD …]`: print the confusion matrix, of the shapes whose names hold one of the words."""

from __future__ import annotations

import asyncio
import sys

from tests.support.servers import Servers, server_versions, versions_folder
from tests.support.shapes.table import SHAPES
from tests.support.shapes.watch import look_at_all, matrix


def main(words: list[str]) -> int:
    """1 when a verdict is wrong."""
    servers = Servers(server_versions(versions_folder()))
    newest = max(servers.versions)
    chosen = [shape for shape in SHAPES if not words or any(word in shape.name for word in words)]
    wanted = [(major, one) for major in sorted(servers.versions) for one in chosen if one.everywhere or major == newest]
    try:
        results = asyncio.run(look_at_all(servers, wanted, newest))
    finally:
        left = servers.end()
    seen = [results[major, shape.name].result() for major, shape in wanted]
    wrong = [one for one in seen if one.wrong]
    lines = [*matrix(seen), "", f"{len(seen)} looked at, {len(wrong)} wrong", *(str(one) for one in wrong), *left]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
