"""Start a demo and make sure that it ends: the parent's side of the stage process."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from pgtop_conn.demo.server import is_command, private_folder
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.text import clean
from pgtop_conn.terminal import streams
from pgtop_conn.terminal.interrupts import interrupted_by

END_TIMEOUT_S = 15.0
POLL_S = 0.02


@contextlib.contextmanager
def running_demo() -> Iterator[str]:
    """A demo to open a monitor on: gives the URI of its superuser; at the end server, applications and folder are gone.

    Raises PgtopError when it cannot be set up, for example because there is no server to run.
    """
    stage = Stage()
    try:
        yield stage.uri()
    finally:
        stage.end()


def run_headless() -> int:
    """Print the URI of a demo and serve it until SIGINT, SIGTERM or SIGHUP; returns the exit code.

    Raises PgtopError when it cannot be set up.
    """
    with _signals_as_readable() as told:
        stage = Stage()
        try:
            if told in _readable(stage.said.fileno(), told):
                return 0
            streams.write(f"{stage.uri()}\n")
            if told in _readable(stage.said.fileno(), told):
                return 0
            raise PgtopError(stage.complaint("the demo ended by itself"))
        finally:
            stage.end()


class Stage:
    """The stage process and its folder; `end()` leaves neither, nor a server, whatever became of the process."""

    def __init__(self) -> None:
        self.folder = private_folder()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        try:
            # A session of its own: Ctrl-C is for us, and closing its standard input is what ends it.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pgtop_conn.demo.stage", str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._lifeline, self.said = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def uri(self) -> str:
        """Wait until the demo is set, and return the URI of its superuser; raises PgtopError when it cannot be set."""
        kind, _, text = self.said.readline().decode().strip().partition(" ")
        if kind == "uri":
            return text
        raise PgtopError(text or self.complaint("the demo ended before it was ready"))

    def complaint(self, what: str) -> str:
        """What happened, with the last line that the stage wrote to its standard error."""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        return clean(": ".join([what, *[line for line in lines if line.strip()][-1:]]))

    def end(self) -> None:
        """End the stage and wait until the server and the folder are gone."""
        self._lifeline.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.said.close()
        self._complaints.close()
        self._clear_folder()

    def _clear_folder(self) -> None:
        """Do what the server's guardian is doing if the stage was killed, in case it was killed too."""
        pid_file = self.folder / "data" / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(pid_file.read_text(encoding="utf-8").split("\n")[0])
            if not is_command(pid, str(self.folder)):
                raise ProcessLookupError
            os.kill(pid, signal.SIGQUIT)
            deadline = time.monotonic() + END_TIMEOUT_S
            while pid_file.exists() and time.monotonic() < deadline:
                time.sleep(POLL_S)
        # Again and again, because something that is just ending may still write into it.
        deadline = time.monotonic() + END_TIMEOUT_S
        while self.folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(self.folder, ignore_errors=True)
            time.sleep(POLL_S)


def _write(descriptor: int) -> None:
    os.write(descriptor, b"!")


def _readable(*descriptors: int) -> list[int]:
    return select.select(descriptors, [], [])[0]


@contextlib.contextmanager
def _signals_as_readable() -> Iterator[int]:
    """A file descriptor that becomes readable at the first signal to end; later ones disturb no clean-up."""
    readable, writable = os.pipe()
    try:
        with interrupted_by(lambda _number: _write(writable)):
            yield readable
    finally:
        os.close(readable)
        os.close(writable)
