"""What can be exchanged at the token endpoint, and for what."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from idp import audit, clock, metrics
from idp.accounts import directory
from idp.accounts.models import Account
from idp.db import db
from idp.oidc.client_auth import authenticate_client
from idp.oidc.clients import Client
from idp.oidc.codes import redeem_code
from idp.oidc.errors import (
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from idp.oidc.grant import Grant
from idp.oidc.id_token import issue_id_token
from idp.oidc.pkce import verifier_fits
from idp.oidc.protocol import ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.refresh import issue_family, revoke_grant, rotate
from idp.oidc.tokens import issue_access_token
from idp.settings import settings

Form = Mapping[str, str]


def token(request: ProtocolRequest) -> ProtocolResponse:
    """Exchange a grant for tokens (RFC 6749 §3.2)."""
    grant_type = request.form.get("grant_type")
    label = grant_type if grant_type in GRANTS else "other"
    try:
        client = authenticate_client(request)
        if grant_type is None:
            raise InvalidRequest("grant_type is missing.")
        if grant_type not in GRANTS:
            raise UnsupportedGrantType("This grant_type is not supported.")
        if grant_type not in client.grant_types:
            raise UnauthorizedClient("This client may not use this grant_type.")
        answer = GRANTS[grant_type](client, request.form, clock.now())
    except OAuthError as refusal:
        metrics.TOKEN.labels(label, "refused", refusal.code).inc()
        raise
    metrics.TOKEN.labels(label, "ok", "").inc()
    return json_response(200, answer)


def _exchange_code(client: Client, form: Form, now: datetime) -> dict[str, Any]:
    """Redeem an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6)."""
    value = form.get("code")
    if value is None:
        raise InvalidRequest("code is missing.")
    code = redeem_code(value)
    checks = (
        (code.grant.client_id == client.client_id, "code of another client"),
        (form.get("redirect_uri") == code.redirect_uri, "redirect_uri differs"),
        (verifier_fits(form.get("code_verifier"), code.code_challenge), "code_verifier does not fit"),
        (now < code.issued_at + settings.lifetimes.authorization_code, "code expired"),
    )
    for fits, why in checks:
        if not fits:
            audit.record("code-exchange", outcome="refused", client_id=client.client_id, reason=why)
            raise InvalidGrant(why)
    account = _get_entitled(code.grant)
    refresh_token = None
    if "refresh_token" in client.grant_types:
        refresh_token = issue_family(code.grant, now)
        db.session.commit()
    return _answer(client, code.grant, code.grant.scopes, now, account, refresh_token=refresh_token, nonce=code.nonce)


def _refresh(client: Client, form: Form, now: datetime) -> dict[str, Any]:
    """Exchange a refresh token (RFC 6749 §6)."""
    value = form.get("refresh_token")
    if value is None:
        raise InvalidRequest("refresh_token is missing.")
    rotated = rotate(value, client_id=client.client_id, scope=form.get("scope"), now=now)
    account = _get_entitled(rotated.grant)
    return _answer(client, rotated.grant, rotated.scopes, now, account, refresh_token=rotated.successor, nonce=None)


def _get_entitled(grant: Grant) -> Account:
    """Return the person, or raise `InvalidGrant` when the account may not sign in any more (AC-138)."""
    account = directory.find_account(grant.account_id)
    if account is None or account.status != "active":
        revoke_grant(grant.id, clock.now(), reason="account")
        raise InvalidGrant("account not active")
    changed = account.password_changed_at
    if changed is not None and changed > grant.auth_time:
        # P-26: a new password ends what was granted under the old one.
        revoke_grant(grant.id, clock.now(), reason="password-changed")
        raise InvalidGrant("password changed since")
    return account


def _answer(
    client: Client,
    grant: Grant,
    scopes: tuple[str, ...],
    now: datetime,
    account: Account,
    *,
    refresh_token: str | None,
    nonce: str | None,
) -> dict[str, Any]:
    access_token = issue_access_token(grant, scopes, now)
    answer: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(settings.lifetimes.access_token.total_seconds()),
        "scope": " ".join(scopes),
    }
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    if "openid" in scopes:
        person = account.claims if grant.id_token_claims else None
        answer["id_token"] = issue_id_token(
            grant, client, now=now, access_token=access_token, nonce=nonce, person=person
        )
    return answer


GRANTS: Mapping[str, Callable[[Client, Form, datetime], dict[str, Any]]] = {
    "authorization_code": _exchange_code,
    "refresh_token": _refresh,
}
