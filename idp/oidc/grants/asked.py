"""A token request whose client is known: what every grant reads, and what every grant answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from idp import clock
from idp.accounts import directory
from idp.accounts.models import Account
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidGrant, InvalidRequest
from idp.oidc.grant import Grant
from idp.oidc.id_token import issue_id_token
from idp.oidc.possession import Confirmation
from idp.oidc.refresh import revoke_grant
from idp.oidc.refresh_at_once import begin_at_once
from idp.oidc.tokens import RevokedAtIssue, Wanted, issue_access_token


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request at the token endpoint."""

    client: Client
    form: Mapping[str, str] = field(repr=False)
    now: datetime
    bound_to: Confirmation
    resources: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        """Return a field that must be there, or raise `InvalidRequest`."""
        value = self.form.get(name)
        if value is None:
            raise InvalidRequest(f"{name} is missing.")
        return value


def get_entitled(grant: Grant) -> Account:
    """Return the person, or raise `InvalidGrant` when the account may not sign in, or was shut since (AC-138)."""
    account = directory.find_account(grant.holder)
    was_shut = account is not None and account.enabled_at is not None and account.enabled_at >= grant.auth_time
    if account is None or account.status != "active" or was_shut:
        revoke_grant(grant.id, clock.now(), reason="account")
        raise InvalidGrant("account not active")
    changed = account.password_changed_at
    if changed is not None and changed > grant.auth_time:
        # P-26: a new password ends what was granted under the old one.
        revoke_grant(grant.id, clock.now(), reason="password-changed")
        raise InvalidGrant("password changed since")
    return account


def begin_family(asked: TokenRequest, grant: Grant) -> str | None:
    """Return the first refresh token of a grant, or ``None`` for a client without; commits.

    Raises `InvalidGrant` when the person may not have it any more.
    """
    refresh_token = None
    if "refresh_token" in asked.client.grant_types:
        refresh_token = begin_at_once(grant, asked.now, bound_to=asked.bound_to if asked.client.is_public else None)
    if refresh_token is None:
        get_entitled(grant)
    return refresh_token


def answer_with_tokens(asked: TokenRequest, grant: Grant, wanted: Wanted) -> dict[str, Any]:
    """Return an access token with what is said of it (RFC 6749 §5.1)."""
    try:
        access_token, lifetime = issue_access_token(grant, asked.client, wanted, asked.now)
    except RevokedAtIssue:
        # The family that was begun for it has not been seen by whoever revoked.
        revoke_grant(grant.id, asked.now, reason="revoked-at-issue")
        raise
    answer: dict[str, Any] = {
        "access_token": access_token,
        "token_type": wanted.bound_to.token_type,
        "expires_in": int(lifetime.total_seconds()),
        "scope": " ".join(wanted.scopes),
    }
    if wanted.authorization_details:
        # RFC 9396 §7: "the authorization server MUST also return the authorization_details as granted".
        answer["authorization_details"] = list(wanted.authorization_details)
    return answer


def answer_with_id_token(
    asked: TokenRequest, grant: Grant, wanted: Wanted, *, refresh_token: str | None, nonce: str | None
) -> dict[str, Any]:
    """Return the tokens of a grant in which a person took part (OpenID Connect Core §3.1.3.3)."""
    answer = answer_with_tokens(asked, grant, wanted)
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    if "openid" in wanted.scopes:
        person = directory.get_account(grant.holder).claims if grant.id_token_claims else None
        answer["id_token"] = issue_id_token(
            grant, asked.client, now=asked.now, access_token=answer["access_token"], nonce=nonce, person=person
        )
    return answer
