"""Authorization codes: good once, for a minute, for one client; a second use ends what the first one issued (P-19)."""

from dataclasses import dataclass
from datetime import datetime

from idp import audit, clock, crypto, entropy
from idp.oidc.errors import InvalidGrant
from idp.oidc.grant import Grant
from idp.oidc.refresh import revoke_grant
from idp.settings import settings
from idp.state import Space, state


@dataclass(frozen=True)
class AuthorizationCode:
    """What a code stands for."""

    grant: Grant
    redirect_uri: str
    nonce: str | None
    code_challenge: str | None
    issued_at: datetime


@dataclass(frozen=True)
class UsedCode:
    """A code that was redeemed, remembered as long as anything issued for it may live."""

    grant_id: str
    client_id: str


CODES = Space("authorization-code", AuthorizationCode)
USED_CODES = Space("used-code", UsedCode)


def issue_code(code: AuthorizationCode) -> str:
    """Keep what a new code stands for and return the code: 256 bits."""
    value = entropy.token()
    state.put(CODES, crypto.fingerprint(value), code, ttl=settings.lifetimes.authorization_code)
    return value


def redeem_code(value: str) -> AuthorizationCode:
    """Use a code up and return what it stood for, or raise `InvalidGrant`.

    It is gone before anything else about the request is checked: a wrong verifier burns it (AC-103).
    """
    key = crypto.fingerprint(value)
    code = state.take(CODES, key)
    if code is None:
        _revoke_if_used(key)
        raise InvalidGrant("code unknown, expired or used")
    # As long as the refresh tokens that may come of it: a replay months later still ends them.
    state.put(USED_CODES, key, UsedCode(code.grant.id, code.grant.client_id), ttl=settings.lifetimes.refresh_absolute)
    return code


def _revoke_if_used(key: str) -> None:
    used = state.get(USED_CODES, key)
    if used is not None:
        # RFC 6749 §4.1.2: a code used twice has leaked; what it bought is no longer trusted.
        revoke_grant(used.grant_id, clock.now(), reason="code-reuse")
        audit.record("code-reuse", outcome="refused", client_id=used.client_id)
