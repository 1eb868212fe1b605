"""Our own tokens: python-jose signs them and reads them again, joserfc makes keys and the JWKS (R2).

Whoever verifies names the token type it wants; the algorithm is the key's own, the key is one of ours, by `kid`.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from jose import backends, jwt
from jose import jwk as jose_jwk
from jose.exceptions import JOSEError
from joserfc.jwk import ECKey, RSAKey

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
    """A key as it is used: built once, both halves."""

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
    kid = rfc_key.thumbprint()
    public = {**rfc_key.as_dict(private=False), "kid": kid, "use": "sig", "alg": alg}
    private_key = jose_jwk.construct(pem, alg)
    return SigningKey(kid, alg, private_key, private_key.public_key(), {name: str(v) for name, v in public.items()})


def sign(claims: Mapping[str, Any], key: SigningKey, *, typ: str) -> str:
    """Return ``claims`` as a signed JWT of type ``typ``."""
    return str(jwt.encode(dict(claims), key.private, algorithm=key.alg, headers={"kid": key.kid, "typ": typ}))


def read_own(
    token: str, keys: Mapping[str, SigningKey], *, typ: str, issuer: str, now: datetime, allow_expired: bool = False
) -> dict[str, Any]:
    """Return the claims of a token that we signed, or raise `BadToken`; the audience is the caller's to check."""
    if len(token) > _LONGEST or token.count(".") != 2:
        raise BadToken("not a compact JWS")
    try:
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


def half_hash(value: str) -> str:
    """Return `at_hash` or `c_hash`: the left half of SHA-256, base64url (OpenID Connect Core §3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).decode().rstrip("=")
