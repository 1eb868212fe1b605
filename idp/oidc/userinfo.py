"""UserInfo: what is known of a person under an access token (OpenID Connect Core §5.3)."""

from idp.accounts import directory
from idp.oidc.claims import claims_for
from idp.oidc.clients import find_client
from idp.oidc.errors import InsufficientScope, InvalidRequest, InvalidToken
from idp.oidc.protocol import ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.subjects import subject_for
from idp.oidc.tokens import get_access_token


def userinfo(request: ProtocolRequest) -> ProtocolResponse:
    """Return the claims of the person behind the access token."""
    token = get_access_token(bearer_token(request))
    if "openid" not in token.scopes:
        raise InsufficientScope("The scope openid is needed.")
    client = find_client(token.grant.client_id)
    account = directory.find_account(token.grant.account_id)
    if client is None or client.is_suspended or account is None or account.status != "active":
        raise InvalidToken("The access token is unknown, expired or revoked.", detail="client or account ended")
    claims = claims_for(account.claims, scopes=token.scopes, named=token.grant.userinfo_claims)
    return json_response(200, {"sub": subject_for(account.id, client), **claims})


def bearer_token(request: ProtocolRequest) -> str:
    """Return the one access token of a request: in the header, or in the body of a POST (RFC 6750 §2)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    in_header = value.strip() if scheme.lower() == "bearer" else ""
    in_body = request.form.get("access_token", "") if request.method == "POST" else ""
    if in_header and in_body:
        raise InvalidRequest("The access token was sent in two ways.")
    if not in_header and not in_body:
        # RFC 6750 §3.1: no error code for a request without any authentication.
        raise InvalidToken("", code="")
    return in_header or in_body
