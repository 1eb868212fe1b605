"""UserInfo: what is known of a person under an access token (OpenID Connect Core §5.3)."""

import json
from datetime import datetime
from typing import Any

from idp import clock
from idp.accounts.glance import find_active
from idp.oidc.claims import claims_for
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InsufficientScope, InvalidRequest, InvalidToken
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring
from idp.oidc.possession import check_possession
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.sealed import seal_for
from idp.oidc.subjects import subject_for
from idp.oidc.tokens import get_access_token
from idp.settings import settings


def userinfo(request: ProtocolRequest) -> ProtocolResponse:
    """Return the claims of the person behind the access token."""
    now = clock.now()
    scheme, value = read_access_token(request)
    token = get_access_token(value)
    check_possession(token.bound_to, request, now, scheme=scheme, access_token=value)
    if settings.issuer not in token.audience:
        # P-12: a token for another API, however genuine.
        raise InvalidToken("The access token is not for this resource.")
    if "openid" not in token.scopes:
        raise InsufficientScope("The scope openid is needed.")
    client = find_client(token.grant.client_id)
    holder = token.grant.account_id
    account = find_active(holder, issued_at=token.issued_at) if holder else None
    if client is None or client.is_suspended or account is None:
        raise InvalidToken("The access token is unknown, expired or revoked.", detail="client or account ended")
    claims = claims_for(account.claims, scopes=token.scopes, named=token.grant.userinfo_claims)
    return _answer({"sub": subject_for(account.id, client), **claims}, client, now)


def _answer(claims: dict[str, Any], client: Client, now: datetime) -> ProtocolResponse:
    """Answer in JSON, or signed, or encrypted, as the client is registered (OpenID Connect Core §5.3.2)."""
    alg, encryption = client.userinfo_signed_response_alg, client.userinfo_encrypted_response_alg
    if alg is None and encryption is None:
        return json_response(200, claims)
    content = json.dumps(claims, ensure_ascii=False)
    if alg is not None:
        named = {"iss": settings.issuer, "aud": client.client_id, "iat": int(now.timestamp()), **claims}
        content = sign(named, key_ring().active[alg], typ="JWT")
    if encryption is not None:
        enc = client.userinfo_encrypted_response_enc
        content = seal_for(client, content, alg=encryption, enc=enc, now=now, holds_jwt=alg is not None)
    return ProtocolResponse(200, content.encode(), {**NO_STORE, "Content-Type": "application/jwt"})


def read_access_token(request: ProtocolRequest) -> tuple[str, str]:
    """Return the scheme and the one access token of a request: in the header, or in a POST's body (RFC 6750 §2)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    scheme = scheme.lower()
    in_header = value.strip() if scheme in {"bearer", "dpop"} else ""
    in_body = request.form.get("access_token", "") if request.method == "POST" else ""
    if in_header and in_body:
        raise InvalidRequest("The access token was sent in two ways.")
    if not in_header and not in_body:
        # RFC 6750 §3.1: no error code for a request without any authentication.
        raise InvalidToken("", code="")
    return (scheme, in_header) if in_header else ("bearer", in_body)
