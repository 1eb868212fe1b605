"""The registration endpoint (RFC 7591) and each client's own configuration endpoint (RFC 7592).

Nobody registers anything without an initial access token that an administrator made (OWASP ASVS 10.4.7).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from idp import clock, entropy, metrics, ratelimit
from idp.db import db
from idp.oidc import client_events
from idp.oidc.dynamic_registration import metadata_of, told
from idp.oidc.errors import InvalidClientMetadata, InvalidRequest, InvalidToken, OAuthError
from idp.oidc.initial_access import InitialAccessToken, find_initial_token, spend_initial_token
from idp.oidc.logos import Logo, LogoFault, fetch_logo, find_logo
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.registration import SECRETLESS, MetadataFault
from idp.oidc.sectors import check_sector
from idp.oidc.self_registrations import (
    Registered,
    add_self_registered,
    change_self_registered,
    delete_self_registered,
    find_self_registered,
)
from idp.oidc.wire_metadata import tell_wire
from idp.ratelimit import Window
from idp.settings import settings

PATH = "/register"
# What an update sends back of our own answer, for us to compare; RFC 7592 §2.2 forbids clients to change them.
_OURS = ("registration_client_uri", "client_id_issued_at", "client_secret_expires_at")


def register(request: ProtocolRequest) -> ProtocolResponse:
    """Register a client, for the bearer of an initial access token (RFC 7591 §3)."""
    return _counted("register", request, _register)


def configure(request: ProtocolRequest) -> ProtocolResponse:
    """Read, replace or delete a registration, for the bearer of its registration access token (RFC 7592 §2)."""
    return _counted(_act(request)[0], request, _configure)


def _counted(
    act: str, request: ProtocolRequest, answer: Callable[[ProtocolRequest, datetime], ProtocolResponse]
) -> ProtocolResponse:
    if not settings.registration.enabled:
        raise InvalidRequest("", code="", status=404)
    now = clock.now()
    window = Window(settings.registration.requests, settings.registration.window)
    try:
        if not ratelimit.spend("register", request.address, windows=(window,), now=now).allowed:
            raise OAuthError("Too many requests; try again later.", code="temporarily_unavailable", status=429)
        response = answer(request, now)
    except OAuthError as refusal:
        metrics.REGISTRATION.labels(act, refusal.code or "no_token").inc()
        raise
    metrics.REGISTRATION.labels(act, "ok").inc()
    return response


def _register(request: ProtocolRequest, now: datetime) -> ProtocolResponse:
    token = find_initial_token(_bearer(request), now)
    if token is None:
        raise _bad_token("initial access token", None)
    client_id, token_id = entropy.identifier(), token.id
    metadata, logo = _judge(request.json, client_id, token, None)
    # Only what can stand uses the token up; in one transaction with the client, so that no use is lost or doubled.
    if not spend_initial_token(token_id, now):
        raise _bad_token("initial access token", None)
    try:
        secret, value = add_self_registered(metadata, logo, token_id=token_id, now=now)
    except MetadataFault as fault:
        raise InvalidClientMetadata(told(str(fault))) from fault
    db.session.commit()
    return json_response(201, _information(client_id, metadata, now, value, secret))


def _configure(request: ProtocolRequest, now: datetime) -> ProtocolResponse:
    client_id, value = request.path.removeprefix(f"{PATH}/"), _bearer(request)
    known = find_self_registered(client_id, value)
    if known is None:
        # The same for a client that is unknown, deleted, suspended, or another's (AC-197).
        raise _bad_token("registration access token", client_id)
    return _act(request)[1](request, known, value, now)


def _bearer(request: ProtocolRequest) -> str:
    """Return the token of the header, the only place for it here (RFC 6750 §2.1)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        # RFC 6750 §3.1: no error code for a request without any authentication.
        raise InvalidToken("", code="")
    return value.strip()


def _bad_token(kind: str, client_id: str | None) -> InvalidToken:
    client_events.registration_refused(client_id=client_id, reason=kind)
    return InvalidToken(f"The {kind} is unknown, used up, expired or revoked.")


def _show(_request: ProtocolRequest, known: Registered, value: str, _now: datetime) -> ProtocolResponse:
    return json_response(200, _information(known.client.client_id, known.metadata, known.issued_at, value, None))


def _replace(request: ProtocolRequest, known: Registered, value: str, now: datetime) -> ProtocolResponse:
    """Replace everything: what is not sent is taken back (RFC 7592 §2.2)."""
    document, client = dict(request.json or {}), known.client
    if document.pop("client_id", None) != client.client_id:
        raise InvalidClientMetadata("client_id: must be sent, and be the client's own")
    secret = document.pop("client_secret", None)
    if secret is not None and not (isinstance(secret, str) and client.has_secret(secret, now)):
        # "The client MUST NOT be allowed to overwrite its existing client secret with its own chosen value."
        raise InvalidClientMetadata("client_secret: is not the client's; it cannot be chosen")
    ours = _information(client.client_id, known.metadata, known.issued_at, value, None)
    for name in ("registration_access_token", *_OURS):
        if document.pop(name, None) not in (None, ours.get(name, 0)):
            raise InvalidClientMetadata(f"{name}: cannot be changed")
    metadata, logo = _judge(document, client.client_id, known.token, known)
    secret = change_self_registered(client, metadata, logo, now=now)
    db.session.commit()
    return json_response(200, _information(client.client_id, metadata, known.issued_at, value, secret))


def _delete(_request: ProtocolRequest, known: Registered, _value: str, now: datetime) -> ProtocolResponse:
    delete_self_registered(known.client.client_id, now)
    return ProtocolResponse(204, b"", NO_STORE)


_Act = Callable[[ProtocolRequest, Registered, str, datetime], ProtocolResponse]
_ACTS: Mapping[str, tuple[str, _Act]] = {
    "GET": ("read", _show),
    "PUT": ("update", _replace),
    "DELETE": ("delete", _delete),
}


def _act(request: ProtocolRequest) -> tuple[str, _Act]:
    return _ACTS["GET" if request.method == "HEAD" else request.method]


def _judge(
    document: Mapping[str, Any] | None, client_id: str, token: InitialAccessToken, known: Registered | None
) -> tuple[dict[str, Any], Logo | None]:
    """Return the metadata to keep, and the logo; what they point to is fetched last, when all else can stand."""
    limits, registrant = token.allowed, token.id
    metadata, sector = metadata_of(document or {}, client_id=client_id, limits=limits, registrant=registrant)
    if sector:
        check_sector(sector, metadata["redirect_uris"])
    logo = _logo(metadata.get("logo_uri"), known)
    metadata["logo_digest"] = logo.digest if logo else None
    return metadata, logo


def _logo(uri: str | None, known: Registered | None) -> Logo | None:
    if uri is None:
        return None
    if known is not None and known.client.logo_uri == uri and (kept := find_logo(known.client.client_id)):
        return kept
    try:
        return fetch_logo(uri)
    except LogoFault as fault:
        raise InvalidClientMetadata(f"logo_uri: {fault}") from fault


def _information(
    client_id: str, metadata: Mapping[str, Any], issued_at: datetime, value: str, secret: str | None
) -> dict[str, Any]:
    """Return what RFC 7591 §3.2.1 and RFC 7592 §3 tell; a secret once, when it is made (AC-198)."""
    information = {
        "client_id": client_id,
        "client_id_issued_at": int(issued_at.timestamp()),
        "registration_client_uri": f"{settings.issuer}{PATH}/{client_id}",
        "registration_access_token": value,
        **tell_wire(metadata),
    }
    if secret is not None:
        information["client_secret"] = secret
    if metadata["token_endpoint_auth_method"] not in SECRETLESS:
        information["client_secret_expires_at"] = 0
    return information
