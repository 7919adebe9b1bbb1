"""A certificate authority of our own, with a server's and a merchant's certificate."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])


@dataclass(frozen=True)
class Papers:
    """Where the PEM files are."""

    authority: Path
    server_cert: Path
    server_key: Path
    merchant_cert: Path
    merchant_key: Path

    @property
    def server_settings(self) -> dict[str, object]:
        """What the simulator needs to demand client certificates."""
        return {
            "cert_file": self.server_cert,
            "key_file": self.server_key,
            "client_ca_file": self.authority,
        }


@dataclass(frozen=True)
class Identity:
    """A name with its key."""

    name: x509.Name
    key: EllipticCurvePrivateKey


def certificates(folder: Path) -> Papers:
    """Everything that a simulator and its client need for mutual TLS, valid for an hour."""
    folder.mkdir(exist_ok=True)
    authority, server, merchant = (_identity(name) for name in ("authority", "server", "merchant"))
    return Papers(
        _write(folder / "authority.pem", _certify(authority, authority)),
        _write(folder / "server.pem", _certify(server, authority)),
        _write(folder / "server-key.pem", _private(server)),
        _write(folder / "merchant.pem", _certify(merchant, authority)),
        _write(folder / "merchant-key.pem", _private(merchant)),
    )


def _identity(name: str) -> Identity:
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, name)
    return Identity(x509.Name([attribute]), generate_private_key(SECP256R1()))


def _certify(subject: Identity, issuer: Identity) -> bytes:
    """With all that Python 3.13 and later ask of a chain (VERIFY_X509_STRICT)."""
    now, own = datetime.now(UTC), subject is issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject.name)
        .issuer_name(issuer.name)
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=own, path_length=None), critical=True)
        .add_extension(LOOPBACK, critical=False)
        .add_extension(_key_usage(signs=own), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _private(one: Identity) -> bytes:
    return one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
