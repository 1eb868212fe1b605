"""Introspection (RFC 7662, RFC 9701): whether a token lives, told to its client and to the API that it is for."""

from datetime import datetime
from typing import Any

from idp import clock
from idp.accounts.glance import find_active
from idp.oidc.client_auth import authenticate_client
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidClient, InvalidRequest
from idp.oidc.grant import Grant
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.refresh import find_family
from idp.oidc.subjects import subject_for
from idp.oidc.tokens import describe_token, find_access_token
from idp.settings import settings

TYPE = "token-introspection+jwt"
JWT_TYPE = f"application/{TYPE}"
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
    said = _access_token(token, client) or _refresh_token(token, client) or INACTIVE
    return _answer(said, client, signed=JWT_TYPE in request.headers.get("accept", ""))


def _answer(said: dict[str, Any], client: Client, *, signed: bool) -> ProtocolResponse:
    """Answer in JSON, or signed where the caller wants proof of who said so (RFC 9701 §4, §5)."""
    alg = client.introspection_signed_response_alg
    if not signed and alg is None:
        return json_response(200, said)
    claims = {
        "iss": settings.issuer,
        "aud": client.client_id,
        "iat": int(clock.now().timestamp()),
        "token_introspection": said,
    }
    token = sign(claims, key_ring().active[alg or client.id_token_signed_response_alg], typ=TYPE)
    return ProtocolResponse(200, token.encode(), {**NO_STORE, "Content-Type": JWT_TYPE})


def _access_token(value: str, client: Client) -> dict[str, Any] | None:
    token = find_access_token(value)
    if token is None or not _is_alive(token.grant, token.issued_at):
        return None
    # AC-141: whom it was issued to, and the API that it is for.
    is_for_it = not set(client.serves_resources).isdisjoint(token.audience)
    return describe_token(token) if is_for_it or token.grant.client_id == client.client_id else None


def _refresh_token(value: str, client: Client) -> dict[str, Any] | None:
    found = find_family(value, client_id=client.client_id)
    if found is None:
        return None
    family, n = found
    end = min(family.ends_at, family.rotated_at + settings.lifetimes.refresh_idle)
    if family.revoked_at or n != family.n or clock.now() >= end or not _is_alive(family.grant, family.rotated_at):
        return None
    return {
        "active": True,
        "iss": settings.issuer,
        "client_id": client.client_id,
        "sub": subject_for(family.account_id, client),
        "aud": settings.issuer,
        "scope": " ".join(family.scopes),
        "acr": family.acr,
        "auth_time": int(family.auth_time.timestamp()),
        "iat": int(family.rotated_at.timestamp()),
        "exp": int(end.timestamp()),
    }


def _is_alive(grant: Grant, issued_at: datetime) -> bool:
    """Whether its client may still act, and the person behind it, if there is one, and might ever since."""
    client = find_client(grant.client_id)
    if client is None or client.is_suspended:
        return False
    return grant.account_id is None or find_active(grant.account_id, issued_at=issued_at) is not None
