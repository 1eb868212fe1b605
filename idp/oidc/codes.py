"""Authorization codes: good once, for a minute, for one client; a second use ends what the first one issued (P-19)."""

import base64
from dataclasses import dataclass
from datetime import datetime

from idp import clock, crypto
from idp.oidc import events
from idp.oidc.errors import InvalidGrant
from idp.oidc.grant import Grant
from idp.oidc.refresh import revoke_grant
from idp.session_handles import ENDED, HANDLE
from idp.settings import settings
from idp.state import Space, state


@dataclass(frozen=True)
class AuthorizationCode:
    """What a code stands for."""

    grant: Grant
    # None where no browser took part: then the token request has none either.
    redirect_uri: str | None
    nonce: str | None
    code_challenge: str | None
    issued_at: datetime
    # The DPoP key that alone may redeem it (RFC 9449 §10).
    dpop_jkt: str | None = None


CODES = Space("authorization-code", AuthorizationCode, once=True)
_HANDLE = 22


def issue_code(code: AuthorizationCode) -> str:
    """Keep what a new code stands for and return the code: the grant's handle, and 256 bits that prove it is ours."""
    value = _value(code.grant.id)
    state.put(CODES, crypto.fingerprint(value), code, ttl=settings.lifetimes.authorization_code)
    return value


def grant_id_of(value: str) -> str:
    """Return the grant that a code names; it proves nothing."""
    return value[:_HANDLE]


def redeem_code(value: str) -> AuthorizationCode:
    """Use a code up and return what it stood for, or raise `InvalidGrant`.

    It is gone before anything else about the request is checked: a wrong verifier burns it (AC-103). A session that
    was ended since leaves it worthless, whatever was granted: who signs out is not signed in by a code under way.
    """
    found = state.take_asking(CODES, crypto.fingerprint(value), ENDED, value[:HANDLE])
    code, ended = found
    if code is not None and ended is not None:
        raise InvalidGrant("session ended since")
    if code is None:
        _revoke_if_ours(value)
        raise InvalidGrant("code unknown, expired or used")
    return code


def _revoke_if_ours(value: str) -> None:
    """End what a code bought that comes a second time: it has leaked (RFC 6749 §4.1.2).

    A genuine code tells its grant, so nothing need be remembered of used ones, and a replay months later still counts.
    """
    handle = grant_id_of(value)
    if crypto.same(_value(handle), value):
        revoke_grant(handle, clock.now(), reason="code-reuse")
        events.code_reused()


def _value(grant_id: str) -> str:
    proof = base64.urlsafe_b64encode(crypto.keyed("grant", grant_id)).decode().rstrip("=")
    return grant_id + proof
