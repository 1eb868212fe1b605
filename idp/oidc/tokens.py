"""Access tokens: opaque, kept as a fingerprint for ten minutes, dead as soon as their grant is revoked."""

from dataclasses import dataclass
from datetime import datetime

from idp import crypto, entropy
from idp.oidc.errors import InvalidToken
from idp.oidc.grant import Grant
from idp.settings import settings
from idp.state import Space, state

_HANDLE = 22
_LENGTH = _HANDLE + 43


@dataclass(frozen=True)
class AccessToken:
    """What an access token stands for."""

    grant: Grant
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class RevokedGrant:
    """A grant whose access tokens are dead, remembered as long as one could live."""

    at: datetime


ACCESS_TOKENS = Space("access-token", AccessToken)
REVOKED_GRANTS = Space("revoked-grant", RevokedGrant)


def issue_access_token(grant: Grant, scopes: tuple[str, ...], now: datetime) -> str:
    """Return a new access token: the grant's handle, then 256 random bits."""
    lifetime = settings.lifetimes.access_token
    value = grant.id + entropy.token()
    token = AccessToken(grant, scopes, now, now + lifetime)
    state.put(ACCESS_TOKENS, crypto.fingerprint(value), token, ttl=lifetime)
    return value


def find_access_token(value: str) -> AccessToken | None:
    """Return a living access token, in one round trip with the question whether its grant is revoked."""
    if len(value) != _LENGTH:
        return None
    pair = state.get_pair(ACCESS_TOKENS, crypto.fingerprint(value), REVOKED_GRANTS, value[:_HANDLE])
    return None if pair[1] is not None else pair[0]


def get_access_token(value: str) -> AccessToken:
    """Return a living access token, or raise `InvalidToken`."""
    token = find_access_token(value)
    if token is None:
        raise InvalidToken("The access token is unknown, expired or revoked.")
    return token


def revoke_access_tokens(grant_id: str, now: datetime) -> None:
    """Make every access token of a grant worthless at once."""
    state.put(REVOKED_GRANTS, grant_id, RevokedGrant(now), ttl=settings.lifetimes.access_token)


def revoke_access_token(value: str) -> None:
    """Make one access token worthless."""
    state.delete(ACCESS_TOKENS, crypto.fingerprint(value))
