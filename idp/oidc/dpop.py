"""DPoP (RFC 9449): a client proves with every request that it holds the key to which its tokens are bound."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from idp import crypto
from idp.oidc.errors import InvalidDpopProof, UseDpopNonce
from idp.oidc.jose.foreign import (
    BadKeys,
    BadSignature,
    Signed,
    check_signature,
    read_public_key,
    take_apart,
    thumbprint,
)
from idp.oidc.profiles import STRONG
from idp.oidc.protocol import ProtocolRequest
from idp.settings import settings
from idp.state import Space, state

TYPE = "dpop+jwt"
# RFC 9449 §11.6: no symmetric algorithm; RS256 is left out as FAPI 2.0 §5.4.1 does.
ALGORITHMS = STRONG
NONCE_HEADER = "DPoP-Nonce"
_LONGEST_JTI = 256


@dataclass(frozen=True)
class UsedProof:
    """A proof that was accepted, remembered as long as it could come again (RFC 9449 §11.1)."""

    at: datetime


USED_PROOFS = Space("dpop-proof", UsedProof)


def find_proof(request: ProtocolRequest, now: datetime, *, access_token: str | None = None) -> str | None:
    """Return the thumbprint of the key that made the request's proof, or ``None`` when it carries no proof.

    Raises `InvalidDpopProof` or `UseDpopNonce`. At a resource the proof must be for this very ``access_token``.
    """
    proof = request.headers.get("dpop")
    if proof is None:
        return None
    jkt, jti = read_proof(proof, request, now, access_token=access_token)
    # Longer than from the earliest to the latest moment at which it would be taken, both of them included.
    lasts = 2 * settings.dpop.proof_age + timedelta(seconds=1)
    if not state.add(USED_PROOFS, crypto.fingerprint(f"{jkt} {jti}"), UsedProof(now), ttl=lasts):
        raise InvalidDpopProof("The DPoP proof was used before.")
    return jkt


def read_proof(
    proof: str, request: ProtocolRequest, now: datetime, *, access_token: str | None = None
) -> tuple[str, str]:
    """Return the key's thumbprint and the `jti` of a good proof, or raise (RFC 9449 §4.3, point by point)."""
    try:
        signed = take_apart(proof)
        jwk = signed.header.get("jwk")
        if signed.header.get("typ") != TYPE or not isinstance(jwk, dict):
            raise BadSignature("not of type dpop+jwt, or without its key")
        key = read_public_key(jwk)
        check_signature(_without_kid(signed), (key,), algorithms=ALGORITHMS)
    except (BadSignature, BadKeys) as fault:
        raise InvalidDpopProof(
            "The DPoP proof is malformed or its signature does not verify.", detail=str(fault)
        ) from fault
    claims = signed.claims
    if claims.get("htm") != request.method:
        raise InvalidDpopProof("htm of the DPoP proof is not this request's method.")
    if not _is_here(claims.get("htu"), request.path):
        raise InvalidDpopProof("htu of the DPoP proof is not this endpoint.")
    if access_token is not None and claims.get("ath") != _hash_of(access_token):
        raise InvalidDpopProof("ath of the DPoP proof is not the hash of this access token.")
    _check_nonce(claims.get("nonce"), now)
    if not _is_of_now(claims.get("iat"), now):
        raise InvalidDpopProof("iat of the DPoP proof is too far from now.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise InvalidDpopProof("The DPoP proof has no usable jti.")
    return thumbprint(key), jti


def current_nonce(now: datetime) -> str:
    """Return the nonce that proofs should carry now; nothing is kept of it (RFC 9449 §8)."""
    return _nonce(int(now.timestamp() // settings.dpop.nonce_lifetime.total_seconds()))


def nonce_headers(now: datetime) -> Mapping[str, str]:
    """Return the header that hands the current nonce out, where nonces are demanded."""
    return {NONCE_HEADER: current_nonce(now)} if settings.dpop.require_nonce else {}


def _check_nonce(nonce: Any, now: datetime) -> None:
    if not settings.dpop.require_nonce:
        return
    period = int(now.timestamp() // settings.dpop.nonce_lifetime.total_seconds())
    # The one before is still good: a client must not be refused for a request that was under way.
    if not isinstance(nonce, str) or not any(crypto.same(_nonce(n), nonce) for n in (period, period - 1)):
        raise UseDpopNonce("The DPoP proof must carry the nonce of the DPoP-Nonce header.")


def _nonce(period: int) -> str:
    return base64.urlsafe_b64encode(crypto.keyed("dpop", str(period))[:18]).decode()


def _is_here(htu: Any, path: str) -> bool:
    """Compare scheme, host, port and path; query and fragment do not count (RFC 9449 §4.3, point 9)."""
    if not isinstance(htu, str):
        return False
    bases = [settings.issuer, *([settings.mtls.issuer] if settings.mtls.issuer else [])]
    theirs = _place(htu)
    return theirs is not None and any(theirs == _place(base + path) for base in bases)


def _place(url: str) -> tuple[str, str, int | None, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    if "@" in parts.netloc:
        return None
    return (parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path)


def _is_of_now(made: Any, now: datetime) -> bool:
    if not isinstance(made, int | float) or isinstance(made, bool):
        return False
    return bool(abs(made - now.timestamp()) <= settings.dpop.proof_age.total_seconds())


def _hash_of(access_token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).decode().rstrip("=")


def _without_kid(signed: Signed) -> Signed:
    """The proof's own `jwk` is its key; a `kid` beside it chooses nothing."""
    return Signed(signed.text, {name: value for name, value in signed.header.items() if name != "kid"}, signed.claims)
