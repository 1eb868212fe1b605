"""What a relying party asked for at `/authorize`: its parameters, read once and turned into values of final types."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import TypeAdapter
from werkzeug.datastructures import Headers

from idp.oidc.authorization_details import parse_details
from idp.oidc.claims import ClaimsRequest, parse_claims_request
from idp.oidc.errors import InvalidRequest, OAuthError
from idp.oidc.hints import Hint, find_hint
from idp.oidc.response_types import parse_response_type

# OIDC Core §3.1.2.1, RFC 7636, RFC 9101; what is not here is ignored, as RFC 6749 §3.1 demands.
PARAMETERS = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
    "code_challenge_method", "prompt", "max_age", "acr_values", "claims", "login_hint", "id_token_hint", "ui_locales",
    "claims_locales", "display", "request", "request_uri", "registration", "dpop_jkt", "authorization_details",
    "resource",
)  # fmt: skip
# Octets; what is longer is refused as a whole.
_LONGEST = {"id_token_hint": 16_384, "claims": 8_192, "authorization_details": 8_192, "request": 65_536}
_LONGEST_OTHER = 4_096
_MOST_PARAMETERS = 100
_MAX_AGE = re.compile(r"[0-9]{1,10}", re.ASCII)
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_HARMLESS_HINT = re.compile(r"[\w.@+-]{1,100}", re.ASCII)
_NIR = re.compile(r"[1-8]\d{4}(?:\d\d|2[AB])\d{6}(?:\d\d)?", re.ASCII | re.IGNORECASE)


class UnreadableRequest(Exception):
    """The parameters are not text of a sane size: nothing in them can be trusted, not even the way back."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


@dataclass(frozen=True)
class Parameters:
    """The parameters as sent: one value each but for `resource`, empty ones left out, those sent twice named only."""

    values: Mapping[str, str]
    repeated: frozenset[str] = frozenset()
    resources: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> str | None:
        return None if name in self.repeated else self.values.get(name)

    def as_query(self) -> str:
        """Return the parameters as a query, so that they can be sent again; a hint that may be a NIR stays out."""
        kept = [(n, v) for n, v in self.values.items() if n != "login_hint" or parse_login_hint(v)]
        return urlencode([*kept, *(("resource", one) for one in self.resources)])


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """One authorization request; every field has its final type."""

    client_id: str
    redirect_uri: str
    response_type: str | None
    response_mode: str | None
    scopes: tuple[str, ...]
    state: str | None
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    prompt: frozenset[str]
    max_age: int | None
    acr_values: tuple[str, ...]
    claims: ClaimsRequest
    id_token_hint: Hint | None
    login_hint: str | None = field(repr=False)
    ui_locales: str | None
    display: str | None
    resources: tuple[str, ...]
    authorization_details: tuple[dict[str, Any], ...]
    dpop_jkt: str | None
    is_signed: bool
    is_pushed: bool
    # The key to use it up by (`once.py`), if it is good for one answer only.
    once: str | None

    def as_payload(self) -> dict[str, Any]:
        """Return the request as plain values, for the sign-in to keep."""
        payload: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return payload


def read_parameters(raw: bytes, known: tuple[str, ...] = PARAMETERS) -> Parameters:
    """Read the ``known`` parameters of a query or a form body; raises `UnreadableRequest`.

    RFC 6749 §3.1: "Parameters sent without a value MUST be treated as if they were omitted", and none may be
    included more than once.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as fault:
        raise UnreadableRequest("not a form in UTF-8") from fault
    values: dict[str, str] = {}
    seen: set[str] = set()
    repeated: set[str] = set()
    resources: list[str] = []
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise UnreadableRequest("NUL in a parameter")
        if name not in known:
            continue
        check_length(name, value)
        if name == "resource":
            resources += [value] if value else []
            continue
        if name in seen:
            repeated.add(name)
        seen.add(name)
        if value:
            values[name] = value
    return Parameters(values, frozenset(repeated), tuple(resources))


def check_length(name: str, value: str) -> None:
    """Raise `UnreadableRequest` for a value that is too long: nothing is ever cut short (AC-110)."""
    if len(value.encode()) > _LONGEST.get(name, _LONGEST_OTHER):
        raise UnreadableRequest(f"{name} is too long")


def is_cross_site(headers: Headers, issuer: str) -> bool:
    """Tell whether another site's page sent this POST: then our `SameSite=Lax` cookies stayed behind."""
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    return site not in {None, "same-origin", "none"} or origin not in {None, issuer}


def parse_request(
    parameters: Parameters,
    *,
    client_id: str,
    redirect_uri: str,
    is_signed: bool = False,
    is_pushed: bool = False,
    once: str | None = None,
) -> AuthorizationRequest:
    """Turn the parameters of a known client into a request; raises `InvalidRequest` where one is malformed."""
    if parameters["registration"] is not None:
        # OIDC Core §7.2.1: a client that describes itself on the fly has not been looked at by anybody.
        raise OAuthError("The registration parameter is not supported.", code="registration_not_supported")
    if parameters.repeated:
        raise InvalidRequest(f"{min(parameters.repeated)} was sent more than once.")
    return AuthorizationRequest(
        client_id=client_id,
        redirect_uri=redirect_uri,
        response_type=parse_response_type(parameters["response_type"]),
        response_mode=parameters["response_mode"],
        scopes=tuple(dict.fromkeys((parameters["scope"] or "").split())),
        state=parameters["state"],
        nonce=parameters["nonce"],
        code_challenge=parameters["code_challenge"],
        code_challenge_method=parameters["code_challenge_method"],
        prompt=frozenset((parameters["prompt"] or "").split()),
        max_age=parse_max_age(parameters["max_age"]),
        acr_values=tuple(dict.fromkeys((parameters["acr_values"] or "").split())),
        claims=parse_claims(parameters["claims"]),
        id_token_hint=parse_id_token_hint(parameters["id_token_hint"], client_id),
        login_hint=parse_login_hint(parameters["login_hint"]),
        ui_locales=parameters["ui_locales"],
        display=parameters["display"],
        resources=tuple(dict.fromkeys(parameters.resources)),
        authorization_details=parse_details(parameters["authorization_details"]),
        dpop_jkt=parse_dpop_jkt(parameters["dpop_jkt"]),
        is_signed=is_signed,
        is_pushed=is_pushed,
        once=once,
    )


def restore_request(payload: dict[str, Any]) -> AuthorizationRequest:
    """Return the request that `AuthorizationRequest.as_payload` wrote."""
    return _ADAPTER.validate_python(payload)


def parse_max_age(text: str | None) -> int | None:
    """Return how old a sign-in may be, in seconds."""
    if text is None:
        return None
    if not _MAX_AGE.fullmatch(text):
        raise InvalidRequest("max_age is not a whole number of seconds.")
    return int(text)


def parse_dpop_jkt(text: str | None) -> str | None:
    """Return the thumbprint of the key that the code is to be bound to (RFC 9449 §10)."""
    if text is not None and not _THUMBPRINT.fullmatch(text):
        raise InvalidRequest("dpop_jkt is not a SHA-256 thumbprint.")
    return text


def parse_claims(text: str | None) -> ClaimsRequest:
    """Return what the `claims` parameter asks for; names that we do not know are left out (AC-119)."""
    if text is None:
        return ClaimsRequest()
    try:
        return parse_claims_request(text)
    except ValueError as fault:
        raise InvalidRequest("claims is not the JSON object of OpenID Connect Core 5.5.", detail=str(fault)) from fault


def parse_id_token_hint(token: str | None, client_id: str) -> Hint | None:
    """Return whom the hint is about."""
    if token is None:
        return None
    hint = find_hint(token)
    if hint is None or client_id not in hint.audience:
        raise InvalidRequest("id_token_hint is not an ID token that was issued to this client.")
    return hint


def parse_login_hint(text: str | None) -> str | None:
    """Return the hint if it is short and harmless; one that looks like a NIR is dropped at the door (R9)."""
    if text is None or not _HARMLESS_HINT.fullmatch(text) or _NIR.search(re.sub(r"[^0-9A-Za-z]", "", text)):
        return None
    return text


_ADAPTER = TypeAdapter(AuthorizationRequest)
