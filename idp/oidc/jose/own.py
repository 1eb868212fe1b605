"""Our own tokens: python-jose signs them and reads them again, joserfc makes keys and the JWKS (R2).

Whoever verifies names the token type it wants; the algorithm is the key's own, the key is one of ours, by `kid`.
"""

import base64
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from jose import backends, jwt
from jose import jwk as jose_jwk
from jose.backends.base import Key
from jose.exceptions import JOSEError
from joserfc.jwk import ECKey, RSAKey
from pydantic_core import to_json

# The pure-Python backends are slow, and one of them leaks by its timing (CVE-2024-23342).
if backends.RSAKey.__name__ != "CryptographyRSAKey" or backends.ECKey.__name__ != "CryptographyECKey":
    raise RuntimeError("python-jose must run on cryptography: install python-jose[cryptography]")

Algorithm = Literal["RS256", "ES256"]
ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256")
_LONGEST = 16 * 1024


class BadToken(Exception):
    """A token is not ours, not of the wanted type, damaged or expired."""


@dataclass(frozen=True)
class SigningKey:
    """A key as it is used, built once; ``private`` is ``None`` where it only verifies."""

    kid: str
    alg: Algorithm
    private: Any
    public: Any
    public_jwk: Mapping[str, str]


def generate_pem(alg: Algorithm, *, rsa_bits: int) -> str:
    """Return a new private key as PKCS#8 PEM."""
    key = RSAKey.generate_key(rsa_bits) if alg == "RS256" else ECKey.generate_key("P-256")
    return key.as_pem(private=True).decode()


def load_key(pem: str, alg: Algorithm) -> SigningKey:
    """Build a key from its PEM; costs milliseconds, so do it once."""
    rfc_key = RSAKey.import_key(pem) if alg == "RS256" else ECKey.import_key(pem)
    public = _published(rfc_key, alg)
    # The same key, not the PEM again: to read one of RSA proves its primes each time.
    private_key = jose_jwk.construct(rfc_key.raw_value, alg)
    return SigningKey(public["kid"], alg, private_key, private_key.public_key(), public)


def publish_rsa(modulus: bytes, exponent: bytes) -> dict[str, str]:
    """Return the JWK of an RSA key that was made elsewhere, from its big-endian numbers."""
    return _published(
        RSAKey.import_key(
            {"kty": "RSA", "n": _unpadded(modulus.lstrip(b"\0")), "e": _unpadded(exponent.lstrip(b"\0"))}
        ),
        "RS256",
    )


def publish_ec(point: bytes) -> dict[str, str]:
    """Return the JWK of a P-256 key that was made elsewhere, from its uncompressed point (bare or OCTET STRING)."""
    if len(point) not in {65, 67} or point[-65] != 4:
        raise ValueError("not an uncompressed point of P-256")
    x, y = point[-64:-32], point[-32:]
    return _published(ECKey.import_key({"kty": "EC", "crv": "P-256", "x": _unpadded(x), "y": _unpadded(y)}), "ES256")


def load_public(public_jwk: Mapping[str, str], alg: Algorithm) -> SigningKey:
    """Build a key that verifies and cannot sign."""
    public = jose_jwk.construct({name: public_jwk[name] for name in _MEMBERS[alg]}, alg)
    return SigningKey(public_jwk["kid"], alg, None, public, dict(public_jwk))


def load_remote(public_jwk: Mapping[str, str], alg: Algorithm, sign_bytes: Callable[[bytes], bytes]) -> SigningKey:
    """Build a key whose private half stays elsewhere; ``sign_bytes`` returns the signature as JWS wants it."""
    key = load_public(public_jwk, alg)
    return SigningKey(key.kid, alg, _Remote(sign_bytes), key.public, key.public_jwk)


def check_pair(key: SigningKey) -> None:
    """Raise `BadToken` unless the private half makes what the public half verifies."""
    probe = b"sesame"
    if not key.public.verify(probe, key.private.sign(probe)):
        raise BadToken("the halves of a key do not fit")


class _Remote(Key):  # type: ignore[misc]
    """python-jose's idea of a key, for one that signs somewhere else."""

    def __init__(self, sign_bytes: Callable[[bytes], bytes]) -> None:
        self.sign = sign_bytes


_MEMBERS: dict[Algorithm, tuple[str, ...]] = {"RS256": ("kty", "n", "e"), "ES256": ("kty", "crv", "x", "y")}


def _published(key: RSAKey | ECKey, alg: Algorithm) -> dict[str, str]:
    public = {name: str(value) for name, value in key.as_dict(private=False).items() if name in _MEMBERS[alg]}
    return {**public, "kid": key.thumbprint(), "use": "sig", "alg": alg}


def sign(claims: Mapping[str, Any], key: SigningKey, *, typ: str) -> str:
    """Return ``claims`` as a signed JWT of type ``typ``.

    The key signs, which is python-jose's; the text is put together here, as it would be by `jose.jwt.encode`, which
    builds the same header anew for each token.
    """
    text = f"{_header(key.kid, key.alg, typ)}.{_unpadded(to_json(claims))}"
    return f"{text}.{_unpadded(key.private.sign(text.encode()))}"


@functools.lru_cache(maxsize=256)
def _header(kid: str, alg: Algorithm, typ: str) -> str:
    return _unpadded(to_json({"alg": alg, "kid": kid, "typ": typ}))


def read_own(
    token: str, keys: Mapping[str, SigningKey], *, typ: str, issuer: str, now: datetime, allow_expired: bool = False
) -> dict[str, Any]:
    """Return the claims of a token that we signed, or raise `BadToken`; the audience is the caller's to check."""
    if len(token) > _LONGEST or token.count(".") != 2:
        raise BadToken("not a compact JWS")
    try:
        if not all(map(_is_canonical, token.split("."))):
            raise BadToken("odd base64url")
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        key = keys.get(kid) if isinstance(kid, str) else None
        # `crit`, `jwk`, `jku`, `x5u`: our own tokens have none (AC-148, AC-150).
        if key is None or header.get("alg") != key.alg or set(header) != {"alg", "kid", "typ"} or header["typ"] != typ:
            raise BadToken("not signed by us as this type")
        claims = jwt.decode(
            token,
            key.public,
            algorithms=[key.alg],
            options={
                "verify_aud": False,
                "verify_exp": False,
                "verify_at_hash": False,
                "require_iat": True,
                "require_iss": True,
                "require_sub": True,
            },
        )
    except (JOSEError, ValueError, TypeError, AttributeError) as fault:
        raise BadToken(type(fault).__name__) from fault
    # Our clock judges the end, python-jose's `require_exp` would ask the system's.
    if not isinstance(claims.get("exp"), int):
        raise BadToken("no end")
    if claims.get("iss") != issuer:
        raise BadToken("another issuer")
    if not allow_expired and now.timestamp() >= claims["exp"]:
        raise BadToken("expired")
    return dict(claims)


def claimed_kid(token: str) -> str | None:
    """Return the `kid` that a token names, nothing of it being checked."""
    if len(token) > _LONGEST or token.count(".") != 2:
        return None
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (JOSEError, ValueError, TypeError, AttributeError):
        return None
    return kid if isinstance(kid, str) else None


def _is_canonical(part: str) -> bool:
    """python-jose skips letters that are none of base64url's: then one token has many texts (RFC 7515 §2)."""
    return _unpadded(base64.urlsafe_b64decode(part + "==")) == part


def half_hash(value: str) -> str:
    """Return `at_hash` or `c_hash`: the left half of SHA-256, base64url (OpenID Connect Core §3.1.3.6)."""
    return _unpadded(hashlib.sha256(value.encode()).digest()[:16])


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
