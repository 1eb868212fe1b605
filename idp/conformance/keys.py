"""The keys and certificates that the suite holds for its clients: made anew each time, never ours."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, KeyParameters, RSAKey

_LASTS = timedelta(days=365)


@dataclass(frozen=True)
class KeySet:
    """A client's signing key, private for the suite and public for its registration."""

    private: dict[str, Any]
    public: dict[str, Any]


@dataclass(frozen=True)
class SelfSigned:
    """A certificate that nobody vouches for, its key, and the JWK that registers it (RFC 8705 §2.2.2)."""

    pem: str
    key_pem: str
    public: dict[str, Any]


def make_signing_key(client_id: str, alg: str) -> KeySet:
    """Return a fresh key for assertions and request objects."""
    about: KeyParameters = {"kid": f"{client_id}-1", "alg": alg, "use": "sig"}
    key = ECKey.generate_key("P-256", about) if alg == "ES256" else RSAKey.generate_key(2048, about)
    return KeySet({"keys": [key.as_dict(private=True)]}, {"keys": [key.as_dict(private=False)]})


def make_certificate(client_id: str, now: datetime) -> SelfSigned:
    """Return a fresh certificate, valid from yesterday: the suite's clock is not ours."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, client_id)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(now.astimezone(UTC) + _LASTS)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    # RFC 7517 §4.7: base64 of the DER, which is a PEM without its first and last line.
    chain = ["".join(pem.strip().splitlines()[1:-1])]
    public = RSAKey.import_key(key_pem).as_dict(private=False)
    return SelfSigned(pem, key_pem, {**public, "kid": f"{client_id}-tls", "x5c": chain})
