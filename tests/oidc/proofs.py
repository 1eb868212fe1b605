"""What the relying parties of these tests hold and sign, beyond `tests/conformance/keys.py`."""

import base64
import hashlib
import json
import secrets
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwe, jwt
from joserfc.jwk import KeySet, OKPKey
from joserfc.jws import JWSRegistry

from tests.conformance.keys import (
    Authority,
    Certificate,
    Key,
    assertion,
    decode,
    dpop_proof,
    ec_key,
    encode,
    jwks,
    moment,
    new_key,
    own_certificate,
    public_jwk,
    rsa_key,
    sha256,
    sign,
    unsigned,
    with_bad_signature,
)
from tests.conftest import ISSUER

__all__ = [
    "Authority", "Certificate", "Key", "assertion", "certificate_thumbprint", "claims_in", "decode", "dpop_proof",
    "ec_key", "edwards_key", "encode", "forge", "header_of", "in_rfc_9440", "issued", "jwks", "moment", "new_key",
    "opened", "own_certificate", "proof_for", "public_jwk", "request_object", "rsa_key", "sha256", "sign",
    "thumbprint", "unsigned", "verified", "with_bad_signature",
]  # fmt: skip


def request_object(client_id: str, key: Key, request: dict[str, Any], **changes: Any) -> str:
    """Return a signed request object (RFC 9101); ``header`` and ``alg`` change the header, the rest its claims."""
    header = {"typ": "oauth-authz-req+jwt", **changes.pop("header", {})}
    alg = changes.pop("alg", None)
    about = {"iss": client_id, "aud": ISSUER, "nbf": moment(), "exp": moment(minutes=4), "jti": secrets.token_hex(8)}
    return sign({**request, **about, **changes}, key, alg=alg, **header)


def thumbprint(key: Key) -> str:
    """Return a key's SHA-256 thumbprint (RFC 7638)."""
    return str(key.thumbprint())


def certificate_thumbprint(certificate: Certificate) -> str:
    """Return `x5t#S256` (RFC 8705 §3.1)."""
    return encode(hashlib.sha256(certificate.x509.public_bytes(Encoding.DER)).digest())


def forge(header: dict[str, Any], claims: Any, key: Any) -> str:
    """Sign whatever is given with the algorithm that the header names, or the key's own where it names none known."""
    known = {"RSA": "PS256", "EC": "ES256", "OKP": "Ed25519", "oct": "HS256"}
    name = str(header.get("alg"))
    model = JWSRegistry.algorithms[name if name in JWSRegistry.algorithms else known[key.key_type]]
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    told = f"{encode(json.dumps(header).encode())}.{encode(body)}"
    return f"{told}.{encode(model.sign(told.encode(), key))}"


def proof_for(key: Key, path: str = "/token", method: str = "POST", **changes: Any) -> dict[str, str]:
    """Return the header with a DPoP proof for one of our endpoints."""
    return {"DPoP": dpop_proof(key, method, ISSUER + path, **changes)}


def header_of(token: str) -> dict[str, Any]:
    """Return a token's header."""
    found: dict[str, Any] = json.loads(decode(token.split(".")[0]))
    return found


def claims_in(token: str) -> dict[str, Any]:
    """Return a token's claims without verifying anything."""
    found: dict[str, Any] = json.loads(decode(token.split(".")[1]))
    return found


def verified(http: Any, token: str) -> dict[str, Any]:
    """Verify a token of the provider with joserfc and its published keys; return the claims."""
    keys = KeySet.import_key_set(http.get("/jwks.json").json)
    return dict(jwt.decode(token, keys, algorithms=["RS256", "ES256"]).claims)


def opened(token: str, key: Any) -> tuple[dict[str, Any], str]:
    """Decrypt what was encrypted to ``key``; return its header and its content."""
    header = header_of(token)
    found = jwe.decrypt_compact(token, key, algorithms=[header["alg"], header["enc"]])
    assert found.plaintext is not None
    return header, found.plaintext.decode()


def issued(
    authority: Authority,
    subject: x509.Name,
    *,
    begins_at: datetime | None = None,
    ends_at: datetime | None = None,
    names: list[x509.GeneralName] | None = None,
) -> Certificate:
    """Return a certificate of ``authority`` for any subject, alternative names and time."""
    key = ec.generate_private_key(ec.SECP256R1())
    draft = x509.CertificateBuilder().subject_name(subject).issuer_name(authority.x509.subject)
    draft = draft.public_key(key.public_key()).serial_number(x509.random_serial_number())
    draft = draft.not_valid_before(begins_at or authority.x509.not_valid_before_utc)
    draft = draft.not_valid_after(ends_at or authority.x509.not_valid_after_utc)
    draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if names:
        draft = draft.add_extension(x509.SubjectAlternativeName(names), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority._key.public_key())
    draft = draft.add_extension(identifier, critical=False)
    return Certificate(draft.sign(authority._key, hashes.SHA256()))


def in_rfc_9440(certificate: Certificate) -> str:
    """Return a certificate as RFC 9440 §2.1 writes it: a byte sequence of a structured field."""
    return f":{base64.b64encode(certificate.x509.public_bytes(Encoding.DER)).decode()}:"


def edwards_key(kid: str) -> OKPKey:
    """Return an Ed25519 key."""
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})
