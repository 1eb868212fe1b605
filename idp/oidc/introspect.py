"""Introspection (RFC 7662): whether a token lives, told only to the client that it was issued to."""

from typing import Any

from idp import clock
from idp.accounts import directory
from idp.oidc.client_auth import authenticate_client
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidClient, InvalidRequest
from idp.oidc.grant import Grant
from idp.oidc.protocol import ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.refresh import find_family
from idp.oidc.subjects import subject_for
from idp.oidc.tokens import find_access_token
from idp.settings import settings

INACTIVE: dict[str, Any] = {"active": False}


def introspect(request: ProtocolRequest) -> ProtocolResponse:
    """Say what a token is worth."""
    client = authenticate_client(request)
    if client.is_public:
        # RFC 7662 §2.1: some form of authorization; a public client has none.
        raise InvalidClient("A public client may not introspect tokens.")
    token = request.form.get("token")
    if token is None:
        raise InvalidRequest("token is missing.")
    return json_response(200, _access_token(token, client) or _refresh_token(token, client) or INACTIVE)


def _access_token(value: str, client: Client) -> dict[str, Any] | None:
    token = find_access_token(value)
    if token is None or not _may_see(token.grant, client):
        return None
    return {
        **_about(token.grant, client, token.scopes),
        "token_type": "Bearer",
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
    }


def _refresh_token(value: str, client: Client) -> dict[str, Any] | None:
    found = find_family(value, client_id=client.client_id)
    if found is None:
        return None
    family, n = found
    now = clock.now()
    idle_end = family.rotated_at + settings.lifetimes.refresh_idle
    if family.revoked_at or n != family.n or now >= min(family.ends_at, idle_end):
        return None
    if not _may_see(family.grant, client):
        return None
    about = _about(family.grant, client, tuple(family.scopes))
    return {**about, "iat": int(family.rotated_at.timestamp()), "exp": int(min(family.ends_at, idle_end).timestamp())}


def _may_see(grant: Grant, client: Client) -> bool:
    account = directory.find_account(grant.account_id)
    return grant.client_id == client.client_id and account is not None and account.status == "active"


def _about(grant: Grant, client: Client, scopes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "active": True,
        "iss": settings.issuer,
        "client_id": grant.client_id,
        "sub": subject_for(grant.account_id, client),
        "aud": grant.client_id,
        "scope": " ".join(scopes),
        "acr": grant.acr,
        "auth_time": int(grant.auth_time.timestamp()),
    }
