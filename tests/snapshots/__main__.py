"""Draw every golden screen anew: python -m tests.snapshots [pytest's options, such as -k main]."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ["UPDATE_SNAPSHOTS"] = "1"
sys.exit(pytest.main([str(Path(__file__).parent / "test_snapshots.py"), "-q", "-n", "0", *sys.argv[1:]]))
