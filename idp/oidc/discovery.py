"""What the provider says of itself: read off the tables, so that it cannot promise what is not there."""

import hashlib
import json
from typing import Any

from idp.mfa.levels import ACR_VALUES
from idp.oidc.assertions import HMAC
from idp.oidc.claims import SCOPES, USER_CLAIMS
from idp.oidc.client_auth import CLIENT_AUTH
from idp.oidc.grants import GRANTS
from idp.oidc.jose.own import ALGORITHMS
from idp.oidc.keys import key_ring
from idp.oidc.pkce import METHODS as PKCE_METHODS
from idp.oidc.profiles import ASYMMETRIC
from idp.oidc.protocol import ProtocolRequest, ProtocolResponse
from idp.oidc.response_modes import RESPONSE_MODES
from idp.settings import settings

PROMPTS = ("none", "login", "consent", "select_account")
_TOKEN_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")
_documents: dict[str, tuple[bytes, str]] = {}


def discovery(request: ProtocolRequest) -> ProtocolResponse:
    """Return the metadata document (OpenID Connect Discovery §3, RFC 8414 §2)."""
    if settings.issuer not in _documents:
        _documents[settings.issuer] = _encode(metadata())
    return _cacheable(request, *_documents[settings.issuer], max_age=3600)


def jwks(request: ProtocolRequest) -> ProtocolResponse:
    """Return the public signing keys (RFC 7517 §5)."""
    return _cacheable(request, *_encode(key_ring().jwks), max_age=3600)


def metadata() -> dict[str, Any]:
    """Return the provider's metadata; only registered names."""
    issuer = settings.issuer
    assertion_algorithms = [HMAC, *ASYMMETRIC]
    secret_methods = [method for method in CLIENT_AUTH if method != "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks.json",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "end_session_endpoint": f"{issuer}/logout",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANTS),
        "acr_values_supported": list(ACR_VALUES),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "token_endpoint_auth_methods_supported": list(CLIENT_AUTH),
        "token_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "revocation_endpoint_auth_methods_supported": list(CLIENT_AUTH),
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "introspection_endpoint_auth_methods_supported": secret_methods,
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "code_challenge_methods_supported": list(PKCE_METHODS),
        "prompt_values_supported": list(PROMPTS),
        "claim_types_supported": ["normal"],
        "claims_supported": [*_TOKEN_CLAIMS, *sorted(USER_CLAIMS)],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": list(settings.locales),
        "service_documentation": f"{issuer}/docs/",
        "op_policy_uri": f"{issuer}/help/privacy",
    }


def _encode(document: dict[str, Any]) -> tuple[bytes, str]:
    body = json.dumps(document, separators=(",", ":")).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _cacheable(request: ProtocolRequest, body: bytes, etag: str, *, max_age: int) -> ProtocolResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": f"public, max-age={max_age}", "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return ProtocolResponse(304, b"", headers)
    return ProtocolResponse(200, body, headers)
