"""What a relying party holds and signs with: keys, assertions, request objects, DPoP proofs, certificates.

Signed with joserfc; nothing in here is shared with the provider.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from idp import clock

Key = ECKey | RSAKey


@lru_cache
def rsa_key(name: str) -> RSAKey:
    """Return the RSA key of that name, made once in a run."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@lru_cache
def ec_key(name: str) -> ECKey:
    """Return the P-256 key of that name, made once in a run."""
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig"})


def new_key() -> ECKey:
    """Return a key that nobody has seen."""
    return ECKey.generate_key("P-256")


def jwks(*keys: Key) -> dict[str, Any]:
    """Return the public halves as a JWKS."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def algorithm(key: Key) -> str:
    """Return what a key signs with: the two algorithms that FAPI 2.0 clients use."""
    return "PS256" if isinstance(key, RSAKey) else "ES256"


def moment(**ahead: float) -> int:
    """Return now, or a time from now, in seconds."""
    return int((clock.now() + timedelta(**ahead)).timestamp())


def sign(claims: dict[str, Any], key: Key, *, alg: str | None = None, **header: Any) -> str:
    """Return a compact JWS over the claims that are not ``None``; header fields likewise."""
    protected = {"alg": alg or algorithm(key), "kid": key.kid, **header}
    protected = {name: value for name, value in protected.items() if value is not None}
    payload = json.dumps({name: value for name, value in claims.items() if value is not None})
    # The headers that are wrong on purpose are not joserfc's business.
    registry = jws.JWSRegistry(algorithms=[protected["alg"]], strict_check_header=False)
    return jws.serialize_compact(protected, payload, key, registry=registry)


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """Return a token of `alg` none."""
    parts = ({"alg": "none", **header}, {name: value for name, value in claims.items() if value is not None})
    return ".".join(encode(json.dumps(part).encode()) for part in parts) + "."


def with_bad_signature(token: str) -> str:
    """Return the token with one bit of its signature turned."""
    head, payload, signature = token.split(".")
    raw = bytearray(decode(signature))
    raw[len(raw) // 2] ^= 0x5A
    return f"{head}.{payload}.{encode(bytes(raw))}"


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(text: str) -> str:
    return encode(hashlib.sha256(text.encode()).digest())


def assertion(client_id: str, key: Key, audience: Any, *, alg: str | None = None, **changes: Any) -> str:
    """Return a client assertion as the suite's clients make it (RFC 7523 §3)."""
    claims = {
        "iss": client_id, "sub": client_id, "aud": audience, "jti": secrets.token_urlsafe(15),
        "iat": moment(), "nbf": moment(), "exp": moment(seconds=60), **changes,
    }  # fmt: skip
    return sign(claims, key, alg=alg)


def dpop_proof(
    key: Key,
    method: str,
    url: str,
    *,
    token: str | None = None,
    header: dict[str, Any] | None = None,
    alg: str | None = None,
    **changes: Any,
) -> str:
    """Return a DPoP proof (RFC 9449 §4.2)."""
    claims = {
        "jti": secrets.token_urlsafe(15), "htm": method, "htu": url, "iat": moment(),
        "ath": None if token is None else sha256(token), **changes,
    }  # fmt: skip
    fields = {"typ": "dpop+jwt", "jwk": public_jwk(key), "kid": None, **(header or {})}
    return sign(claims, key, alg=alg, **fields)


def public_jwk(key: Key) -> dict[str, Any]:
    """Return a public key without anything but its parts."""
    parts = key.as_dict(private=False)
    return {name: parts[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in parts}


@dataclass(frozen=True)
class Certificate:
    """A client's certificate, as the proxy in front of the provider would hand it on."""

    x509: x509.Certificate

    @property
    def header(self) -> str:
        """Return it as nginx writes `$ssl_client_escaped_cert`."""
        return quote(self.x509.public_bytes(Encoding.PEM).decode(), safe="")

    @property
    def subject(self) -> str:
        return self.x509.subject.rfc4514_string()

    @property
    def jwk(self) -> dict[str, Any]:
        """Return its key with the certificate, as a client registers one of its own (RFC 8705 §2.2.2)."""
        point = self.x509.public_key()
        assert isinstance(point, ec.EllipticCurvePublicKey)
        numbers = point.public_numbers()
        return {
            "kty": "EC", "crv": "P-256", "kid": self.subject, "use": "sig",
            "x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big")),
            "x5c": [base64.b64encode(self.x509.public_bytes(Encoding.DER)).decode()],
        }  # fmt: skip


class Authority:
    """A certificate authority of the tests, whose certificate is in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        draft = _draft(self._name, self._name, self._key.public_key())
        self.x509 = (
            draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file.write_bytes(self.x509.public_bytes(Encoding.PEM))

    def issue(self, name: str) -> Certificate:
        """Return a certificate for a client."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _for_clients(_draft(subject, self._name, key.public_key()), name)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return Certificate(draft.add_extension(identifier, critical=False).sign(self._key, hashes.SHA256()))


def own_certificate(name: str) -> Certificate:
    """Return a certificate that its holder signed."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = ec.generate_private_key(ec.SECP256R1())
    return Certificate(_for_clients(_draft(subject, subject, key.public_key()), name).sign(key, hashes.SHA256()))


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=365))
    )


def _for_clients(draft: x509.CertificateBuilder, name: str) -> x509.CertificateBuilder:
    return (
        draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.rp.test")]), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip
