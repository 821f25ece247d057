"""Keys, certificates and lists of revoked ones, without a program: `Authority(folder, "ca").issue("server", …)`."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

VALID = timedelta(days=30)
#: A clock that runs behind ours finds the certificates valid, too.
BEFORE = timedelta(days=1)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def write_key(path: Path, key: PrivateKeyTypes, password: str = "") -> None:
    """In PKCS 8, of mode 0600; encrypted when there is a password."""
    lock: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    path.chmod(0o600)


def encrypt_key(source: Path, target: Path, password: str) -> None:
    """The same key behind a password."""
    write_key(target, load_pem_private_key(source.read_bytes(), None), password)


class Authority:
    """Signs certificates; its own lies in `folder` as NAME.crt, its key as NAME.key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = named("authority")
        self._key = ec.generate_private_key(ec.SECP256R1())
        draft = self._draft(self.name, self._key)
        draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._write(name, self._key, draft)

    def issue(self, name: str, subject: str, hosts: Sequence[str] = ()) -> x509.Certificate:
        """NAME.crt and NAME.key for a host, or for a client whose role is `subject`."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = self._draft(named(subject), key)
        if hosts:
            draft = draft.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        return self._write(name, key, draft)

    def revoke(self, path: Path, *revoked: x509.Certificate) -> None:
        """Write the list of these certificates."""
        now = datetime.now(UTC)
        draft = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        draft = draft.last_update(now - BEFORE).next_update(now + VALID)
        draft = draft.add_extension(x509.CRLNumber(1), critical=False)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now - BEFORE)
            draft = draft.add_revoked_certificate(entry.build())
        path.write_bytes(draft.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def hashed(self) -> str:
        """The name under which OpenSSL looks for a list of this authority in a folder (X509_NAME_hash).

        It is taken of the name's parts without the sequence around them, in lower case as ours is already.
        """
        parts = self.name.public_bytes()[2:]
        return f"{int.from_bytes(hashlib.sha1(parts).digest()[:4], 'little'):08x}"

    def _draft(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        draft = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        draft = draft.serial_number(x509.random_serial_number())
        return draft.not_valid_before(now - BEFORE).not_valid_after(now + VALID)

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, draft: x509.CertificateBuilder) -> x509.Certificate:
        certificate = draft.sign(self._key, hashes.SHA256())
        (self.folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        write_key(self.folder / f"{name}.key", key)
        return certificate


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
