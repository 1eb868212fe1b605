"""How a client proves itself: by the one method that it registered, once per request, in constant time."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import unquote_plus

from idp import clock, ratelimit
from idp.oidc import events
from idp.oidc.assertions import HMAC, assertion_proves, read_assertion
from idp.oidc.certificates import Certificate, is_among, is_issued_by, is_registered_subject, read_certificate
from idp.oidc.client_keys import keys_of
from idp.oidc.client_networks import is_allowed_from
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidClient, InvalidRequest
from idp.oidc.jose.foreign import BadKeys
from idp.oidc.jwks_watch import note_client
from idp.oidc.protocol import ProtocolRequest
from idp.oidc.secret_use import note_secret
from idp.ratelimit import Window
from idp.settings import settings

_BY_ASSERTION = frozenset({"client_secret_jwt", "private_key_jwt"})
_PROOFS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
# What a request presents: the client id, and the secret or assertion if there is one.
Presented = tuple[str, str | None]


def authenticate_client(request: ProtocolRequest) -> Client:
    """Return the client that sent ``request``, or raise `InvalidClient` or `InvalidRequest`."""
    used = read_presented(request)
    if len(used) > 1:
        # RFC 6749 §2.3: not more than one method in each request.
        raise InvalidRequest("More than one client authentication method was used.")
    if not used:
        raise InvalidClient("Client authentication is missing.")
    methods, (client_id, secret) = used[0]
    now = clock.now()
    client = find_client(client_id)
    if not _is_proved(client, methods, secret, request, now) or client is None:
        is_elsewhere = client is not None and not is_allowed_from(client, request.address)
        events.client_refused(
            client_id=client.client_id if client else None, reason="network" if is_elsewhere else None
        )
        raise InvalidClient("Client authentication failed.", detail=f"presented as {' or '.join(methods)}")
    if not client.is_public:
        note_client(client.client_id, request.address, now)
    return client


def read_presented(request: ProtocolRequest) -> list[tuple[tuple[str, ...], Presented]]:
    """Return every way in which the request presents a client, with the methods that it may be."""
    found = [(methods, read(request)) for read, methods in _READERS.items()]
    return [(methods, presented) for methods, presented in found if presented is not None]


def find_certificate(request: ProtocolRequest) -> Certificate | None:
    """Return the certificate that the client showed to our proxy, if any."""
    value = request.client_certificate
    return None if value is None else read_certificate(value, settings.mtls.form)


def _is_proved(
    client: Client | None, methods: tuple[str, ...], secret: str | None, request: ProtocolRequest, now: datetime
) -> bool:
    # Counted per client and address: wrong secrets from afar do not lock the client's own network out (AC-129).
    key = f"{client.client_id if client else '-'}:{request.address}"
    if ratelimit.is_spent("client-auth", key, windows=_windows(), now=now):
        return False
    proved = (
        client is not None
        and not client.is_suspended
        and client.token_endpoint_auth_method in methods
        and is_allowed_from(client, request.address)
        and _proves(client, secret, request, now)
    )
    if not proved:
        ratelimit.spend("client-auth", key, windows=_windows(), now=now)
    return proved


def _proves(client: Client, secret: str | None, request: ProtocolRequest, now: datetime) -> bool:
    method = client.token_endpoint_auth_method
    if method in BY_CERTIFICATE:
        certificate = find_certificate(request)
        return certificate is not None and BY_CERTIFICATE[method](certificate, client, now)
    if secret is None:
        return client.is_public
    if method in _BY_ASSERTION:
        return assertion_proves(client, secret, path=request.path, now=now)
    used = client.find_secret(secret, now)
    if used is None:
        return False
    note_secret(used.fingerprint, now)
    return True


def _has_issued_certificate(certificate: Certificate, client: Client, now: datetime) -> bool:
    """RFC 8705 §2.1: issued by an authority that we trust, to the subject that is registered."""
    return is_registered_subject(certificate, client) and is_issued_by(certificate, settings.mtls.authorities, now)


def _has_own_certificate(certificate: Certificate, client: Client, now: datetime) -> bool:
    """RFC 8705 §2.2: self-signed, and among those of the client's JWKS."""
    try:
        keys = keys_of(client, now=now)
    except BadKeys:
        return False
    return is_among(certificate, tuple(key.chain for key in keys), now)


BY_CERTIFICATE: Mapping[str, Callable[[Certificate, Client, datetime], bool]] = {
    "tls_client_auth": _has_issued_certificate,
    "self_signed_tls_client_auth": _has_own_certificate,
}


def _windows() -> tuple[Window, ...]:
    return (Window(settings.throttle.client_failures, settings.throttle.client_window),)


def _basic(request: ProtocolRequest) -> Presented | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except ValueError as fault:
        # Neither base64 nor UTF-8, or letters outside ASCII in the header itself.
        raise InvalidClient("The Authorization header is malformed.") from fault
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise InvalidClient("The Authorization header is malformed.")
    # RFC 6749 §2.3.1: both halves are form-encoded first.
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if request.form.get("client_id", client_id) != client_id:
        raise InvalidRequest("client_id differs from the Authorization header.")
    return client_id, secret


def _post(request: ProtocolRequest) -> Presented | None:
    secret = request.form.get("client_secret")
    if secret is None:
        return None
    client_id = request.form.get("client_id")
    if client_id is None:
        raise InvalidRequest("client_id is missing.")
    return client_id, secret


def _secret_jwt(request: ProtocolRequest) -> Presented | None:
    found = read_assertion(request)
    return found[:2] if found is not None and found[2] == HMAC else None


def _private_key_jwt(request: ProtocolRequest) -> Presented | None:
    found = read_assertion(request)
    return found[:2] if found is not None and found[2] != HMAC else None


def _bare(request: ProtocolRequest) -> Presented | None:
    """Nothing but a name: a public client, or one whose certificate speaks for it."""
    client_id = request.form.get("client_id")
    has_other = not request.form.keys().isdisjoint(_PROOFS) or "authorization" in request.headers
    return None if client_id is None or has_other else (client_id, None)


CLIENT_AUTH: Mapping[str, Callable[[ProtocolRequest], Presented | None]] = {
    "client_secret_basic": _basic,
    "client_secret_post": _post,
    "client_secret_jwt": _secret_jwt,
    "private_key_jwt": _private_key_jwt,
    "tls_client_auth": _bare,
    "self_signed_tls_client_auth": _bare,
    "none": _bare,
}
_READERS = {
    read: tuple(method for method, its_read in CLIENT_AUTH.items() if its_read is read)
    for read in dict.fromkeys(CLIENT_AUTH.values())
}


def offered_methods() -> tuple[str, ...]:
    """Return the methods that work here: certificates need a proxy that hands them on."""
    mtls = settings.mtls
    offered = {
        "tls_client_auth": bool(mtls.header and mtls.authorities),
        "self_signed_tls_client_auth": bool(mtls.header),
    }
    return tuple(method for method in CLIENT_AUTH if offered.get(method, True))
