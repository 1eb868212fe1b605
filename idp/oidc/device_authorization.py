"""The device authorization endpoint: a device without a keyboard asks, and is told the code to show (RFC 8628 §3.1)."""

from datetime import datetime

from idp import clock, metrics, ratelimit
from idp.mfa.levels import ACR_VALUES
from idp.oidc import events
from idp.oidc.authorization_details import check_details, parse_details
from idp.oidc.claims import SCOPES
from idp.oidc.client_auth import authenticate_client
from idp.oidc.clients import Client
from idp.oidc.device_requests import DEVICE_CODE, issue_device_request
from idp.oidc.errors import InvalidRequest, InvalidScope, OAuthError, UnauthorizedClient
from idp.oidc.protocol import ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.resources import check_resources
from idp.oidc.user_codes import show_user_code
from idp.ratelimit import Window
from idp.settings import settings

_LONGEST_NONCE = 512


def device_authorization(request: ProtocolRequest) -> ProtocolResponse:
    """Begin to connect a device: answer its device code and the code to show (RFC 8628 §3.2)."""
    client, now = authenticate_client(request), clock.now()
    if DEVICE_CODE not in client.grant_types:
        raise UnauthorizedClient("This client may not use the device authorization grant.")
    scopes = _parse_scope(request.form.get("scope"), client)
    nonce = request.form.get("nonce")
    if nonce is not None and len(nonce) > _LONGEST_NONCE:
        raise InvalidRequest("nonce is too long.")
    details, resources = parse_details(request.form.get("authorization_details")), request.many.get("resource", ())
    check_details(details, client)
    check_resources(resources, client)
    _check_pace(client, request.address, now)
    asked, device_code = issue_device_request(
        client_id=client.client_id,
        scopes=scopes,
        wished_levels=_wished_levels(request.form.get("acr_values"), client),
        nonce=nonce,
        resources=resources,
        authorization_details=details,
        address=request.address,
        now=now,
    )
    metrics.DEVICE.labels("asked").inc()
    events.device_asked(client_id=client.client_id)
    page = f"{settings.issuer}/device"
    return json_response(
        200,
        {
            "device_code": device_code,
            "user_code": show_user_code(asked.user_code),
            "verification_uri": page,
            # §3.3.1: not the user code itself. Whoever has only this link cannot allow the device (docs/adr).
            "verification_uri_complete": f"{page}/{asked.id}",
            "expires_in": int(settings.device.lifetime.total_seconds()),
            "interval": int(settings.device.interval.total_seconds()),
        },
    )


def _parse_scope(text: str | None, client: Client) -> tuple[str, ...]:
    """As at `/authorize`: unknown and unregistered scopes are dropped, and `openid` must be left (P-30)."""
    asked = dict.fromkeys((text or "").split())
    scopes = tuple(scope for scope in asked if scope in SCOPES and scope in client.scopes)
    if "openid" not in scopes:
        raise InvalidScope("The scope must contain openid.")
    return scopes


def _wished_levels(text: str | None, client: Client) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys((text or "").split())) or client.default_acr_values
    return tuple(acr for acr in asked if acr in ACR_VALUES)


def _check_pace(client: Client, address: str, now: datetime) -> None:
    """A public client is anybody: nobody may fill the space of user codes with requests (§5.1)."""
    windows = (Window(settings.device.requests, settings.device.requests_window),)
    if not ratelimit.spend("device-request", f"{client.client_id}:{address}", windows=windows, now=now).allowed:
        metrics.DEVICE.labels("throttled").inc()
        raise OAuthError("Too many devices at once; try again later.", code="temporarily_unavailable", status=429)
