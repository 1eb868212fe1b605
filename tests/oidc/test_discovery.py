"""The metadata promises what is there, the JWKS publishes what is public."""

from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from tests.conftest import ISSUER, Browser
from tests.oidc.conftest import Client

WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
def metadata(http: Browser) -> dict[str, Any]:
    document: dict[str, Any] = http.get(WELL_KNOWN).json
    return document


def test_oidcc_discovery_endpoint_verification(metadata: dict[str, Any]) -> None:
    OpenIDProviderMetadata(metadata).validate()
    AuthorizationServerMetadata(metadata).validate()

    assert metadata["issuer"] == ISSUER
    assert all(url.startswith(f"{ISSUER}/") for name, url in metadata.items() if name.endswith(("_endpoint", "_uri")))
    assert "openid" in metadata["scopes_supported"]
    assert "RS256" in metadata["id_token_signing_alg_values_supported"]


def test_it_says_pkce_s256_and_the_issuer_parameter_p_07_p_67(metadata: dict[str, Any]) -> None:
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True


def test_it_promises_no_unsafe_thing(metadata: dict[str, Any]) -> None:
    assert "none" not in metadata["id_token_signing_alg_values_supported"]
    assert metadata["response_types_supported"] == ["code"]
    assert "password" not in metadata["grant_types_supported"]
    assert "nir" not in str(metadata).lower().split("'")


def test_every_endpoint_that_is_named_answers_ac_158(http: Browser, web: Client, metadata: dict[str, Any]) -> None:
    for name in ("token_endpoint", "userinfo_endpoint", "revocation_endpoint", "introspection_endpoint", "jwks_uri"):
        assert http.options(metadata[name].removeprefix(ISSUER)).status_code == 204, name


def test_both_well_known_documents_say_the_same(http: Browser, metadata: dict[str, Any]) -> None:
    assert http.get("/.well-known/oauth-authorization-server").json == metadata


def test_a_junk_query_or_a_foreign_host_changes_nothing_ac_156(http: Browser, metadata: dict[str, Any]) -> None:
    assert http.get(f"{WELL_KNOWN}?x=1", headers={"X-Forwarded-Host": "evil.example"}).json == metadata


def test_they_may_be_cached_and_asked_for_again_by_etag(http: Browser) -> None:
    for path in (WELL_KNOWN, "/jwks.json"):
        first = http.get(path)
        again = http.get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert first.headers["Cache-Control"] == "public, max-age=3600"
        assert (again.status_code, again.data) == (304, b"")


def test_the_jwks_holds_public_keys_with_distinct_kids_ac_152(http: Browser, app: Any) -> None:
    keys = http.get("/jwks.json").json["keys"]

    assert {key["alg"] for key in keys} == {"RS256", "ES256"}
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)
        assert not any("=" in value for value in key.values())


def test_other_methods_are_not_allowed(http: Browser) -> None:
    answer = http.post(WELL_KNOWN)

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_head_is_answered(http: Browser) -> None:
    assert http.head(WELL_KNOWN).status_code == 200
