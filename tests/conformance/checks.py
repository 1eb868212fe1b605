"""What the suite's modules judge whatever their subject: metadata, keys, callbacks, tokens, claims, errors.

What is only a warning there is held here all the same: a certified provider shows none.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.jwk import KeySet

from tests.conformance.keys import decode, encode, moment, sha256

DISCOVERY = "/.well-known/openid-configuration"
# RFC 8414 §7.1.2 and the IANA registry "OAuth Authorization Server Metadata".
REGISTERED_METADATA = frozenset(
    {
        "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint",
        "revocation_endpoint", "introspection_endpoint", "end_session_endpoint", "check_session_iframe",
        "device_authorization_endpoint", "pushed_authorization_request_endpoint", "backchannel_authentication_endpoint",
        "mtls_endpoint_aliases", "scopes_supported", "response_types_supported", "response_modes_supported",
        "grant_types_supported", "acr_values_supported", "subject_types_supported", "display_values_supported",
        "claim_types_supported", "claims_supported", "claims_locales_supported", "ui_locales_supported",
        "prompt_values_supported", "claims_parameter_supported", "request_parameter_supported",
        "request_uri_parameter_supported", "require_request_uri_registration", "require_signed_request_object",
        "require_pushed_authorization_requests", "authorization_response_iss_parameter_supported",
        "authorization_details_types_supported", "code_challenge_methods_supported",
        "dpop_signing_alg_values_supported", "tls_client_certificate_bound_access_tokens",
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported", "revocation_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_signing_alg_values_supported", "introspection_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_signing_alg_values_supported", "introspection_signing_alg_values_supported",
        "introspection_encryption_alg_values_supported", "introspection_encryption_enc_values_supported",
        "id_token_signing_alg_values_supported", "id_token_encryption_alg_values_supported",
        "id_token_encryption_enc_values_supported", "userinfo_signing_alg_values_supported",
        "userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported",
        "request_object_signing_alg_values_supported", "request_object_encryption_alg_values_supported",
        "request_object_encryption_enc_values_supported", "authorization_signing_alg_values_supported",
        "authorization_encryption_alg_values_supported", "authorization_encryption_enc_values_supported",
        "backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported",
        "frontchannel_logout_session_supported", "service_documentation", "op_policy_uri", "op_tos_uri",
        "signed_metadata", "protected_resources", "client_id_metadata_document_supported",
    }
)  # fmt: skip
SCOPE_CLAIMS = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip
ID_TOKEN_CLAIMS = frozenset(
    {
        "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash",
        "nbf", "jti", "sid", "txn",
    }
)  # fmt: skip
FAPI2_ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")
_BOOLEANS = frozenset({"email_verified", "phone_number_verified"})
_URLS = frozenset({"profile", "picture", "website"})
_ADDRESS = frozenset({"formatted", "street_address", "locality", "region", "postal_code", "country"})
_SKEW = 300
_FIFTY_YEARS = 50 * 366 * 86_400


def check_server(metadata: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
    """What every module asks before it begins."""
    for name in ("authorization_endpoint", "token_endpoint", "issuer"):
        assert metadata[name]
    check_jwks(keys)


def check_metadata(metadata: Mapping[str, Any], address: str) -> None:
    """What the discovery modules have in common."""
    issuer = urlsplit(metadata["issuer"])
    assert metadata["issuer"] + DISCOVERY == address
    assert (issuer.scheme, issuer.query, issuer.fragment) == ("https", "", "")
    assert metadata.keys() <= REGISTERED_METADATA
    for name, value in metadata.items():
        if name.endswith("_endpoint") or name in {"jwks_uri", "op_policy_uri", "service_documentation"}:
            assert urlsplit(value).scheme == "https", name
        if name.endswith("_supported") and not isinstance(value, bool):
            assert all(isinstance(one, str) for one in value), name
            assert len(set(value)) == len(value) > 0, name
    assert {"public", "pairwise"} >= set(metadata["subject_types_supported"]) != set()
    assert "openid" in metadata["scopes_supported"]
    assert all(re.fullmatch(r"[\x21\x23-\x5B\x5D-\x7E]+", scope) for scope in metadata["scopes_supported"])
    assert "code" in metadata["response_types_supported"]
    for locale in (*metadata.get("ui_locales_supported", ()), *metadata.get("claims_locales_supported", ())):
        assert re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?", locale), locale


def check_jwks(keys: Mapping[str, Any]) -> None:
    """Public keys only, well written, each with a name of its own."""
    names = [key["kid"] for key in keys["keys"]]
    assert len(set(names)) == len(names) > 0
    for key in keys["keys"]:
        assert key["kty"] in {"RSA", "EC", "OKP"}
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
        for part in ("n", "e", "x", "y"):
            if part in key:
                assert encode(decode(key[part])) == key[part], part
        if key["kty"] == "RSA":
            assert len(decode(key["n"])) * 8 >= 2048


def check_secret(value: str) -> None:
    """At least 128 bits long, with a Shannon entropy of more than 96 bits (RFC 6749 §10.10)."""
    assert len(value.encode()) * 8 >= 128
    counts = Counter(value).values()
    per_character = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    assert per_character * len(value) > 96, value


def check_code_callback(fields: Mapping[str, str], *, issuer: str, state: str | None) -> str:
    """Hold a good callback to `code`, `state` as sent and `iss`, and return the code."""
    assert "error" not in fields, fields
    assert fields.keys() <= {"code", "state", "iss", "session_state"}
    assert fields.get("state") == state
    assert fields["iss"] == issuer
    check_secret(fields["code"])
    return fields["code"]


def check_error_callback(fields: Mapping[str, str], *, issuer: str, state: str | None, errors: Collection[str]) -> None:
    """Hold an error to its form (OpenID Connect Core §3.1.2.6, RFC 6749 §4.1.2.1) and to the errors that fit."""
    assert "code" not in fields
    assert fields.get("error") in errors, fields
    assert fields.get("state") == state
    assert fields["iss"] == issuer
    assert fields.keys() <= {"error", "error_description", "error_uri", "state", "iss", "session_state"}
    check_description(fields.get("error_description", ""))


def check_description(text: str) -> None:
    """RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E."""
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*", text), text


def check_error_answer(answer: Any, errors: Mapping[str, Collection[int]]) -> None:
    """Hold a refusal of a machine's endpoint to JSON, to one of ``errors`` and to its status."""
    assert answer.mimetype == "application/json"
    assert answer.json.get("error") in errors, answer.text
    assert answer.status_code in errors[answer.json["error"]], answer.text
    assert answer.json.keys() <= {"error", "error_description", "error_uri"}
    check_description(answer.json.get("error_description", ""))
    assert answer.headers["Cache-Control"] == "no-store"


def check_page(answer: Any) -> None:
    """Hold an answer to an error page of the provider that leads nowhere."""
    assert 400 <= answer.status_code < 500, answer.status_code
    assert "Location" not in answer.headers
    assert answer.mimetype == "text/html"
    assert "data-reference" in answer.text


def check_token_answer(answer: Any, *, token_type: str = "Bearer") -> dict[str, Any]:
    """Hold a good answer of the token endpoint to RFC 6749 §5.1 and return it."""
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    tokens: dict[str, Any] = answer.json
    assert "error" not in tokens
    assert tokens["token_type"].lower() == token_type.lower()
    assert isinstance(tokens["expires_in"], int)
    assert tokens["expires_in"] > 0
    for name in ("access_token", "refresh_token"):
        if name in tokens:
            check_secret(tokens[name])
            assert re.fullmatch(r"[\x20-\x7E]+", tokens[name])
    return tokens


def read_token(token: str, keys: Mapping[str, Any], *, algorithms: Collection[str]) -> dict[str, Any]:
    """Return the claims of a token that one of the provider's published keys signed, found by its `kid`."""
    header = json.loads(decode(token.split(".")[0]))
    assert header["alg"] in algorithms, header
    assert header["kid"] in {key["kid"] for key in keys["keys"]}
    signed = jws.deserialize_compact(token, KeySet.import_key_set(dict(keys)), algorithms=[header["alg"]])
    claims: dict[str, Any] = json.loads(signed.payload)
    return claims


def check_id_token(
    token: str,
    keys: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: str | None = None,
    code: str | None = None,
    algorithms: Collection[str] = ("RS256",),
    asked: Collection[str] = (),
) -> dict[str, Any]:
    """Hold an ID token to OpenID Connect Core §2 and §3.1.3.7, and return its claims."""
    claims = read_token(token, keys, algorithms=algorithms)
    assert claims["iss"] == issuer
    assert client_id in ([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"])
    assert claims.get("azp", client_id) == client_id
    assert moment() - _SKEW < claims["exp"] < moment() + _FIFTY_YEARS
    assert abs(claims["iat"] - moment()) <= _SKEW
    assert claims.get("nonce") == nonce
    assert 0 < len(claims["sub"].encode()) <= 255
    assert claims["sub"].isascii()
    assert claims.get("acr") != ""
    assert claims.get("auth_time", 0) <= moment() + _SKEW
    # Claims of the person belong in UserInfo, unless they were asked for under `id_token`.
    assert claims.keys() <= ID_TOKEN_CLAIMS | set(asked)
    for name, value in (("at_hash", access_token), ("c_hash", code)):
        if name in claims and value is not None:
            # Half of SHA-256; every algorithm in use here has 256 in its name, or is Ed25519.
            assert claims[name] == encode(decode(sha256(value))[:16]), name
    check_standard_claims(claims)
    return claims


def check_jarm(token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str) -> dict[str, str]:
    """Hold a response JWT to JARM §2.1 and §2.4, and return the response's own parameters."""
    claims = read_token(token, keys, algorithms=FAPI2_ALGORITHMS)
    assert claims["iss"] == issuer
    assert client_id in ([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"])
    # "A maximum JWT lifetime of 10 minutes is RECOMMENDED."
    assert moment() + 10 <= claims["exp"] <= moment() + 600
    assert abs(claims.get("iat", moment()) - moment()) <= _SKEW
    return {name: value for name, value in claims.items() if name not in {"aud", "exp", "iat", "nbf", "jti"}}


def check_standard_claims(claims: Mapping[str, Any]) -> None:
    """Hold the standard claims to their types; nothing empty, nothing that only looks like null."""
    for name, value in claims.items():
        assert value not in (None, "", "null", {}, []), name
        if name in _BOOLEANS:
            assert isinstance(value, bool), name
        elif name == "updated_at":
            assert isinstance(value, int), value
            assert 0 < value <= moment() + _SKEW
        elif name == "address":
            assert isinstance(value, dict)
            assert value.keys() <= _ADDRESS
            assert all(isinstance(part, str) and part for part in value.values())
        elif name == "birthdate":
            date.fromisoformat(value if not value.startswith("0000") else "2000" + value[4:])
        elif any(name in known for known in SCOPE_CLAIMS.values()):
            assert isinstance(value, str), name
        if name in _URLS:
            assert urlsplit(value).scheme == "https", name


def check_userinfo(answer: Any, *, sub: str) -> dict[str, Any]:
    """Hold a UserInfo answer to OpenID Connect Core §5.3.2 and return its claims."""
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/json"
    claims: dict[str, Any] = answer.json
    assert claims["sub"] == sub
    assert claims.keys() <= {"sub", *(claim for known in SCOPE_CLAIMS.values() for claim in known)}
    check_standard_claims(claims)
    return claims
