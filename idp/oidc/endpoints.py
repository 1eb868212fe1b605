"""The machine-facing endpoints: one table, how its functions are called, and the Flask that serves it (R21)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from idp import clock, logs, metrics
from idp.oidc.certificates import certificate_header
from idp.oidc.device_authorization import device_authorization
from idp.oidc.discovery import discovery, jwks, published_keys, published_metadata
from idp.oidc.dpop import ALGORITHMS as DPOP_ALGORITHMS
from idp.oidc.dpop import nonce_headers
from idp.oidc.errors import InvalidRequest, OAuthError
from idp.oidc.grants import token
from idp.oidc.in_app import authorize_challenge
from idp.oidc.introspect import introspect
from idp.oidc.json_body import BadJson, read_object
from idp.oidc.jwks_watch import write_when_due
from idp.oidc.par import par
from idp.oidc.protocol import NO_STORE, REPEATABLE, Document, ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.register import configure, register
from idp.oidc.revoke import revoke
from idp.oidc.secret_use import write_secrets_when_due
from idp.oidc.userinfo import userinfo
from idp.settings import settings
from idp.web import client_address, peer_address

blueprint = Blueprint("protocol", __name__)
log = logs.get_logger()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function, the methods it answers, whether scripts of any origin may call it, and what its bodies are."""

    methods: tuple[str, ...]
    function: Callable[[ProtocolRequest], ProtocolResponse]
    for_scripts: bool = False
    challenge: str = ""
    takes: Literal["form", "json"] = "form"
    # The document that ``function`` answers with, for the address that asks, if it is the same for all who ask.
    document: Callable[[str], Document] | None = None


_METADATA = Endpoint(("GET",), discovery, for_scripts=True, document=published_metadata)
ENDPOINTS: Mapping[str, Endpoint] = {
    "/.well-known/openid-configuration": _METADATA,
    "/.well-known/oauth-authorization-server": _METADATA,
    "/jwks.json": Endpoint(("GET",), jwks, for_scripts=True, document=published_keys),
    "/token": Endpoint(("POST",), token, for_scripts=True, challenge="Basic"),
    "/device_authorization": Endpoint(("POST",), device_authorization, challenge="Basic"),
    "/userinfo": Endpoint(("GET", "POST"), userinfo, for_scripts=True, challenge="Bearer"),
    "/par": Endpoint(("POST",), par, for_scripts=True, challenge="Basic"),
    "/authorize-challenge": Endpoint(("POST",), authorize_challenge, challenge="Basic"),
    "/introspect": Endpoint(("POST",), introspect, challenge="Basic"),
    "/revoke": Endpoint(("POST",), revoke, for_scripts=True, challenge="Basic"),
    "/register": Endpoint(("POST",), register, challenge="Bearer", takes="json"),
    "/register/<client_id>": Endpoint(("GET", "PUT", "DELETE"), configure, challenge="Bearer", takes="json"),
}
FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100
FOR_SCRIPTS = {
    # No credentials: cookies never reach a protocol endpoint.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce",
}
_DPOP_CODES = frozenset({"invalid_dpop_proof", "use_dpop_nonce"})


def answer_request(endpoint: Endpoint, path: str, read: Callable[[], ProtocolRequest]) -> ProtocolResponse:
    """Answer one protocol request, whichever way it came in: read it, call its function, or say what is wrong."""
    try:
        answer = endpoint.function(read())
    except OAuthError as refusal:
        metrics.ERRORS.labels(refusal.code or "no_token").inc()
        log.info("protocol-refusal", endpoint=path, error=refusal.code, detail=refusal.detail or refusal.description)
        answer = _refuse(refusal, endpoint)
    now = clock.now()
    write_when_due(now)
    write_secrets_when_due(now)
    if endpoint.for_scripts:
        return ProtocolResponse(answer.status, answer.body, {**answer.headers, **FOR_SCRIPTS})
    return answer


def read_form(raw: bytes) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return each field once; twice is refused but for `REPEATABLE`, empty counts as absent (RFC 6749 §3.2)."""
    if raw.count(b"&") >= _MOST_FIELDS:
        raise InvalidRequest("The body has too many fields.")
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("A parameter is not UTF-8 text.") from None
    form: dict[str, str] = {}
    many: dict[str, tuple[str, ...]] = {}
    for name, value in fields:
        if "\0" in value or "\ufffd" in value or "\0" in name:
            raise InvalidRequest("A parameter is not UTF-8 text.")
        if name in REPEATABLE and value:
            many[name] = (*many.get(name, ()), value)
        elif name in form:
            raise InvalidRequest("A parameter was sent more than once.")
        else:
            form[name] = value
    return {name: value for name, value in form.items() if value}, many


def serve(path: str, **_: str) -> Response:
    """Answer by Flask: what the lane (`lane.py`) leaves, which is everything that is not the plain case."""
    answer = answer_request(ENDPOINTS[path], path, lambda: _read(ENDPOINTS[path]))
    response = Response(answer.body, answer.status, answer.headers)
    if "Content-Type" not in answer.headers:
        # Flask would call nothing at all a page.
        del response.headers["Content-Type"]
    return response


def preflight(path: str, **_: str) -> Response:
    """Tell a browser which cross-origin calls are welcome (Fetch standard)."""
    endpoint = ENDPOINTS[path]
    response = Response(status=204, headers={"Allow": ", ".join((*endpoint.methods, "OPTIONS"))})
    if endpoint.for_scripts:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Allow-Methods"] = ", ".join(endpoint.methods)
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, DPoP"
        response.headers["Access-Control-Max-Age"] = "3600"
    return response


def _read(endpoint: Endpoint) -> ProtocolRequest:
    if len(request.headers.getlist("Authorization")) > 1 or "," in request.headers.get("Authorization", ""):
        raise InvalidRequest("More than one Authorization header.")
    has_body = request.method in {"POST", "PUT"}
    if request.method not in {"GET", "HEAD"} and request.query_string:
        # RFC 6749 §2.3.1, §3.2: parameters, secrets above all, are never in the address (P-81).
        raise InvalidRequest("Parameters belong in the body.")
    headers = {name.lower(): value for name, value in request.headers.items()}
    form, many = read_form(_form_body()) if has_body and endpoint.takes == "form" else ({}, {})
    return ProtocolRequest(
        method=request.method,
        path=request.path,
        headers=headers,
        form=form,
        many=many,
        json=_read_json() if has_body and endpoint.takes == "json" else None,
        address=client_address(),
        client_certificate=certificate_header(headers, peer=peer_address(), mtls=settings.mtls),
    )


def _form_body() -> bytes:
    if request.mimetype != FORM and (request.content_length or 0) > 0:
        raise InvalidRequest(f"The body must be {FORM}.", status=415)
    _refuse_compression()
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        raise InvalidRequest("The body is too large.", status=413) from None


def _read_json() -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise InvalidRequest("The body must be application/json.", status=415)
    _refuse_compression()
    try:
        return read_object(request.get_data())
    except RequestEntityTooLarge:
        raise InvalidRequest("The body is too large.", status=413) from None
    except BadJson as fault:
        raise InvalidRequest(str(fault)) from fault


def _refuse_compression() -> None:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise InvalidRequest("The body must not be compressed.", status=415)


def _refuse(refusal: OAuthError, endpoint: Endpoint) -> ProtocolResponse:
    headers = {**NO_STORE, **(nonce_headers(clock.now()) if refusal.code in _DPOP_CODES else {})}
    is_resource = endpoint.challenge == "Bearer"
    status = 401 if is_resource and refusal.code in _DPOP_CODES else refusal.status
    if status in {401, 403}:
        headers["WWW-Authenticate"] = _challenge(refusal, endpoint.challenge)
    if not refusal.code:
        return ProtocolResponse(status, b"", headers)
    return json_response(status, {"error": refusal.code, "error_description": refusal.description}, headers)


def _challenge(refusal: OAuthError, scheme: str) -> str:
    """RFC 6750 §3, RFC 9449 §7.1: which ways there are to present a token, and what was wrong with the one used."""
    if scheme != "Bearer":
        return f'{scheme} realm="{settings.issuer}"'
    fault = f', error="{refusal.code}", error_description="{refusal.description}"' if refusal.code else ""
    algorithms = " ".join(DPOP_ALGORITHMS)
    of_proof = refusal.code in _DPOP_CODES
    bearer = f'Bearer realm="{settings.issuer}"' + ("" if of_proof else fault)
    proof = f'DPoP algs="{algorithms}"' + (fault if of_proof else "")
    return f"{proof}, {bearer}" if of_proof else f"{bearer}, {proof}"


def _register() -> None:
    # What goes wrong at these addresses is answered as JSON, never as a page.
    blueprint.record_once(lambda setup: setup.app.extensions["sesame"].update(machine_paths=frozenset(ENDPOINTS)))
    for path, endpoint in ENDPOINTS.items():
        name = path.strip("/.").replace("/", "-").replace(".", "-").translate({ord(sign): None for sign in "<>"})
        blueprint.add_url_rule(
            path, name, serve, methods=endpoint.methods, defaults={"path": path}, provide_automatic_options=False
        )
        blueprint.add_url_rule(path, f"{name}-options", preflight, methods=["OPTIONS"], defaults={"path": path})


_register()
