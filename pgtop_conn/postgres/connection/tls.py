"""TLS as libpq sets it up: which files are read, what is verified, and what a missing file means.

Source: initialize_SSL() in src/interfaces/libpq/fe-secure-openssl.c. The files are read at each connect, so that a
renewed certificate is taken up by a reconnect.
"""

from __future__ import annotations

import ssl
import stat
import warnings
from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.model.errors import ConnectError, Failure
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.conninfo.tls_options import SYSTEM, VERIFY_CA, VERIFY_FULL, Tls, version

#: What a server must choose in a direct handshake (PostgreSQL 17+).
ALPN = "postgresql"

#: Of one file. Those of all authorities together have a quarter of a megabyte, lists of revoked ones a few.
_MOST_BYTES = 64 * 2**20


class Unusable(ConnectError):
    """A file of ours can't be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, failure=Failure.OURS)


def context(tls: Tls) -> tuple[ssl.SSLContext, tuple[str, ...]]:
    """What the handshake is made with, and notes on files that are not there. Raises Unusable."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        # The user's own choice of an old version is no news.
        warnings.simplefilter("ignore", DeprecationWarning)
        if tls.lowest:
            made.minimum_version = version(tls.lowest)
        if tls.highest:
            made.maximum_version = version(tls.highest)
    made.set_alpn_protocols([ALPN])
    notes = (*_trust(made, tls), *_identify(made, tls))
    made.check_hostname = tls.mode == VERIFY_FULL
    return made, notes


def _file(given: str, tls: Tls, name: str) -> Path | None:
    """The file that was named, or the one of ~/.postgresql, whether it is there or not."""
    if given:
        return Path(given)
    return tls.folder / name if tls.folder is not None else None


def _is_there(path: Path, keyword: str) -> bool:
    """Whether there is a file that can be read in no time: OpenSSL would wait for a pipe for ever. Raises Unusable."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unusable(clean(f"cannot read the file of {keyword}: {path}: {error.strerror}")) from None
    if not stat.S_ISREG(found.st_mode):
        raise Unusable(clean(f"{keyword}: {path} is no plain file"))
    if found.st_size > _MOST_BYTES:
        raise Unusable(clean(f"{keyword}: {path} is longer than {_MOST_BYTES // 2**20} MB"))
    return True


def _trust(made: ssl.SSLContext, tls: Tls) -> tuple[str, ...]:
    """Verify as soon as there are certificates to verify with, in whatever mode."""
    if tls.root == SYSTEM:
        made.set_default_verify_paths()
    else:
        root = _file(tls.root, tls, "root.crt")
        if root is None or not _is_there(root, "sslrootcert"):
            if tls.mode in (VERIFY_CA, VERIFY_FULL):
                named = clean(str(root)) if root is not None else "~/.postgresql/root.crt"
                raise Unusable(
                    f'root certificate file "{named}" does not exist: name one with sslrootcert, use the machine\'s own'
                    " with sslrootcert=system, or do not verify (sslmode=require)"
                )
            missing = f"sslrootcert: {clean(tls.root)} is not there, so that the server is not verified"
            return (missing,) if tls.root else ()
        _load(made, root, "sslrootcert")
    made.verify_mode = ssl.CERT_REQUIRED
    _revoke(made, tls)
    return ()


def _revoke(made: ssl.SSLContext, tls: Tls) -> None:
    """Lists of revoked certificates; the default one may be missing, one that was named may not."""
    default = None if tls.revoked or tls.revoked_folder else _file("", tls, "root.crl")
    if default is not None and _is_there(default, "sslcrl"):
        _load(made, default, "sslcrl")
    elif not tls.revoked and not tls.revoked_folder:
        return
    if tls.revoked:
        _is_there(Path(tls.revoked), "sslcrl")
        _load(made, Path(tls.revoked), "sslcrl")
    if tls.revoked_folder:
        if not Path(tls.revoked_folder).is_dir():
            raise Unusable(f"sslcrldir: no such folder: {clean(tls.revoked_folder)}")
        made.load_verify_locations(capath=tls.revoked_folder)
    made.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load(made: ssl.SSLContext, path: Path, keyword: str) -> None:
    try:
        # The library would wait for a writer.
        private_files.open_to_read(path).close()
        made.load_verify_locations(cafile=str(path))
    except ssl.SSLError as error:
        said = one_line(error.reason or str(error))
        raise Unusable(clean(f"{keyword}: {path} holds nothing that can be read: {said}")) from None
    except OSError as error:
        raise Unusable(clean(f"cannot read the file of {keyword}: {path}: {error.strerror}")) from None


def _identify(made: ssl.SSLContext, tls: Tls) -> tuple[str, ...]:
    """Our own certificate and key, where there are any."""
    certificate = None if tls.certificate_mode == "disable" else _file(tls.certificate, tls, "postgresql.crt")
    if certificate is None:
        return ()
    if not _is_there(certificate, "sslcert"):
        return (f"sslcert: {clean(tls.certificate)} is not there and not shown",) if tls.certificate else ()
    key = _file(tls.key, tls, "postgresql.key")
    if key is not None:
        _judge_key(key)
    try:
        private_files.open_to_read(certificate).close()
        made.load_cert_chain(certificate, keyfile=key, password=lambda: tls.key_password)
    except ssl.SSLError as error:
        # The library says nothing at all of a key that the password does not open.
        said = one_line(error.reason or "wrong format, or sslpassword does not open it")
        raise Unusable(clean(f"sslcert {certificate} with sslkey {key} cannot be used: {said}")) from None
    except OSError as error:
        raise Unusable(clean(f"cannot read the file of sslcert: {certificate}: {error.strerror}")) from None
    return ()


def _judge_key(key: Path) -> None:
    """A key that others may read is not used: 0600, or 0640 when it is root's."""
    try:
        found = key.stat()
    except FileNotFoundError:
        raise Unusable(clean(f"there is a certificate, but no key in {key}: name it with sslkey")) from None
    except OSError as error:
        raise Unusable(clean(f"cannot read the file of sslkey: {key}: {error.strerror}")) from None
    if not stat.S_ISREG(found.st_mode):
        raise Unusable(clean(f"sslkey: {key} is no plain file"))
    if found.st_size > _MOST_BYTES:
        raise Unusable(clean(f"sslkey: {key} is longer than {_MOST_BYTES // 2**20} MB"))
    forbidden = stat.S_IRWXO | (stat.S_IWGRP | stat.S_IXGRP if found.st_uid == 0 else stat.S_IRWXG)
    if found.st_mode & forbidden:
        raise Unusable(clean(f"sslkey: others may read {key} (chmod 0600 makes it usable; 0640 when it is root's)"))


def described(ssl_object: ssl.SSLObject | None) -> str:
    """ "TLSv1.3, TLS_AES_256_GCM_SHA384"; "" without TLS."""
    if ssl_object is None:
        return ""
    cipher = ssl_object.cipher()
    return f"{ssl_object.version()}, {cipher[0]}" if cipher else str(ssl_object.version())
