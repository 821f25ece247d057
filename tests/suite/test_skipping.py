"""Where PGTOP_CONN_NO_SKIPS is set, whatever is skipped fails with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PROJECT

SKIPPING = {
    "test_marked.py": "import pytest\n@pytest.mark.skipif(True, reason='no tool A')\ndef test(): pass\n",
    "test_called.py": "import pytest\ndef test(): pytest.skip('no tool B')\n",
    "test_fixture.py": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no tool C')\ndef test(f): pass\n",
    "test_module.py": "import pytest\npytest.skip('no tool D', allow_module_level=True)\n",
}


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("forbidden", [True, False], ids=["forbidden", "allowed"])
def test_what_is_skipped_fails_where_nothing_may_be(tmp_path: Path, forbidden: bool, workers: str) -> None:
    for name, text in SKIPPING.items():
        (tmp_path / name).write_text(text)
    # Nothing that was said to the run around it.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ = inherited | ({"PGTOP_CONN_NO_SKIPS": "1"} if forbidden else {})
    options = ["-p", "tests.conftest", "-c", os.devnull, "--rootdir", str(tmp_path), "-n", workers, "-rs"]
    options.append("--continue-on-collection-errors")
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is forbidden
    for tool in "ABCD":
        assert f"no tool {tool}" in done.stdout
    assert ("nothing may be skipped here; Skipped: no tool A" in done.stdout) is forbidden
    assert ("skipped" in done.stdout.splitlines()[-1]) is not forbidden
