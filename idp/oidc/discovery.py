"""What the provider says of itself: read off the tables, so that it cannot promise what is not there."""

from datetime import timedelta
from typing import Any

from idp import clock
from idp.mfa.levels import ACR_VALUES
from idp.oidc.assertions import HMAC
from idp.oidc.claims import SCOPES, USER_CLAIMS
from idp.oidc.client_auth import offered_methods
from idp.oidc.dpop import ALGORITHMS as DPOP_ALGORITHMS
from idp.oidc.grants import grant_types
from idp.oidc.jose.own import ALGORITHMS
from idp.oidc.jose.sealing import CONTENT_ALGORITHMS, KEY_ALGORITHMS
from idp.oidc.jwks_watch import note_fetch, write_when_due
from idp.oidc.keys import key_ring
from idp.oidc.pkce import METHODS as PKCE_METHODS
from idp.oidc.profiles import ASYMMETRIC
from idp.oidc.protocol import Document, ProtocolRequest, ProtocolResponse, publish
from idp.oidc.response_modes import RESPONSE_MODES
from idp.oidc.response_types import response_types
from idp.settings import Settings, current_settings, settings

PROMPTS = ("none", "login", "consent", "select_account")
_MAX_AGE = timedelta(hours=1)
_TOKEN_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")
# By the identity of the settings, which are kept along so that it stays theirs.
_documents: dict[int, tuple[Settings, Document]] = {}


def discovery(request: ProtocolRequest) -> ProtocolResponse:
    """Return the metadata document (OpenID Connect Discovery §3, RFC 8414 §2)."""
    return _cacheable(request, published_metadata(request.address))


def jwks(request: ProtocolRequest) -> ProtocolResponse:
    """Return the public signing keys (RFC 7517 §5)."""
    is_fetch = request.method == "GET"
    return _cacheable(request, published_keys(request.address) if is_fetch else key_ring().document)


def published_metadata(_address: str) -> Document:
    """Return the metadata as they are published."""
    ours = current_settings()
    if id(ours) not in _documents:
        _documents[id(ours)] = (ours, publish(metadata(), max_age=_MAX_AGE))
    return _documents[id(ours)][1]


def published_keys(address: str) -> Document:
    """Return the JWKS as it is published, and note who fetches it."""
    ring, now = key_ring(), clock.now()
    note_fetch(address, ring.newest_at, now)
    write_when_due(now)
    return ring.document


def metadata() -> dict[str, Any]:
    """Return the provider's metadata; only registered names."""
    whole = _whole_metadata()
    # RFC 8414 §3.2: "Claims with zero elements MUST be omitted".
    return {name: value for name, value in whole.items() if value != []}


def _whole_metadata() -> dict[str, Any]:
    issuer = settings.issuer
    methods = list(offered_methods())
    assertion_algorithms = [HMAC, *ASYMMETRIC]
    secret_methods = [method for method in methods if method != "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks.json",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "end_session_endpoint": f"{issuer}/logout",
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(response_types()),
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(grant_types()),
        "acr_values_supported": list(ACR_VALUES),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "introspection_endpoint_auth_methods_supported": secret_methods,
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "code_challenge_methods_supported": list(PKCE_METHODS),
        "prompt_values_supported": list(PROMPTS),
        "claim_types_supported": ["normal"],
        "claims_supported": [*_TOKEN_CLAIMS, *sorted(USER_CLAIMS)],
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        # A `request_uri` of the PAR endpoint always is.
        "request_uri_parameter_supported": settings.certification.remote_request_uri,
        "require_request_uri_registration": True,
        "request_object_signing_alg_values_supported": list(ASYMMETRIC),
        "authorization_signing_alg_values_supported": list(ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_signing_alg_values_supported": list(ALGORITHMS),
        "id_token_encryption_alg_values_supported": list(KEY_ALGORITHMS),
        "id_token_encryption_enc_values_supported": list(CONTENT_ALGORITHMS),
        "userinfo_encryption_alg_values_supported": list(KEY_ALGORITHMS),
        "userinfo_encryption_enc_values_supported": list(CONTENT_ALGORITHMS),
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": bool(settings.mtls.header),
        "authorization_details_types_supported": list(settings.authorization_details),
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "ui_locales_supported": list(settings.locales),
        "service_documentation": f"{issuer}/docs/",
        "op_policy_uri": f"{issuer}/help/privacy",
        **_mtls_aliases(),
        **({"authorization_challenge_endpoint": f"{issuer}/authorize-challenge"} if settings.in_app.enabled else {}),
        **({"registration_endpoint": f"{issuer}/register"} if settings.registration.enabled else {}),
    }


def _mtls_aliases() -> dict[str, Any]:
    """Return where a client that shows its certificate goes instead (RFC 8705 §5)."""
    base = settings.mtls.issuer
    names = {
        "token_endpoint": "/token",
        "device_authorization_endpoint": "/device_authorization",
        "userinfo_endpoint": "/userinfo",
        "pushed_authorization_request_endpoint": "/par",
        "revocation_endpoint": "/revoke",
        "introspection_endpoint": "/introspect",
    }
    return {"mtls_endpoint_aliases": {name: base + path for name, path in names.items()}} if base else {}


def _cacheable(request: ProtocolRequest, document: Document) -> ProtocolResponse:
    if request.headers.get("if-none-match") == document.headers["ETag"]:
        return ProtocolResponse(304, b"", document.headers)
    return ProtocolResponse(200, document.body, document.headers)
