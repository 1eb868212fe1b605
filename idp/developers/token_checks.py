"""What a token request must satisfy, as far as it can be judged without redeeming anything or comparing a secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp import clock
from idp.oidc import redirect_uris
from idp.oidc.client_auth import read_presented
from idp.oidc.clients import Client
from idp.oidc.device_requests import DEVICE_CODE
from idp.oidc.dpop import read_proof
from idp.oidc.errors import (
    InvalidClient,
    InvalidDpopProof,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from idp.oidc.grants import GRANTS
from idp.oidc.pkce import verifier_fits
from idp.oidc.protocol import REPEATABLE, ProtocolRequest


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request: its form, the query it should not have, and how the client proves itself."""

    form: Mapping[str, str] = field(repr=False)
    repeated: frozenset[str]
    query: str = field(repr=False)
    # One entry a presentation: the methods that it may be.
    methods: tuple[tuple[str, ...], ...]
    client_id: str | None
    proof: str | None = field(default=None, repr=False)


def read_token_request(*, pairs: list[tuple[str, str]], headers: Mapping[str, str], query: str) -> TokenRequest:
    """Return the request as the token endpoint would see it, with every method that it uses."""
    names = [name for name, _ in pairs]
    form = {name: value for name, value in pairs if value}
    request = ProtocolRequest(
        method="POST", path="/token", headers={name.lower(): value for name, value in headers.items()}, form=form
    )
    try:
        presented = read_presented(request)
    except OAuthError:
        # It is there and cannot be read: `check_one_method` says so.
        presented = []
    client_id = presented[-1][1][0] if presented else form.get("client_id")
    repeated = frozenset(name for name in names if names.count(name) > 1 and name not in REPEATABLE)
    return TokenRequest(
        form, repeated, query, tuple(methods for methods, _ in presented), client_id, request.headers.get("dpop")
    )


def check_sent_once(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §3.2: "parameters MUST NOT be included more than once"."""
    if asked.repeated:
        raise InvalidRequest("A parameter was sent more than once.")


def check_body(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §3.2: parameters are sent in the body of a POST; a secret never stands in an address."""
    if asked.query:
        raise InvalidRequest("Parameters belong in the body.")


def check_one_method(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §2.3: the client proves itself by exactly one method in each request."""
    if not asked.methods:
        raise InvalidClient("Client authentication is missing or malformed.")
    if len(asked.methods) > 1:
        raise InvalidRequest("More than one client authentication method was used.")


def check_client(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §5.2: the client must be registered."""
    if client is None:
        raise InvalidClient("No client is registered under this client_id.")


def check_client_is_active(asked: TokenRequest, client: Client | None) -> None:
    """A suspended client gets no tokens."""
    if client is not None and client.is_suspended:
        raise InvalidClient("The client is suspended.")


def check_registered_method(asked: TokenRequest, client: Client | None) -> None:
    """RFC 7591 §2: the method must be the one that is registered as token_endpoint_auth_method."""
    registered = client.token_endpoint_auth_method if client else ""
    if not any(registered in methods for methods in asked.methods):
        used = " and ".join(" or ".join(methods) for methods in asked.methods)
        raise InvalidClient(f"The client is registered for {registered}; this request uses {used or 'none'}.")


def check_dpop_proof(asked: TokenRequest, client: Client | None) -> None:
    """RFC 9449 §4.3: the proof is signed by the key that it carries, for this endpoint, just now; there if demanded."""
    if asked.proof is not None:
        read_proof(asked.proof, ProtocolRequest("POST", "/token", {}), clock.now())
    elif client is not None and client.dpop_bound_access_tokens:
        raise InvalidDpopProof("This client must send a DPoP proof.")


def check_grant_type(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §5.2: the grant type must exist here and be registered for the client."""
    grant_type = asked.form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("grant_type is missing.")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType("This grant_type is not supported.")
    if client is not None and grant_type not in client.grant_types:
        raise UnauthorizedClient("This client may not use this grant_type.")


def check_ticket(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §4.1.3, §6, RFC 8628 §3.4: the code or token is there; it is not looked at here."""
    tickets = {"authorization_code": "code", "refresh_token": "refresh_token", DEVICE_CODE: "device_code"}
    needed = tickets.get(asked.form.get("grant_type", ""))
    if needed and needed not in asked.form:
        raise InvalidRequest(f"{needed} is missing.")


def check_redirect_uri(asked: TokenRequest, client: Client | None) -> None:
    """RFC 6749 §4.1.3: the very redirect_uri of the authorization request, which is a registered one."""
    if asked.form.get("grant_type") != "authorization_code" or client is None:
        return
    sent = asked.form.get("redirect_uri")
    if sent is None or not redirect_uris.matches(client.redirect_uris, sent, kind=client.kind):
        raise InvalidGrant("redirect_uri is missing or not a registered one.")


def check_code_verifier(asked: TokenRequest, client: Client | None) -> None:
    """RFC 7636 §4.5: the code_verifier, 43 to 128 characters, whose S256 hash was the code_challenge."""
    if asked.form.get("grant_type") != "authorization_code" or client is None:
        return
    verifier = asked.form.get("code_verifier")
    if verifier is None:
        if client.must_use_pkce:
            raise InvalidGrant("code_verifier is missing.")
    elif not verifier.isascii() or not verifier_fits(verifier, create_s256_code_challenge(verifier)):
        raise InvalidGrant("code_verifier is not 43 to 128 unreserved characters.")


TOKEN_CHECKS: tuple[Callable[[TokenRequest, Client | None], None], ...] = (
    check_sent_once,
    check_body,
    check_one_method,
    check_client,
    check_client_is_active,
    check_registered_method,
    check_dpop_proof,
    check_grant_type,
    check_ticket,
    check_redirect_uri,
    check_code_verifier,
)
# What can be said of a request whose client nobody knows.
WITHOUT_CLIENT = frozenset({check_sent_once, check_body, check_one_method, check_client})
