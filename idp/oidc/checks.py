"""What an authorization request must satisfy, as two lists: before its redirect URI is trusted, and after.

A fault found before is shown to the visitor and never redirected (RFC 9700 §4.11.2); one found after is told to the
relying party at its redirect URI.
"""

import re
from collections.abc import Callable

from idp.i18n import current_locale
from idp.mfa.levels import ACR_VALUES
from idp.oidc import redirect_uris
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidRequest, InvalidScope, OAuthError, UnauthorizedClient
from idp.oidc.request import AuthorizationRequest, Parameters
from idp.oidc.response_modes import RESPONSE_MODES
from idp.web import PageError

RESPONSE_TYPES = ("code",)
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
CODE_CHALLENGE_METHODS = ("S256",)
_S256 = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def get_caller(parameters: Parameters) -> tuple[Client, str]:
    """Return the client and its redirect URI, both known to be good, or raise `PageError` (U21)."""
    client_id, redirect_uri = parameters["client_id"], parameters["redirect_uri"]
    client = find_client(client_id) if client_id else None
    for check in BEFORE_TRUST:
        check(parameters, client)
    if client is None or redirect_uri is None:
        raise bad_link("incomplete", "no client or no redirect URI")
    return client, redirect_uri


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


BEFORE_TRUST: tuple[Callable[[Parameters, Client | None], None], ...] = (
    check_sent_once,
    check_client,
    check_client_is_active,
    check_redirect_uri,
)


# -- after ---------------------------------------------------------------------------------------------------------


def check_request_object(request: AuthorizationRequest, client: Client) -> None:
    """OIDC Core §6: an OP that does not support request objects says so; ignoring one would change its meaning."""
    if request.request_object:
        raise OAuthError("Request objects are not supported.", code="request_not_supported")


def check_request_uri(request: AuthorizationRequest, client: Client) -> None:
    """OIDC Core §6.2; nothing is ever fetched from an address that a stranger gives us (AC-107)."""
    if request.request_uri:
        raise OAuthError("Request URIs are not supported.", code="request_uri_not_supported")


def check_grant(request: AuthorizationRequest, client: Client) -> None:
    """RFC 6749 §4.1.2.1: the client must be registered for this way of getting tokens (AC-100)."""
    if "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("The client may not use the authorization code grant.")


def check_response_type(request: AuthorizationRequest, client: Client) -> None:
    """RFC 9700 §2.1.2: tokens never travel through the browser (AC-98, P-09)."""
    if request.response_type is None:
        raise InvalidRequest("response_type is missing.")
    if request.response_type not in RESPONSE_TYPES or request.response_type not in client.response_types:
        raise OAuthError("Only response_type=code is supported.", code="unsupported_response_type")


def check_response_mode(request: AuthorizationRequest, client: Client) -> None:
    """OAuth 2.0 Multiple Response Types §2.1, and only what is allowed to this client (AC-99)."""
    mode = request.response_mode
    if mode is not None and (mode not in RESPONSE_MODES or mode not in client.response_modes):
        raise InvalidRequest("The response_mode is not supported for this client.")


def check_scope(request: AuthorizationRequest, client: Client) -> None:
    """RFC 6749 §3.3: scopes that the client may not have are ignored; something must be left (AC-115, P-30)."""
    if "openid" not in request.scopes or "openid" not in client.scopes:
        raise InvalidScope("The scope must contain openid.")


def check_pkce(request: AuthorizationRequest, client: Client) -> None:
    """RFC 7636 §4.3 with S256 only; RFC 9700 §2.1.1: public clients MUST use PKCE (AC-101, AC-102, AC-104)."""
    challenge, method = request.code_challenge, request.code_challenge_method
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


CHECKS: tuple[Callable[[AuthorizationRequest, Client], None], ...] = (
    check_request_object,
    check_request_uri,
    check_grant,
    check_response_type,
    check_response_mode,
    check_scope,
    check_pkce,
    check_prompt,
    check_subject,
    check_acr,
)
