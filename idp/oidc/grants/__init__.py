"""What can be exchanged at the token endpoint: one table, one file a grant."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from idp import clock, figures, metrics
from idp.oidc.client_auth import authenticate_client
from idp.oidc.clients import Client
from idp.oidc.device_requests import DEVICE_CODE
from idp.oidc.dpop import nonce_headers
from idp.oidc.errors import InvalidRequest, OAuthError, UnauthorizedClient, UnsupportedGrantType
from idp.oidc.grants.asked import TokenRequest
from idp.oidc.grants.authorization_code import exchange_code
from idp.oidc.grants.client_credentials import grant_machine
from idp.oidc.grants.device_code import exchange_device_code
from idp.oidc.grants.refresh_token import refresh
from idp.oidc.grants.token_exchange import exchange_token
from idp.oidc.possession import find_confirmation
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse, json_response
from idp.settings import settings

GRANTS: Mapping[str, Callable[[TokenRequest], dict[str, Any]]] = {
    "authorization_code": exchange_code,
    "refresh_token": refresh,
    "client_credentials": grant_machine,
    DEVICE_CODE: exchange_device_code,
    "urn:ietf:params:oauth:grant-type:token-exchange": exchange_token,
}


# What a client does right and is refused all the same.
_NO_ERRORS = frozenset({"authorization_pending", "slow_down", "use_dpop_nonce"})


def grant_types() -> tuple[str, ...]:
    """Return what a client may be registered for; the implicit grant exists for certification only (R14)."""
    return (*GRANTS, "implicit") if settings.certification.hybrid_and_implicit else tuple(GRANTS)


def token(request: ProtocolRequest) -> ProtocolResponse:
    """Exchange a grant for tokens (RFC 6749 §3.2)."""
    grant_type = request.form.get("grant_type")
    label = grant_type if grant_type in GRANTS else "other"
    now = clock.now()
    client: Client | None = None
    try:
        client = authenticate_client(request)
        grant = _get_grant(grant_type, client)
        bound_to = find_confirmation(request, client, now)
        many = request.many
        answer = grant(
            TokenRequest(client, request.form, now, bound_to, many.get("resource", ()), many.get("audience", ()))
        )
    except OAuthError as refusal:
        metrics.TOKEN.labels(label, "refused", refusal.code).inc()
        if client is not None and refusal.code not in _NO_ERRORS:
            figures.count_client_error(client.client_id, refusal.code)
        raise
    _issued(label).inc()
    figures.count_client_grant(client.client_id, label or "other")
    return json_response(200, answer, {**NO_STORE, **nonce_headers(now)})


@lru_cache(maxsize=len(GRANTS) + 1)
def _issued(label: str | None) -> Any:
    return metrics.TOKEN.labels(label, "ok", "")


def _get_grant(grant_type: str | None, client: Client) -> Callable[[TokenRequest], dict[str, Any]]:
    if grant_type is None:
        raise InvalidRequest("grant_type is missing.")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType("This grant_type is not supported.")
    if grant_type not in client.grant_types:
        raise UnauthorizedClient("This client may not use this grant_type.")
    return GRANTS[grant_type]
