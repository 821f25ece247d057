"""The entry of the command, and of python -m pgtop_conn."""

from __future__ import annotations

import sys

from pgtop_conn import __version__
from pgtop_conn.program import PROGRAM
from pgtop_conn.terminal import streams


def main() -> int:
    """Run one command; the exit code. The version alone is told before anything is loaded."""
    streams.open_missing()
    if sys.argv[1:] == ["--version"]:
        try:
            streams.write(f"{PROGRAM} {__version__}\n")
        except streams.OutputLost as error:
            return streams.without_output(error)
        return 0
    from pgtop_conn import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
