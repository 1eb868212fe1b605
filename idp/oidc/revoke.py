"""Revocation (RFC 7009): a client ends a token of its own; anybody else's is left alone without a word."""

from idp import clock
from idp.oidc import events
from idp.oidc.client_auth import authenticate_client
from idp.oidc.errors import InvalidRequest
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse
from idp.oidc.refresh import find_family, revoke_grant
from idp.oidc.tokens import find_access_token, revoke_access_token


def revoke(request: ProtocolRequest) -> ProtocolResponse:
    """End an access token, or a refresh token with everything of its grant."""
    client = authenticate_client(request)
    value = request.form.get("token")
    if value is None:
        raise InvalidRequest("token is missing.")
    access_token = find_access_token(value)
    if access_token is not None:
        if access_token.grant.client_id == client.client_id:
            revoke_access_token(value)
            events.token_revoked(client_id=client.client_id, kind="access")
    elif (found := find_family(value, client_id=client.client_id)) is not None:
        # RFC 7009 §2.1: the access tokens of the same grant go with it.
        revoke_grant(found[0].id, clock.now(), reason="revoked")
        events.token_revoked(client_id=client.client_id, kind="refresh")
    return ProtocolResponse(200, b"", NO_STORE)
