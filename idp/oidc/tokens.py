"""Access tokens: opaque or JWT, kept as a fingerprint for ten minutes, dead as soon as their grant is revoked."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from idp import crypto, entropy
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidGrant, InvalidToken
from idp.oidc.grant import Grant
from idp.oidc.jose.own import claimed_kid, sign
from idp.oidc.keys import key_ring, keys_for
from idp.oidc.possession import Confirmation
from idp.oidc.resource_servers import wants_jwt
from idp.oidc.subjects import subject_for
from idp.session_handles import ENDED, HANDLE
from idp.settings import settings
from idp.state import Space, state

# RFC 9068 §2.1.
TYPE = "at+jwt"
_HANDLE = 22
# The handle, then 256 random bits; nothing else is looked up.
_SHAPE = re.compile(r"[A-Za-z0-9_-]{65}", re.ASCII)
_LONGEST = 16 * 1024


@dataclass(frozen=True)
class AccessToken:
    """What an access token stands for."""

    grant: Grant
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    # Where it is good (RFC 8707, RFC 9068 §2.2); our own UserInfo unless a resource was asked for.
    audience: tuple[str, ...] = ()
    bound_to: Confirmation = field(default_factory=Confirmation)
    authorization_details: tuple[dict[str, Any], ...] = ()
    # Who acts for the holder, the present one first (RFC 8693 §4.1).
    actors: tuple[str, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """Return what a JWT and an introspection say alike, but for whom and to whom."""
        said: dict[str, Any] = {
            "iss": settings.issuer,
            "client_id": self.grant.client_id,
            "aud": self.audience[0] if len(self.audience) == 1 else list(self.audience),
            "iat": int(self.issued_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
            "scope": " ".join(self.scopes),
        }
        if self.grant.account_id is not None:
            said |= {
                "acr": self.grant.acr,
                "amr": list(self.grant.amr),
                "auth_time": int(self.grant.auth_time.timestamp()),
            }
        if self.bound_to.cnf:
            said["cnf"] = self.bound_to.cnf
        if self.authorization_details:
            said["authorization_details"] = list(self.authorization_details)
        if self.actors:
            said["act"] = _nest(self.actors)
        return said


class RevokedAtIssue(InvalidGrant):
    """A grant was revoked while it was being used."""


@dataclass(frozen=True)
class RevokedGrant:
    """A grant whose access tokens are dead, remembered as long as one could live."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is decided of a token at its issue, beside the grant."""

    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    authorization_details: tuple[dict[str, Any], ...] = ()
    bound_to: Confirmation = field(default_factory=Confirmation)
    actors: tuple[str, ...] = ()
    # Not later than this: a token that is exchanged for another bounds its life.
    until: datetime | None = None


ACCESS_TOKENS = Space("access-token", AccessToken)
REVOKED_GRANTS = Space("revoked-grant", RevokedGrant)


def lifetime_of(registered: int | None, longest: timedelta) -> timedelta:
    """Return how long a client's tokens live: what it is registered for, never longer than the settings say."""
    return longest if registered is None else min(timedelta(seconds=registered), longest)


def issue_access_token(grant: Grant, client: Client, wanted: Wanted, now: datetime) -> tuple[str, timedelta]:
    """Return a new access token and how long it lives.

    An opaque one is the grant's handle, then 256 random bits; a JWT has the same for its `jti`. Both are kept by
    fingerprint: a JWT that we did not issue, or that was revoked, is worth nothing here, whatever its signature says.

    Raises `RevokedAtIssue` when the grant was revoked meanwhile: its code came a second time at the same moment, or the
    account holder took it back. Asked after everything else is written, so that one of both sees the other.
    """
    end = now + lifetime_of(client.access_token_lifetime, settings.lifetimes.access_token)
    end = min(end, wanted.until) if wanted.until else end
    token = AccessToken(
        grant, wanted.scopes, now, end, wanted.resources or (settings.issuer,), wanted.bound_to,
        wanted.authorization_details, wanted.actors,
    )  # fmt: skip
    value = grant.id + entropy.token()
    if wants_jwt(client, wanted.resources):
        claims = {**token.about, "sub": subject_of(grant, client), "jti": value}
        value = sign(claims, key_ring().active[client.id_token_signed_response_alg], typ=TYPE)
    revoked = state.put_asking(
        ACCESS_TOKENS, crypto.fingerprint(value), token, ttl=end - now, beside=REVOKED_GRANTS, beside_key=grant.id
    )
    if revoked is not None:
        raise RevokedAtIssue("the grant was revoked at the moment of its issue")
    return value, end - now


def subject_of(grant: Grant, client: Client) -> str:
    """Return the `sub` of a token: the person as ``client`` calls them, or the client itself (P-27)."""
    return client.client_id if grant.account_id is None else subject_for(grant.account_id, client)


def describe_token(token: AccessToken) -> dict[str, Any]:
    """Return what is said of a living token to those for whom it is meant (RFC 7662 §2.2)."""
    client = find_client(token.grant.client_id)
    sub = {} if client is None else {"sub": subject_of(token.grant, client)}
    return {"active": True, **token.about, **sub, "token_type": token.bound_to.token_type}


def find_access_token(value: str) -> AccessToken | None:
    """Return a living access token, in one round trip with the questions whether its grant or session was ended."""
    handle = _handle_of(value)
    if handle is None:
        return None
    token: AccessToken | None
    token, revoked, ended = state.get_together(
        (ACCESS_TOKENS, crypto.fingerprint(value)), (REVOKED_GRANTS, handle), (ENDED, handle[:HANDLE])
    )
    if token is None or revoked is not None:
        return None
    # Back-Channel Logout §2.7: what was granted for the absence of the person outlives a session that is signed out.
    if ended is not None and (ended.offline_too or "offline_access" not in token.grant.scopes):
        return None
    return token


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


def _handle_of(value: str) -> str | None:
    """Return the grant's handle that a token names: nothing is believed of it before its fingerprint is found."""
    if _SHAPE.fullmatch(value):
        return value[:_HANDLE]
    parts = value.split(".")
    # RC-25: what a revoked key signed is dead, though we issued it.
    if len(parts) != 3 or len(value) > _LONGEST or claimed_kid(value) not in keys_for(value):
        return None
    try:
        jti = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).get("jti")
    except (ValueError, AttributeError, RecursionError):
        return None
    return jti[:_HANDLE] if isinstance(jti, str) and _SHAPE.fullmatch(jti) else None


def _nest(actors: tuple[str, ...]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for actor in reversed(actors):
        nested = {"sub": actor, **({"act": nested} if nested else {})}
    return nested
