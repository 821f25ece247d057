"""Where the cases run: a server with TLS and one without, a throw-away authority, files, and what is no PostgreSQL."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import asyncpg

from pgtop_conn.demo.binaries import Binaries
from pgtop_conn.demo.server import Cluster
from tests.support.certificates import Authority, encrypt_key
from tests.support.waits import HANG_S

HBA = (
    "hostssl all with_tls all trust",
    "hostnossl all with_tls all reject",
    "hostssl all without_tls all reject",
    "hostnossl all without_tls all trust",
    "hostssl all certified all cert",
    "hostnossl all certified all reject",
    "host all scrammed all scram-sha-256",
    "host all hashed all md5",
)
ROLES = """
CREATE ROLE with_tls LOGIN; CREATE ROLE without_tls LOGIN; CREATE ROLE certified LOGIN;
SET password_encryption = 'scram-sha-256'; CREATE ROLE scrammed LOGIN PASSWORD 'hunter2';
SET password_encryption = 'md5'; SET client_min_messages = 'error'; CREATE ROLE hashed LOGIN PASSWORD 'hunter2';
"""
SERVICES = """\
# services of the comparison
[here]
host=localhost
port={tls}
user=postgres
dbname=postgres

[blanks]
host = localhost
[nested]
service=here
[colour]
colour=red
[directory]
ldap://ldap.invalid/dc=x?y?z
[twice]
port={nobody}
port={tls}
host=localhost
"""


class Files:
    """Keys, certificates and lists in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = Authority(folder, "ca")
        Authority(folder, "other")
        server = authority.issue("server", "localhost", ["localhost"])
        authority.issue("client", "certified")
        encrypt_key(folder / "client.key", folder / "locked.key", "hunter2")
        authority.revoke(folder / "none.crl")
        authority.revoke(folder / "revoked.crl", server)
        (folder / "lists").mkdir()
        shutil.copyfile(folder / "revoked.crl", folder / "lists" / f"{authority.hashed()}.r0")
        for name, mode in (("open", 0o644), ("group", 0o640)):
            shutil.copyfile(folder / "client.key", folder / f"{name}.key")
            (folder / f"{name}.key").chmod(mode)

    def homes(self) -> None:
        """Home folders with files of ~/.postgresql."""
        for home, files in {
            "trusting": {"root.crt": "ca.crt"},
            "mistrusting": {"root.crt": "other.crt"},
            "revoking": {"root.crt": "ca.crt", "root.crl": "revoked.crl"},
            "certified": {"postgresql.crt": "client.crt", "postgresql.key": "client.key"},
        }.items():
            folder = self.folder / home / ".postgresql"
            folder.mkdir(parents=True)
            for name, source in files.items():
                shutil.copyfile(self.folder / source, folder / name)
                (folder / name).chmod(0o600)


class _Answer(socketserver.StreamRequestHandler):
    """Says what its server says, once something was heard."""

    def handle(self) -> None:
        assert isinstance(self.server, _Impostor)
        if self.server.greeting:
            self.wfile.write(self.server.greeting)
        if self.server.answer:
            self.connection.recv(8)
            self.wfile.write(self.server.answer)
            self.connection.recv(4096)


class _Impostor(socketserver.ThreadingTCPServer):
    """A port where something else listens."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, greeting: bytes, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.greeting, self.answer = greeting, answer
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is no error."""


@contextmanager
def _impostor(greeting: bytes, answer: bytes) -> Iterator[int]:
    server = _Impostor(greeting, answer)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


#: Greeting, and the answer to the first bytes: what a web server, an SSH server, a port that is shut at once and a
#: server whose TLS is broken say.
_IMPOSTORS = {
    "web": (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "shell": (b"SSH-2.0-OpenSSH_9.2\r\n", b""),
    "shut": (b"", b""),
    "broken": (b"", b"S"),
}


@contextmanager
def ground(folder: Path, with_tls: Binaries, plain: Binaries) -> Iterator[dict[str, str]]:
    """The names that stand in the cases, with what they are here."""
    files = Files(folder)
    files.homes()
    with ExitStack() as stack:
        first = stack.enter_context(_cluster(with_tls, folder))
        second = stack.enter_context(_cluster(plain, None))
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        shut = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        nobody = shut.getsockname()[1]
        shut.close()
        names = {
            "tls": str(first.port),
            "plain": str(second.port),
            "sockets": str(first.socket_dir),
            "silent": str(silent.getsockname()[1]),
            "nobody": str(nobody),
            "home": str(folder),
            "abstract": "no-such-name",
            "key": base64.b64encode(b"k" * 32).decode(),
            "server_user": pwd.getpwuid(first.data_dir.stat().st_uid).pw_name,
        }
        names |= {name: str(stack.enter_context(_impostor(*said))) for name, said in _IMPOSTORS.items()}
        _write_files(folder, names)
        yield names


@contextmanager
def _cluster(binaries: Binaries, files: Path | None) -> Iterator[Cluster]:
    """A running server; with TLS when there are files for it."""
    tls = {"ssl": "on", "ssl_ca_file": "ca.crt"} if files is not None else {}
    cluster = Cluster(binaries, tcp=True, settings=tls, hba=HBA if files is not None else ())
    try:
        if files is not None:
            owner = cluster.data_dir.stat()
            for name in ("server.crt", "server.key", "ca.crt"):
                target = cluster.data_dir / name
                shutil.copyfile(files / name, target)
                target.chmod(0o600)
                os.chown(target, owner.st_uid, owner.st_gid)
        cluster.start()
        yield cluster
    finally:
        cluster.destroy()


async def make_roles(names: dict[str, str]) -> None:
    connection = await asyncpg.connect(
        host=names["sockets"], port=int(names["tls"]), user="postgres", database="postgres", ssl=False, timeout=HANG_S
    )
    await connection.execute(ROLES)
    await connection.close()


def _write_files(folder: Path, names: dict[str, str]) -> None:
    (folder / "services").write_text(SERVICES.format(**names))
    here = SERVICES.format(**names).partition("[blanks]")[0]
    (folder / ".pg_service.conf").write_text(here.replace("[here]", "[own]"))
    (folder / "system").mkdir()
    (folder / "system" / "pg_service.conf").write_text(here.replace("[here]", "[shared]"))
    for name, mode in (("passes", 0o600), ("open", 0o644)):
        path = folder / name
        path.write_text(f"# passwords\nlocalhost:{names['tls']}:*:scrammed:hunter2\n")
        path.chmod(mode)
