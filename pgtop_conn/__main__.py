"""python -m pgtop_conn."""

from __future__ import annotations

import sys

from pgtop_conn.cli import main

if __name__ == "__main__":
    sys.exit(main())
