"""Proof Key for Code Exchange, S256 only (RFC 7636, RFC 9700 §2.1.1)."""

import re

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp import crypto

METHODS = ("S256",)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def is_challenge(text: str) -> bool:
    """Tell whether ``text`` can be an S256 code challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def verifier_fits(verifier: str | None, challenge: str | None) -> bool:
    """Tell whether the verifier answers the challenge; both must be there, or neither (P-05, P-06)."""
    if verifier is None or challenge is None:
        return verifier is None and challenge is None
    return _VERIFIER.fullmatch(verifier) is not None and crypto.same(challenge, create_s256_code_challenge(verifier))
