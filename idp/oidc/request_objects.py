"""Request objects (RFC 9101): an authorization request that its client signed; only what is inside counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp import crypto
from idp.oidc.client_keys import check_client_signature
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidRequestObject
from idp.oidc.jose.foreign import BadKeys, BadSignature, take_apart
from idp.oidc.request import PARAMETERS, Parameters, UnreadableRequest, check_length
from idp.settings import settings

# RFC 9101 §10.8: the type says what the token is; older clients say JWT or nothing.
_TYPES = frozenset({"oauth-authz-req+jwt", "jwt", ""})
_LEEWAY = timedelta(seconds=30)
# FAPI 2.0 Message Signing §5.3.1-3: "`nbf` … no longer than 60 minutes in the past", "`exp` … lifetime of no longer
# than 60 minutes after `nbf`"; ours is the shorter life of design §4.
_OLDEST = timedelta(minutes=60)
_LONGEST_LIFE = timedelta(minutes=5)
_LONGEST_JTI = 256


@dataclass(frozen=True)
class SignedRequest:
    """What a client signed, and the key to use it up by, if it has a `jti`."""

    parameters: Parameters
    once: str | None


def read_request_object(token: str, client: Client, now: datetime) -> SignedRequest:
    """Return what ``client`` signed, or raise `InvalidRequestObject`; whether it was used before is not asked here."""
    allowed = client.profile.algorithms
    if client.request_object_signing_alg is not None:
        allowed = (client.request_object_signing_alg,)
    try:
        signed = take_apart(token)
        if str(signed.header.get("typ", "")).lower().removeprefix("application/") not in _TYPES:
            raise BadSignature("of another type")
        check_client_signature(client, signed, algorithms=allowed, now=now)
    except (BadSignature, BadKeys) as fault:
        raise InvalidRequestObject(
            "The request object is malformed or not signed by this client.", detail=str(fault)
        ) from fault
    claims = signed.claims
    _check_maker(claims, client)
    _check_dates(claims, client, now)
    if "request" in claims or "request_uri" in claims:
        # RFC 9101 §4: "MUST NOT" be in a request object.
        raise InvalidRequestObject("A request object must not hold request or request_uri.")
    return SignedRequest(_as_parameters(claims, client), _key_of(claims.get("jti"), client))


def _key_of(jti: Any, client: Client) -> str | None:
    if jti is None:
        return None
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise InvalidRequestObject(f"jti of the request object must be a string of at most {_LONGEST_JTI} characters.")
    return crypto.fingerprint(f"{client.client_id} {jti}")


def _check_maker(claims: Mapping[str, Any], client: Client) -> None:
    """RFC 9101 §10.2 and §6.2: made by the client, for us; FAPI wants both said."""
    strict = client.profile.dated_request_objects
    if claims.get("client_id", client.client_id) != client.client_id:
        raise InvalidRequestObject("client_id in the request object is another one.")
    if claims.get("iss", None if strict else client.client_id) != client.client_id:
        raise InvalidRequestObject("iss of the request object must be the client_id.")
    if claims.get("sub") == client.client_id:
        # RFC 9101 §10.8: that would be a client assertion, and one could be taken for the other.
        raise InvalidRequestObject("A request object must not have the client_id for its sub.")
    audience = claims.get("aud", None if strict else settings.issuer)
    if settings.issuer not in (audience if isinstance(audience, list) else [audience]):
        raise InvalidRequestObject("aud of the request object must be the issuer.")


def _check_dates(claims: Mapping[str, Any], client: Client, now: datetime) -> None:
    moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(not isinstance(one, int | float) or isinstance(one, bool) for one in moments.values()):
        raise InvalidRequestObject("exp, nbf and iat of the request object must be numbers.")
    if client.profile.dated_request_objects and not {"exp", "nbf"} <= moments.keys():
        raise InvalidRequestObject("The request object must have exp and nbf.")
    moment, leeway = now.timestamp(), _LEEWAY.total_seconds()
    end, begin, made = (moments.get(name, moment) for name in ("exp", "nbf", "iat"))
    if "exp" in moments and end <= moment:
        raise InvalidRequestObject("The request object has expired.")
    # Counted from their own clock too, which may be a little ahead of ours.
    if end > max(moment, begin, made) + _LONGEST_LIFE.total_seconds() + leeway:
        raise InvalidRequestObject(f"exp of the request object is more than {_LONGEST_LIFE.seconds} s ahead.")
    if max(begin, made) > moment + leeway:
        raise InvalidRequestObject("The request object is not valid yet.")
    if begin < moment - _OLDEST.total_seconds():
        raise InvalidRequestObject("nbf of the request object is too long ago.")


def _as_parameters(claims: Mapping[str, Any], client: Client) -> Parameters:
    """RFC 9101 §4: "Parameter names and string values MUST be included as JSON strings", the rest as JSON."""
    values: dict[str, str] = {"client_id": client.client_id}
    resources: tuple[str, ...] = ()
    for name in PARAMETERS:
        value = claims.get(name)
        if name == "resource":
            resources = _as_resources(value)
        elif value not in (None, ""):
            values[name] = _as_text(name, value)
    try:
        for name, text in values.items():
            check_length(name, text)
    except UnreadableRequest as fault:
        raise InvalidRequestObject("A value in the request object is too long.", detail=fault.detail) from fault
    return Parameters(values, resources=resources)


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name in {"claims", "authorization_details", "registration"} and isinstance(value, dict | list):
        return json.dumps(value)
    raise InvalidRequestObject(f"{name} in the request object has the wrong type.")


def _as_resources(value: Any) -> tuple[str, ...]:
    listed = [] if value is None else value if isinstance(value, list) else [value]
    if any(not isinstance(one, str) for one in listed):
        raise InvalidRequestObject("resource in the request object must be a string or an array of strings.")
    return tuple(listed)
