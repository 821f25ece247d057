"""A private PostgreSQL server: its folder, its life and its end, as root and as an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import quote

from pgtop_conn.demo.binaries import Binaries, find_binaries
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.text import clean

__all__ = ["Binaries", "Cluster", "find_binaries", "private_folder"]

SOCKET_PORT = 5432
LONGEST_SOCKET_PATH = 100
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02

DEFAULTS: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "max_connections": "100",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

# Outlives us however we end: when the pipe closes without a line, it ends the server and removes the folder.
GUARDIAN = """
cd / && read -r released && exit 0
pid_file=$1/data/postmaster.pid
pid=$(head -n 1 "$pid_file" 2>/dev/null)
command_of() { { tr '\\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o command= -p "$pid"; } 2>/dev/null; }
ours() { case $(command_of) in *"$1"*) return 0 ;; *) return 1 ;; esac; }
ours "$1" && kill -QUIT "$pid" 2>/dev/null
tries=0
while [ -e "$pid_file" ] && ours "$1" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"""


def private_folder() -> Path:
    """A new folder of mode 0700 whose path leaves room for a socket's name (about 100 bytes in all)."""
    here = Path(tempfile.gettempdir())
    too_long = len(os.fsencode(here / "pgtop-conn-12345678" / ".s.PGSQL.65535")) > LONGEST_SOCKET_PATH
    unreachable = os.geteuid() == 0 and not all(part.stat().st_mode & 0o001 for part in (here, *here.parents))
    return Path(tempfile.mkdtemp(prefix="pgtop-conn-", dir="/tmp" if too_long or unreachable else here))


class Cluster:
    """A PostgreSQL server in a private folder with its socket in it; made at once, started by `start()` or `with`.

    `settings` go into postgresql.conf before the start. `hba` lines are put before initdb's, which trust everyone.
    `tcp` also listens on 127.0.0.1 at a free port. `folder` is used, and removed at the end, instead of a new one.
    As root the server runs as postgres or nobody. Whatever ends this process, the server ends too.
    """

    def __init__(
        self,
        binaries: Binaries,
        *,
        settings: Mapping[str, str] | None = None,
        hba: Sequence[str] = (),
        tcp: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.tcp = tcp
        self.port = _free_port() if tcp else SOCKET_PORT
        self.major = binaries.major
        self._process: subprocess.Popen[Any] | None = None
        self._identity = _server_identity()
        self.folder = folder or private_folder()
        self._guardian = _start_guardian(self.folder)
        try:
            if self._identity:
                os.chown(self.folder, self._identity["user"], self._identity["group"])
            self.binaries = self._reachable(binaries)
            self._initdb()
            self._configure(settings or {}, hba)
        except BaseException:
            self.destroy()
            raise

    @property
    def socket_dir(self) -> Path:
        return self.folder

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    @property
    def postmaster_pid(self) -> int | None:
        """The pid of the server's first process, None while it is stopped."""
        return self._process.pid if self.running and self._process is not None else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def uri(self, *, user: str = "postgres", database: str = "postgres", tcp: bool = False) -> str:
        """A connection URI for psql and asyncpg alike; over the socket, or over TCP for a cluster made with `tcp`."""
        who, what = quote(user, safe=""), quote(database, safe="")
        if tcp:
            return f"postgresql://{who}@127.0.0.1:{self.port}/{what}"
        # The socket's folder stands where a host does: a form without ? and &, which a shell would take for its own.
        return f"postgresql://{who}@{quote(str(self.socket_dir), safe='')}:{self.port}/{what}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections; raises PgtopError with the log's last words."""
        if self.running:
            return
        command = [str(self.binaries.bin_dir / "postgres"), "-D", str(self.data_dir)]
        with self.log_file.open("ab") as log:
            # A session of its own, so that Ctrl-C in our terminal does not reach the server.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.surroundings(),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._accepts_connections():
            if not self.running or time.monotonic() > deadline:
                self.stop("immediate")
                raise PgtopError(f"the embedded PostgreSQL did not start: {self._last_words()}")
            time.sleep(POLL_S)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End the server and wait for its end: by an ordinary shutdown, or at once as after a crash."""
        process = self._process
        if process is None:
            return
        harder = {
            "fast": (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
            "immediate": (signal.SIGQUIT, signal.SIGKILL),
        }
        for number in harder[mode]:
            if process.poll() is not None:
                break
            process.send_signal(number)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue
        self._process = None

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        self.stop(mode)
        self.start()

    def destroy(self) -> None:
        """End the server and remove its folder; does nothing the second time."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._guardian.stdin is not None and not self._guardian.stdin.closed:
            # Released only when nothing is left to remove; otherwise the closed pipe lets it try once more.
            self._guardian.communicate(b"" if self.folder.exists() else b"released\n")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def surroundings(self) -> dict[str, Any]:
        """What every program of the server is run with: another user when we are root, and none of our settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return {**self._identity, "cwd": self.folder, "env": {**kept, "LC_ALL": "C"}}

    def _initdb(self) -> None:
        command = [str(self.binaries.bin_dir / "initdb"), "-D", str(self.data_dir), "-U", "postgres", "-A", "trust"]
        options = ["--locale=C", "-E", "UTF8", "--no-sync"]
        with self.log_file.open("ab") as log:
            done = subprocess.run(
                command + options,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
                **self.surroundings(),
            )
        if done.returncode != 0:
            raise PgtopError(f"initdb of the embedded PostgreSQL failed: {self._last_words()}")

    def _configure(self, settings: Mapping[str, str], hba: Sequence[str]) -> None:
        ours = {
            "listen_addresses": "127.0.0.1" if self.tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
        }
        with (self.data_dir / "postgresql.conf").open("a", encoding="utf-8") as file:
            for name, value in {**DEFAULTS, **ours, **settings}.items():
                file.write(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n")
        if hba:
            hba_file = self.data_dir / "pg_hba.conf"
            hba_file.write_text("\n".join(hba) + "\n" + hba_file.read_text(encoding="utf-8"), encoding="utf-8")

    def _accepts_connections(self) -> bool:
        """As pg_ctl sees it: line 8 of postmaster.pid, written by the server of this very pid."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        ours = self._process is not None and lines[:1] == [str(self._process.pid)]
        return ours and len(lines) >= 8 and lines[7].strip() in ("ready", "standby")

    def _last_words(self) -> str:
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return "no log"
        return clean("; ".join([line.strip() for line in lines if line.strip()][-2:]) or "it said nothing")

    def _reachable(self, binaries: Binaries) -> Binaries:
        """The same programs, copied into our folder when the server's user cannot reach them where they are."""
        try:
            answer = subprocess.run(
                [binaries.bin_dir / "postgres", "--version"], capture_output=True, check=False, **self.surroundings()
            )
            if answer.returncode == 0:
                return binaries
        except PermissionError:
            if not self._identity:
                raise
        install = self.folder / "install"
        for part in ("bin", "lib", "share"):
            source = binaries.bin_dir.parent / part
            if source.is_dir():
                shutil.copytree(source, install / part, symlinks=True, copy_function=_link_or_copy)
        for folder, _, _ in os.walk(install):
            Path(folder).chmod(0o755)
        return Binaries(binaries.major, install / "bin", binaries.minor)


def _server_identity() -> dict[str, Any]:
    """Popen's arguments for the server's user: postgres, or else nobody, when we are root, and nothing otherwise."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise PgtopError("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody")


def _link_or_copy(source: str, target: str) -> str:
    """Link a file that everyone may read; copy one that is not, since a link would share its mode."""
    mode = Path(source).stat().st_mode
    wanted = 0o755 if mode & 0o100 else 0o644
    if mode & wanted == wanted:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)
    if not Path(target).samefile(source):
        Path(target).chmod(wanted)
    return target


def _start_guardian(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", GUARDIAN, "pgtop-conn-guardian", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def is_command(pid: int, part: str) -> bool:
    """Whether the process of this pid has `part` in its command line: a pid read from a file may be recycled."""
    processes = Path("/proc/self/cmdline")
    if processes.exists():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
        command = shown.stdout
    return os.fsencode(part) in command


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
