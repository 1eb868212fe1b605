"""Every error that a relying party can be answered: its cause and its cure, in one table."""

from dataclasses import dataclass

AUTHORIZATION = "/authorize, told at your redirect URI"
TOKEN = "/token"  # noqa: S105 - an address


@dataclass(frozen=True, slots=True)
class Entry:
    """One error: where it is told, what it means, what to do, and who says so."""

    where: str
    cause: str
    cure: str
    clause: str


ERRORS: dict[str, Entry] = {
    "invalid_request": Entry(
        "every endpoint",
        "A parameter is missing, malformed, sent twice, or does not go with another one.",
        "Read error_description: it names the parameter and what is wrong with it.",
        "RFC 6749 §4.1.2.1, §5.2",
    ),
    "invalid_client": Entry(
        "endpoints that ask who you are",
        "The client is unknown or suspended, the secret or assertion is wrong or has expired, or the method is not "
        "the registered one. After many failures from one address the answer stays this one for some minutes.",
        "Compare client_id and token_endpoint_auth_method with the registration. With client_secret_basic, form-encode "
        "both halves before base64. Do not retry in a loop.",
        "RFC 6749 §5.2",
    ),
    "invalid_grant": Entry(
        TOKEN,
        "The code or refresh token has expired, was used before, was issued to another client, or does not go with "
        "this redirect_uri or code_verifier; or the account was closed or its password changed.",
        "Redeem a code once and at once, with the very redirect_uri of the authorization request and the code_verifier "
        "of this browser’s session. Store the new refresh token of each answer. If it stays, sign the person in again.",
        "RFC 6749 §5.2, RFC 7636 §4.6",
    ),
    "invalid_scope": Entry(
        "/authorize and /token",
        "openid is missing from the scope, or more is asked for than was granted.",
        "Begin the scope with openid. When refreshing, leave scope out or ask for less.",
        "RFC 6749 §3.3, OpenID Connect Core §3.1.2.1",
    ),
    "unauthorized_client": Entry(
        "/authorize and /token",
        "The client is not registered for this grant_type.",
        "Have the grant type added to the registration, or do not use it.",
        "RFC 6749 §4.1.2.1, §5.2",
    ),
    "unsupported_grant_type": Entry(
        TOKEN,
        "The provider does not know this grant_type; the password grant, for one, is gone.",
        "Use one of grant_types_supported in the discovery document.",
        "RFC 6749 §5.2, RFC 9700 §2.4",
    ),
    "unsupported_response_type": Entry(
        AUTHORIZATION,
        "The response_type is not offered, or not registered for this client.",
        "Ask for response_type=code with PKCE.",
        "RFC 6749 §4.1.2.1, RFC 9700 §2.1.2",
    ),
    "access_denied": Entry(
        "/authorize, told at your redirect URI; and /token, told to a device",
        "The person cancelled, did not agree, or did not allow the device.",
        "Say calmly that they are not signed in and offer the button again. It is no fault. A device stops polling.",
        "RFC 6749 §4.1.2.1, RFC 8628 §3.5",
    ),
    "invalid_session": Entry(
        "/authorize-challenge",
        "The auth_session is unknown, over or used up, or comes from another client or with another DPoP key.",
        "Begin again without auth_session. Use one DPoP key from the first request to the tokens.",
        "OAuth 2.0 for First-Party Applications (draft)",
    ),
    "insufficient_authorization": Entry(
        "/authorize-challenge",
        "No fault: more is needed to sign this person in. next says what, choices what else would do.",
        "Ask for it and send it with auth_session and the same DPoP key.",
        "OAuth 2.0 for First-Party Applications (draft)",
    ),
    "redirect_to_web": Entry(
        "/authorize-challenge",
        "What is due now has a page, and no screen of an app: a new password, a consent, help for a locked account.",
        "Open the system browser at /authorize with request_uri, or with a new request if there is none.",
        "OAuth 2.0 for First-Party Applications (draft)",
    ),
    "authorization_pending": Entry(
        TOKEN,
        "The person has not answered yet at /device.",
        "Keep showing the code and poll again after interval seconds.",
        "RFC 8628 §3.5",
    ),
    "slow_down": Entry(
        TOKEN,
        "The device polled sooner than its interval allows; its interval is five seconds longer from now on.",
        "Add five seconds to the interval, for this and all following polls.",
        "RFC 8628 §3.5",
    ),
    "expired_token": Entry(
        TOKEN,
        "The device code has expired before anybody allowed the device.",
        "Stop polling. Ask for a new code only when somebody at the device wants one.",
        "RFC 8628 §3.5",
    ),
    "login_required": Entry(
        AUTHORIZATION,
        "prompt=none was sent, and nobody is signed in, somebody else is, or the sign-in is too old or too weak.",
        "Send the request again without prompt=none.",
        "OpenID Connect Core §3.1.2.6",
    ),
    "consent_required": Entry(
        AUTHORIZATION,
        "prompt=none was sent, and the person has not agreed to these scopes yet.",
        "Send the request again without prompt=none.",
        "OpenID Connect Core §3.1.2.6",
    ),
    "interaction_required": Entry(
        AUTHORIZATION,
        "prompt=none was sent by an app whose redirect URI any other app could claim: the person must take part.",
        "Send the request again without prompt=none, or register an https redirect URI that the app claims.",
        "OpenID Connect Core §3.1.2.6, RFC 8252 §8.6",
    ),
    "unmet_authentication_requirements": Entry(
        AUTHORIZATION,
        "An essential acr was demanded that the provider does not offer or this person cannot reach.",
        "Compare with acr_values_supported. Explain to the person which second step your service needs.",
        "OpenID Connect Core Unmet Authentication Requirements §2",
    ),
    "request_uri_not_supported": Entry(
        AUTHORIZATION,
        "This request_uri is not accepted; the provider fetches nothing from an address that a stranger gives it.",
        "Send the parameters plainly, or push them first where the discovery document offers it.",
        "OpenID Connect Core §6.2",
    ),
    "registration_not_supported": Entry(
        AUTHORIZATION,
        "The registration parameter describes a client on the fly; clients are registered beforehand.",
        "Leave it out and use your client_id.",
        "OpenID Connect Core §7.2.1",
    ),
    "invalid_request_uri": Entry(
        AUTHORIZATION,
        "The request_uri is unknown, has expired, was used before or belongs to another client.",
        "Push the request again and send the browser on at once; each request_uri is good once.",
        "RFC 9101 §6.2, RFC 9126 §2.2",
    ),
    "invalid_request_object": Entry(
        "/authorize and the pushed authorization endpoint",
        "The request object is not signed by one of your registered keys, has expired, or is for another audience.",
        "Sign with the registered algorithm and key; aud is the issuer, iss and client_id are your client_id.",
        "RFC 9101 §6.3",
    ),
    "invalid_target": Entry(
        "/authorize and /token",
        "The resource is not a URI without fragment, or your client may not ask tokens for it.",
        "Use the exact resource identifier that is registered for your client.",
        "RFC 8707 §2",
    ),
    "invalid_authorization_details": Entry(
        "/authorize and /token",
        "authorization_details is not the JSON that its type demands, or the type is not registered for the client.",
        "Compare with authorization_details_types_supported and your registration.",
        "RFC 9396 §5",
    ),
    "invalid_dpop_proof": Entry(
        "endpoints that take DPoP",
        "The DPoP proof is missing, malformed, too old, was used before, or is for another method or address.",
        "Make a new proof for each request: htm, htu without query, iat now, a fresh jti; with a token also ath.",
        "RFC 9449 §5, §7",
    ),
    "use_dpop_nonce": Entry(
        "endpoints that take DPoP",
        "The provider wants its own nonce in the proof.",
        "Take the nonce from the DPoP-Nonce header of this answer and send the request again with it.",
        "RFC 9449 §8, §9",
    ),
    "invalid_token": Entry(
        "/userinfo and protected resources",
        "The access token is unknown, has expired or was revoked.",
        "Refresh it once; if that fails too, sign the person in again.",
        "RFC 6750 §3.1",
    ),
    "insufficient_scope": Entry(
        "/userinfo and protected resources",
        "The access token is good, and not for this.",
        "Ask for the scope that the WWW-Authenticate header names.",
        "RFC 6750 §3.1",
    ),
    "insufficient_user_authentication": Entry(
        "protected resources",
        "The token is good; the sign-in behind it is too weak or too old for this resource.",
        "Send the person to /authorize again with the acr_values and max_age of the WWW-Authenticate header.",
        "RFC 9470 §3",
    ),
    "invalid_redirect_uri": Entry(
        "the registration endpoint",
        "A redirect URI may not be registered: no https, a fragment, a wildcard, an address for another kind of "
        "client, one outside the domains of your initial access token, or one of somebody else’s client.",
        "Register each address exactly as you will send it; error_description names the one and its reason.",
        "RFC 7591 §3.2.2",
    ),
    "invalid_client_metadata": Entry(
        "the registration endpoint",
        "A value of the registration is not allowed, does not go with another one, or points to something that cannot "
        "be fetched: a logo, or the list at sector_identifier_uri.",
        "Read error_description: it names every value that is wrong, and why.",
        "RFC 7591 §3.2.2",
    ),
    "invalid_software_statement": Entry(
        "the registration endpoint",
        "A software_statement was sent; the provider trusts nobody’s.",
        "Send the metadata itself, with your initial access token.",
        "RFC 7591 §3.2.2",
    ),
    "unsupported_token_type": Entry(
        "/revoke",
        "Tokens of this kind cannot be revoked.",
        "Revoke the refresh token; its access tokens end with it.",
        "RFC 7009 §2.2.1",
    ),
    "temporarily_unavailable": Entry(
        "every endpoint",
        "A store of the provider does not answer; nobody gets in by it.",
        "Wait as long as Retry-After says, then try again.",
        "RFC 6749 §4.1.2.1",
    ),
    "server_error": Entry(
        "every endpoint",
        "Something unexpected happened on our side.",
        "Try again once. If it stays, tell support the time and the reference.",
        "RFC 6749 §4.1.2.1",
    ),
}

# What a visitor is shown when nothing may be told at a redirect URI (RFC 9700 §4.11.2): never an OAuth error.
PAGES: dict[str, Entry] = {
    "repeated": Entry(
        "a page at /authorize",
        "client_id or redirect_uri was sent more than once.",
        "Send each parameter once; look for a link that already has a query.",
        "RFC 6749 §3.1",
    ),
    "client": Entry(
        "a page at /authorize",
        "No client is registered under this client_id.",
        "Compare the client_id with the registration: test and production have different ones.",
        "RFC 9700 §4.11.2",
    ),
    "suspended": Entry(
        "a page at /authorize",
        "The client was suspended by an administrator.",
        "Ask the administrators of the provider why.",
        "RFC 6749 §4.1.2.1",
    ),
    "redirect-missing": Entry(
        "a page at /authorize",
        "redirect_uri was not sent.",
        "Always send redirect_uri, also when only one is registered.",
        "OpenID Connect Core §3.1.2.1",
    ),
    "redirect": Entry(
        "a page at /authorize",
        "redirect_uri is not, character by character, one of the registered ones.",
        "Send a registered value unchanged, or have this one registered. /cb and /cb/ are two addresses.",
        "RFC 9700 §2.1",
    ),
    "incomplete": Entry(
        "a page at /authorize",
        "The link lacks client_id or redirect_uri.",
        "Start at your service, not at a bookmark of ours.",
        "OpenID Connect Core §3.1.2.1",
    ),
}


def find_entry(code: str) -> Entry | None:
    """Return what there is to say of an error or of a page."""
    return ERRORS.get(code) or PAGES.get(code)
