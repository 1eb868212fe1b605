"""Client assertions: a short-lived token that a client signs about itself (RFC 7523 §3, OpenID Connect Core §9)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp import crypto
from idp.oidc.client_keys import check_client_signature
from idp.oidc.clients import SECRET_CONTEXT, Client
from idp.oidc.errors import InvalidClient, InvalidRequest
from idp.oidc.jose.foreign import BadSignature, Signed, check_hmac, take_apart
from idp.oidc.protocol import ProtocolRequest
from idp.oidc.secret_use import note_secret
from idp.settings import settings
from idp.state import Space, state

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HMAC = "HS256"
# A request object or a DPoP proof of the same client is no assertion (RFC 8725 §3.11).
_TYPES = frozenset({"client-authentication+jwt", "jwt", ""})
_FURTHEST_END = timedelta(minutes=5)
# FAPI 2.0 §5.3.2.1-13: up to 10 s ahead is a clock that is off, more than 60 s is not.
_LEEWAY = timedelta(seconds=30)
_LONGEST_JTI = 256


@dataclass(frozen=True)
class UsedAssertion:
    """An assertion that was accepted, remembered as long as it could come again."""

    at: datetime


USED_ASSERTIONS = Space("client-assertion", UsedAssertion)


def read_assertion(request: ProtocolRequest) -> tuple[str, str, str] | None:
    """Return client id, assertion and its algorithm, none of them proved; ``None`` when there is no assertion."""
    assertion, kind = request.form.get("client_assertion"), request.form.get("client_assertion_type")
    if assertion is None and kind is None:
        return None
    if assertion is None or kind != TYPE:
        raise InvalidRequest(f"client_assertion and client_assertion_type={TYPE} go together.")
    try:
        signed = take_apart(assertion)
    except BadSignature as fault:
        raise InvalidClient("The client assertion is malformed.", detail=str(fault)) from fault
    client_id = signed.claims.get("sub")
    if not isinstance(client_id, str) or not client_id:
        raise InvalidClient("The client assertion has no sub.")
    if request.form.get("client_id", client_id) != client_id:
        raise InvalidRequest("client_id differs from the client assertion.")
    return client_id, assertion, str(signed.header.get("alg"))


def assertion_proves(client: Client, assertion: str, *, path: str, now: datetime) -> bool:
    """Tell whether the assertion was made by ``client``, for us, for now, and never came before; uses it up."""
    try:
        signed = take_apart(assertion)
        if str(signed.header.get("typ", "")).lower().removeprefix("application/") not in _TYPES:
            return False
        _check_maker(client, signed, now)
    except BadSignature:
        return False
    claims = signed.claims
    return (
        claims.get("iss") == claims.get("sub") == client.client_id
        and _is_for_us(claims.get("aud"), client, path)
        and _is_of_now(claims, now)
        and _is_new(client, claims.get("jti"), now)
    )


def _check_maker(client: Client, signed: Signed, now: datetime) -> None:
    if client.token_endpoint_auth_method == "client_secret_jwt":  # noqa: S105 - a method's name
        living = {
            one.fingerprint: crypto.unseal(one.sealed, context=SECRET_CONTEXT)
            for one in client.living_secrets(now)
            if one.sealed is not None
        }
        note_secret(check_hmac(signed, living), now)
        return
    allowed = client.profile.algorithms
    if client.token_endpoint_auth_signing_alg is not None:
        allowed = (client.token_endpoint_auth_signing_alg,)
    check_client_signature(client, signed, algorithms=allowed, now=now)


def _is_for_us(audience: Any, client: Client, path: str) -> bool:
    if client.profile.issuer_audience:
        return bool(audience == settings.issuer)
    bases = [settings.issuer, *([settings.mtls.issuer] if settings.mtls.issuer else [])]
    ours = {settings.issuer, *(base + place for base in bases for place in ("/token", path))}
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(one, str) and one in ours for one in named)


def _is_of_now(claims: Any, now: datetime) -> bool:
    moment = now.timestamp()
    end, made, begin = claims.get("exp"), claims.get("iat", moment), claims.get("nbf", moment)
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in (end, made, begin)):
        return False
    leeway = _LEEWAY.total_seconds()
    furthest = moment + _FURTHEST_END.total_seconds() + leeway
    return bool(moment < end <= furthest and max(made, begin) <= moment + leeway)


def _is_new(client: Client, jti: Any, now: datetime) -> bool:
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        return False
    key = crypto.fingerprint(f"{client.client_id} {jti}")
    return state.add(USED_ASSERTIONS, key, UsedAssertion(now), ttl=_FURTHEST_END + 2 * _LEEWAY)
