"""Encrypting an answer for its client alone: a signed token inside a JWE (OpenID Connect Core §5.3.2, §16.14)."""

from collections.abc import Sequence

from joserfc import jwe
from joserfc.errors import JoseError

from idp.oidc.jose.foreign import PublicKey

# RSA1_5 is left out: its padding answers questions (Bleichenbacher).
KEY_ALGORITHMS = ("RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
CONTENT_ALGORITHMS = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
DEFAULT_CONTENT = "A128CBC-HS256"


class NoKey(Exception):
    """The client has published no key that its registered algorithm can use."""


def encrypt(content: str, keys: Sequence[PublicKey], *, alg: str, enc: str | None, holds_jwt: bool = True) -> str:
    """Return ``content`` encrypted to the first key of the client that fits, or raise `NoKey`."""
    kty = "RSA" if alg.startswith("RSA") else "EC"
    fitting = [one for one in keys if one.kty == kty and one.use in {None, "enc"} and one.alg in {None, alg}]
    if not fitting:
        raise NoKey(alg)
    chosen = fitting[0]
    cipher = enc or DEFAULT_CONTENT
    header = {"alg": alg, "enc": cipher, **({"kid": chosen.kid} if chosen.kid else {})}
    if holds_jwt:
        # RFC 7519 §5.2: "MUST be present" around a nested JWT.
        header["cty"] = "JWT"
    try:
        return str(jwe.encrypt_compact(header, content, chosen.key, algorithms=[alg, cipher]))
    except (JoseError, ValueError, TypeError) as fault:
        raise NoKey(alg) from fault
