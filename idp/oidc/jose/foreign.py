"""What others signed: assertions, request objects and DPoP proofs, and the public keys that prove them (joserfc only).

Nothing in a token chooses its key but `kid`; `jku`, `x5u`, `x5c` and a `jwk` are refused or ignored (RFC 8725 §3.10).
"""

import base64
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from idp.strict_json import parse_json

_LONGEST = 16 * 1024
_DEEPEST = 12
_MOST_KEYS = 30
_SMALLEST_RSA = 2048
_KINDS: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
# What signs with what; Ed25519 goes by both of its names (RFC 9864).
_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
_CURVES = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}


class _Registry(jws.JWSRegistry):
    """joserfc's own limit of 512 octets would refuse a proof that carries an RSA key, or an assertion with `x5c`."""

    max_header_length = 8 * 1024


_READING = _Registry(strict_check_header=False)


class BadKeys(Exception):
    """A JWKS cannot be used; the message says why and names no key material."""


class BadSignature(Exception):
    """A token is not what it should be; the message is for the log only."""


@dataclass(frozen=True)
class PublicKey:
    """A key of somebody else, built once."""

    kid: str | None
    kty: str
    use: str | None
    alg: str | None
    key: Key
    curve: str | None
    chain: tuple[str, ...] = ()

    def fits(self, alg: str) -> bool:
        """Tell whether the key may verify a signature made with ``alg``."""
        if self.use not in {None, "sig"} or self.alg not in {None, alg, *_aliases(alg)}:
            return False
        return self.kty == _TYPES.get(alg) and self.curve == _CURVES.get(alg)


@dataclass(frozen=True)
class Signed:
    """A token taken apart, its signature not checked yet."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_public_keys(jwks: Any) -> tuple[PublicKey, ...]:
    """Return the usable keys of a JWKS; raises `BadKeys`. Private and symmetric keys are refused, odd types skipped."""
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise BadKeys(f"not an object with a list of at most {_MOST_KEYS} keys")
    keys = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise BadKeys("a key is not an object")
        if _PRIVATE & entry.keys() or entry.get("kty") == "oct":
            raise BadKeys("holds a private or symmetric key")
        if entry.get("kty") in _KINDS:
            keys.append(read_public_key(entry))
    return tuple(keys)


def read_public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Return one public key, or raise `BadKeys`."""
    kind = _KINDS.get(str(jwk.get("kty")))
    if kind is None or _PRIVATE & jwk.keys():
        raise BadKeys("not a public RSA, EC or OKP key")
    names = {"kty", "n", "e", "crv", "x", "y"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            key: Key = kind.import_key({name: value for name, value in jwk.items() if name in names})
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise BadKeys(f"a key cannot be read ({type(fault).__name__})") from fault
    if isinstance(key, RSAKey) and key.public_key.key_size < _SMALLEST_RSA:
        raise BadKeys(f"an RSA key has fewer than {_SMALLEST_RSA} bits")
    chain = jwk.get("x5c")
    return PublicKey(
        kid=_text(jwk.get("kid")),
        kty=str(jwk["kty"]),
        use=_text(jwk.get("use")),
        alg=_text(jwk.get("alg")),
        key=key,
        curve=_text(jwk.get("crv")),
        chain=tuple(str(one) for one in chain) if isinstance(chain, list) else (),
    )


def thumbprint(key: PublicKey) -> str:
    """Return the key's SHA-256 thumbprint (RFC 7638)."""
    return str(key.key.thumbprint())


def take_apart(token: str) -> Signed:
    """Return header and claims of a compact JWS without trusting them; raises `BadSignature` (AC-148, 150, 151)."""
    if len(token) > _LONGEST or token.count(".") != 2 or not token.isascii():
        raise BadSignature("not a compact JWS")
    try:
        parsed = jws.extract_compact(token.encode(), None, _READING)
        # Read again: joserfc takes a name twice, and other encodings than UTF-8 (RFC 7515 §4).
        head = base64.urlsafe_b64decode(token.partition(".")[0] + "==").decode()
        header = parse_json(head, longest=_LONGEST, deepest=_DEEPEST)
        claims = parse_json(parsed.payload.decode(), longest=_LONGEST, deepest=_DEEPEST)
    except (JoseError, ValueError, TypeError, RecursionError, AttributeError) as fault:
        raise BadSignature(type(fault).__name__) from fault
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadSignature("not a JWT")
    if "crit" in header or "b64" in header or "zip" in header:
        raise BadSignature("a header that must be understood")
    return Signed(token, header, claims)


def check_signature(signed: Signed, keys: Sequence[PublicKey], *, algorithms: Collection[str]) -> None:
    """Raise `BadSignature` unless one of ``keys`` made the signature with one of ``algorithms`` (AC-146, AC-147)."""
    alg, kid = signed.header.get("alg"), signed.header.get("kid")
    if not isinstance(alg, str) or alg not in algorithms or alg not in _TYPES:
        raise BadSignature("algorithm not allowed")
    if kid is not None and not isinstance(kid, str):
        raise BadSignature("kid is no text")
    fitting = [key for key in keys if key.fits(alg) and (kid is None or key.kid == kid)]
    if kid is None and len(fitting) > 1:
        # RFC 7523 leaves it open; guessing among keys hides a client's mistake.
        raise BadSignature("no kid, and more than one key")
    if not fitting:
        raise UnknownKey("no key fits")
    if not any(_verifies(signed.text, key.key, alg) for key in fitting):
        raise BadSignature("signature does not verify")


class UnknownKey(BadSignature):
    """No key of the client's carries this `kid`: it may have been made since its keys were fetched."""


def check_hmac(signed: Signed, secrets: Mapping[str, str]) -> str:
    """Return which of ``secrets`` made the HS256 signature (client_secret_jwt), or raise `BadSignature`."""
    if signed.header.get("alg") != "HS256":
        raise BadSignature("algorithm not allowed")
    for name, secret in secrets.items():
        if _verifies(signed.text, OctKey.import_key(secret), "HS256"):
            return name
    raise BadSignature("signature does not verify")


def _verifies(token: str, key: Key, alg: str) -> bool:
    try:
        with warnings.catch_warnings():
            # EdDSA is on its way to be called Ed25519; the signature is the same.
            warnings.simplefilter("ignore", SecurityWarning)
            jws.deserialize_compact(
                token, key, algorithms=[alg], registry=_Registry(algorithms=[alg], strict_check_header=False)
            )
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _aliases(alg: str) -> tuple[str, ...]:
    return ("EdDSA", "Ed25519") if alg in {"EdDSA", "Ed25519"} else ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
