"""The PAR endpoint (RFC 9126): a client pushes its authorization request, which is checked as at `/authorize`."""

from idp import clock, metrics
from idp.oidc import dpop, events, redirect_uris
from idp.oidc.checks import check_request
from idp.oidc.client_auth import authenticate_client
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidDpopProof, InvalidRequest, InvalidRequestObject, OAuthError, UnauthorizedClient
from idp.oidc.once import use_up
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.pushed import push
from idp.oidc.request import PARAMETERS, Parameters, UnreadableRequest, check_length, parse_login_hint, parse_request
from idp.oidc.request_objects import SignedRequest, read_request_object
from idp.settings import settings
from idp.state import state


def par(request: ProtocolRequest) -> ProtocolResponse:
    """Keep an authorization request and return the `request_uri` by which the browser names it (§2)."""
    now = clock.now()
    client = authenticate_client(request)
    check_push_rate(request, client)
    if "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("The client may not use the authorization code grant.")
    try:
        signed = read_request_object(request.form["request"], client, now) if "request" in request.form else None
        is_signed = signed is not None
        parameters = bind_to_key(read_request(request, client, signed), dpop.find_proof(request, now))
        _check(parameters, client, is_signed=is_signed)
        if signed is not None and signed.once is not None and not use_up(signed.once, now):
            raise InvalidRequestObject("The request object was used before.")
    except OAuthError as refusal:
        metrics.AUTHORIZE.labels(refusal.code).inc()
        events.pushed_request_refused(client_id=client.client_id, reason=refusal.code)
        raise
    request_uri = push(parameters, client_id=client.client_id, is_signed=is_signed)
    metrics.AUTHORIZE.labels("pushed").inc()
    lifetime = int(settings.lifetimes.pushed_request.total_seconds())
    return json_response(
        201, {"request_uri": request_uri, "expires_in": lifetime}, {**NO_STORE, **dpop.nonce_headers(now)}
    )


def check_push_rate(request: ProtocolRequest, client: Client) -> None:
    """What anybody can push in a public client's name must not fill the store (AC-208); a carrier's address is busy."""
    if not client.is_public:
        return
    throttle = settings.throttle
    if (
        state.bump("pushed", f"{client.client_id}:{request.address}", ttl=throttle.client_window)
        > throttle.pushed_requests
    ):
        raise OAuthError("Too many requests were pushed from here.", code="temporarily_unavailable", status=429)


def read_request(request: ProtocolRequest, client: Client, signed: SignedRequest | None) -> Parameters:
    """Return the parameters; where some are signed, only they count (RFC 9126 §3)."""
    form = request.form
    if "request_uri" in form:
        raise InvalidRequest("request_uri must not be pushed.")
    if signed is not None:
        return without_nir(signed.parameters)
    values = {name: form[name] for name in PARAMETERS if name in form and name not in {"request", "resource"}}
    try:
        for name, value in values.items():
            check_length(name, value)
    except UnreadableRequest as fault:
        raise InvalidRequest("A parameter is too long.", detail=fault.detail) from fault
    parameters = Parameters({**values, "client_id": client.client_id}, resources=request.many.get("resource", ()))
    return without_nir(parameters)


def without_nir(parameters: Parameters) -> Parameters:
    """A hint that may be a NIR is not even kept for a minute (R9)."""
    if parse_login_hint(parameters["login_hint"]) is not None:
        return parameters
    kept = {name: value for name, value in parameters.values.items() if name != "login_hint"}
    return Parameters(kept, resources=parameters.resources)


def bind_to_key(parameters: Parameters, jkt: str | None) -> Parameters:
    """RFC 9449 §10.1: a proof here binds the code to its key, and must not contradict `dpop_jkt`."""
    if jkt is None:
        return parameters
    if parameters.values.get("dpop_jkt", jkt) != jkt:
        raise InvalidDpopProof("dpop_jkt is not the key of the DPoP proof.")
    return Parameters({**parameters.values, "dpop_jkt": jkt}, resources=parameters.resources)


def _check(parameters: Parameters, client: Client, *, is_signed: bool) -> None:
    """RFC 9126 §2.1: "validates the request in the same way as at the authorization endpoint"."""
    redirect_uri = parameters["redirect_uri"]
    if redirect_uri is None:
        raise InvalidRequest("redirect_uri is missing.")
    if not redirect_uris.matches(client.redirect_uris, redirect_uri, kind=client.kind):
        raise InvalidRequest("redirect_uri is not registered for this client.")
    asked = parse_request(
        parameters, client_id=client.client_id, redirect_uri=redirect_uri, is_signed=is_signed, is_pushed=True
    )
    check_request(asked, client)
