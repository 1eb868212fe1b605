"""What an authorization request must satisfy, as two lists: before its redirect URI is trusted, and after.

A fault found before is shown to the visitor and never redirected (RFC 9700 §4.11.2); one found after is told to the
relying party at its redirect URI.
"""

import re
from collections.abc import Callable

from idp.i18n import current_locale
from idp.mfa.levels import ACR_VALUES
from idp.oidc import redirect_uris
from idp.oidc.authorization_details import check_details
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidRequest, InvalidScope, OAuthError, UnauthorizedClient
from idp.oidc.request import AuthorizationRequest, Parameters
from idp.oidc.resources import check_resources
from idp.oidc.response_modes import is_allowed_mode
from idp.oidc.response_types import response_types
from idp.web import PageError

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
CODE_CHALLENGE_METHODS = ("S256",)
_S256 = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def get_client(parameters: Parameters) -> Client:
    """Return the client, known and active, or raise `PageError` (U21)."""
    client_id = parameters["client_id"]
    client = find_client(client_id) if client_id else None
    for check in CLIENT_CHECKS:
        check(parameters, client)
    if client is None:
        raise bad_link("incomplete", "no client")
    return client


def get_redirect_uri(parameters: Parameters, client: Client) -> str:
    """Return the redirect URI, known to be the client's, or raise `PageError` (U21)."""
    for check in REDIRECT_CHECKS:
        check(parameters, client)
    redirect_uri = parameters["redirect_uri"]
    if redirect_uri is None:
        raise bad_link("incomplete", "no redirect URI")
    return redirect_uri


def check_request(request: AuthorizationRequest, client: Client) -> None:
    """Raise the first fault of a request that may be answered at its redirect URI."""
    for check in CHECKS:
        check(request, client)


def bad_link(code: str, detail: str) -> PageError:
    """Return the page for a request that leads nowhere safe (U21a)."""
    return PageError("bad_link", 400, detail, code=code)


# -- before the redirect URI is trusted ----------------------------------------------------------------------------


def check_sent_once(parameters: Parameters, client: Client | None) -> None:
    """RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once" (AC-105)."""
    twice = parameters.repeated & {"client_id", "redirect_uri"}
    if twice:
        raise bad_link("repeated", f"{', '.join(sorted(twice))} sent more than once")


def check_client(parameters: Parameters, client: Client | None) -> None:
    """RFC 9700 §4.11.2: with an unknown client there is nowhere to redirect to (AC-91)."""
    if client is None:
        raise bad_link("client", "unknown client")


def check_client_is_active(parameters: Parameters, client: Client | None) -> None:
    """A suspended client gets no visitor and no answer (U21f)."""
    if client is not None and client.is_suspended:
        raise PageError(
            "suspended", 403, f"client {client.client_id} is suspended", service=client.name_in(current_locale())
        )


def check_redirect_uri(parameters: Parameters, client: Client | None) -> None:
    """RFC 9700 §2.1: "exact string matching"; only the port of a loopback address may vary, for apps (AC-92..97)."""
    asked = parameters["redirect_uri"]
    if asked is None:
        raise bad_link("redirect-missing", "no redirect_uri")
    if client is not None and not redirect_uris.matches(client.redirect_uris, asked, kind=client.kind):
        raise bad_link("redirect", f"redirect_uri is not registered for client {client.client_id}")


CLIENT_CHECKS: tuple[Callable[[Parameters, Client | None], None], ...] = (
    check_sent_once,
    check_client,
    check_client_is_active,
)
REDIRECT_CHECKS: tuple[Callable[[Parameters, Client | None], None], ...] = (check_redirect_uri,)
BEFORE_TRUST = (*CLIENT_CHECKS, *REDIRECT_CHECKS)


# -- after ---------------------------------------------------------------------------------------------------------


def check_pushed(request: AuthorizationRequest, client: Client) -> None:
    """RFC 9126 §6: a client that must push its requests sends none through the browser (P-73)."""
    if client.must_push and not request.is_pushed:
        raise InvalidRequest("This client must push its authorization requests to the PAR endpoint.")


def check_signed(request: AuthorizationRequest, client: Client) -> None:
    """RFC 9101 §10.5: a client registered for signed request objects sends nothing else."""
    if client.require_signed_request_object and not request.is_signed:
        raise InvalidRequest("This client must send a signed request object.")


def check_grant(request: AuthorizationRequest, client: Client) -> None:
    """RFC 6749 §4.1.2.1: the client must be registered for this way of getting tokens (AC-100)."""
    words = request.response_type.split() if request.response_type in response_types() else []
    if "code" in words and "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("The client may not use the authorization code grant.")
    if set(words) & {"token", "id_token"} and "implicit" not in client.grant_types:
        raise UnauthorizedClient("The client may not use the implicit grant.")
    if "token" in words and client.must_bind:
        # There is no proof of possession here: the token would be good for whoever finds it (P-10).
        raise UnauthorizedClient("Access tokens of this client are bound to a key; it gets them with a code.")


def check_response_type(request: AuthorizationRequest, client: Client) -> None:
    """RFC 9700 §2.1.2: tokens never travel through the browser (AC-98, P-09)."""
    if request.response_type is None:
        raise InvalidRequest("response_type is missing.")
    if request.response_type not in response_types() or request.response_type not in client.response_types:
        raise OAuthError("This response_type is not supported for this client.", code="unsupported_response_type")


def check_response_mode(request: AuthorizationRequest, client: Client) -> None:
    """OAuth 2.0 Multiple Response Types §2.1, and only what is allowed to this client (AC-99)."""
    mode = request.response_mode
    if mode is not None and not is_allowed_mode(mode, client, request.response_type):
        raise InvalidRequest("The response_mode is not supported for this client.")


def check_scope(request: AuthorizationRequest, client: Client) -> None:
    """RFC 6749 §3.3: scopes that the client may not have are ignored; something must be left (AC-115, P-30)."""
    if "openid" not in request.scopes or "openid" not in client.scopes:
        raise InvalidScope("The scope must contain openid.")


def check_pkce(request: AuthorizationRequest, client: Client) -> None:
    """RFC 7636 §4.3 with S256 only; RFC 9700 §2.1.1: public clients MUST use PKCE (AC-101, AC-102, AC-104)."""
    challenge, method = request.code_challenge, request.code_challenge_method
    if "code" not in (request.response_type or "").split():
        return
    if challenge is None:
        if client.must_use_pkce:
            raise InvalidRequest("code_challenge is required.")
        if method is not None:
            raise InvalidRequest("code_challenge_method was sent without code_challenge.")
        return
    # RFC 7636 §4.3: an absent method means plain, which shows the verifier to whoever reads the request.
    if method not in CODE_CHALLENGE_METHODS:
        raise InvalidRequest("code_challenge_method must be S256.")
    if not _S256.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be 43 characters of base64url.")


def check_nonce(request: AuthorizationRequest, client: Client) -> None:
    """OIDC Core §3.2.2.1, §3.3.2.11: "nonce REQUIRED" where an ID token comes through the browser."""
    if request.nonce is None and "id_token" in (request.response_type or "").split():
        raise InvalidRequest("nonce is required for this response_type.")


def check_prompt(request: AuthorizationRequest, client: Client) -> None:
    """OIDC Core §3.1.2.1: none "with any other value" is an error (AC-116, P-32)."""
    if request.prompt - PROMPTS:
        raise InvalidRequest("prompt has an unknown value.")
    if "none" in request.prompt and len(request.prompt) > 1:
        raise InvalidRequest("prompt=none cannot be combined.")


def check_subject(request: AuthorizationRequest, client: Client) -> None:
    """OIDC Core §5.5.1: a hint and a demanded sub must speak of one person."""
    hint = request.id_token_hint
    if hint is not None and request.claims.sub is not None and request.claims.sub != hint.sub:
        raise InvalidRequest("id_token_hint and the demanded sub differ.")


def check_acr(request: AuthorizationRequest, client: Client) -> None:
    """OIDC Core §5.5.1.1: an essential acr that we cannot reach is a failed authentication, said at once (R5)."""
    wanted = request.claims.essential_acr
    if wanted and not set(wanted) & set(ACR_VALUES):
        raise OAuthError("None of the demanded acr values is offered.", code="unmet_authentication_requirements")


def check_resource(request: AuthorizationRequest, client: Client) -> None:
    """RFC 8707 §2: only APIs that are registered for the client (P-12)."""
    check_resources(request.resources, client)


def check_authorization_details(request: AuthorizationRequest, client: Client) -> None:
    """RFC 9396 §5: only types that are registered for the client, with the fields that they have."""
    check_details(request.authorization_details, client)


CHECKS: tuple[Callable[[AuthorizationRequest, Client], None], ...] = (
    check_pushed,
    check_signed,
    check_response_type,
    check_grant,
    check_response_mode,
    check_scope,
    check_pkce,
    check_nonce,
    check_prompt,
    check_subject,
    check_acr,
    check_resource,
    check_authorization_details,
)
