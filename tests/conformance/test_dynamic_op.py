"""The modules of `oidcc-dynamic-certification-test-plan`: discovery, dynamic_client, private_key_jwt, code.

Not here: `oidcc-server-rotate-keys`, which is in `tests/oidc/keys`, and `oidcc-request-uri-unsigned`, which
the suite skips where `none` is not among the algorithms of request objects.
"""

import html
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata
from flask import Flask
from joserfc import jwt

from idp import clock as idp_clock
from tests.conformance.self_registered import CALLBACK, SelfRegistered, certification, public, rsa_key
from tests.conftest import ISSUER, Clock
from tests.registering import png, registration_enabled
from tests.strangers import Authority, Stranger, says

KEY, NEXT = rsa_key("one"), rsa_key("two")
Joiner = Callable[..., SelfRegistered]


@pytest.fixture(scope="module")
def suite_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def suite(suite_authority: Authority) -> Iterator[Stranger]:
    """Return the suite's own web server."""
    server = Stranger(suite_authority)
    yield server
    server.close()


@pytest.fixture
def join(app: Flask, alice: str, suite_authority: Authority) -> Iterator[Joiner]:
    """Return a maker of clients that register themselves, and leave at the end."""
    joined: list[SelfRegistered] = []

    def make(**document: Any) -> SelfRegistered:
        joined.append(SelfRegistered(app, KEY, **document))
        return joined[-1]

    with registration_enabled(app, suite_authority):
        yield make
        for client in joined:
            if client.answer.status_code == 201:
                client.leave()


def is_page(answer: Any) -> bool:
    """Tell whether an answer is a page of ours that leads nowhere."""
    return answer.status_code == 400 and "Location" not in answer.headers and "data-reference" in answer.text


def test_oidcc_server(join: Joiner) -> None:
    client = join()

    assert client.answer.status_code == 201
    assert client.client["registration_client_uri"].startswith("https://")
    assert client.client["registration_access_token"]
    tokens = client.flow(scope="openid profile email")
    assert tokens["expires_in"] > 0


def test_oidcc_idtoken_rs256(join: Joiner) -> None:
    client = join(id_token_signed_response_alg="RS256")

    client.read(client.flow()["id_token"], "RS256")


def test_oidcc_idtoken_unsigned(join: Joiner) -> None:
    client = join(id_token_signed_response_alg="none")

    assert "none" not in client.metadata["id_token_signing_alg_values_supported"]
    assert (client.answer.status_code, client.answer.json["error"]) == (400, "invalid_client_metadata")


def test_oidcc_userinfo_rs256(join: Joiner) -> None:
    client = join(userinfo_signed_response_alg="RS256")

    answer = client.userinfo(client.flow()["access_token"])

    assert answer.mimetype == "application/jwt"
    claims = client.read(answer.text, "RS256")
    assert (claims["iss"], claims["aud"]) == (ISSUER, client.client["client_id"])
    assert "nonce" not in claims
    assert "RS256" in client.metadata["userinfo_signing_alg_values_supported"]


def test_oidcc_ensure_redirect_uri_in_authorization_request(join: Joiner) -> None:
    client = join(redirect_uris=[CALLBACK, f"{CALLBACK}/other"])

    assert is_page(client.ask(redirect_uri=None))


def test_oidcc_redirect_uri_query_OK(join: Joiner) -> None:
    client = join(redirect_uris=[f"{CALLBACK}?foo=bar"])

    client.flow()


def test_oidcc_redirect_uri_query_mismatch(join: Joiner) -> None:
    client = join(redirect_uris=[f"{CALLBACK}?foo=bar"])

    assert is_page(client.ask(redirect_uri=f"{CALLBACK}?bar=foo"))


def test_oidcc_redirect_uri_query_added(join: Joiner) -> None:
    client = join()

    assert is_page(client.ask(redirect_uri=f"{CALLBACK}?foo=bar"))


def test_oidcc_redirect_uri_regfrag(join: Joiner) -> None:
    client = join(redirect_uris=[f"{CALLBACK}#fragment"])

    assert client.answer.mimetype == "application/json"
    assert (client.answer.status_code, client.answer.json["error"]) == (400, "invalid_redirect_uri")


def test_oidcc_discovery_endpoint_verification(join: Joiner) -> None:
    metadata = join().metadata

    OpenIDProviderMetadata(metadata).validate()
    assert metadata["registration_endpoint"] == f"{ISSUER}/register"
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
    assert "RS256" in metadata["token_endpoint_auth_signing_alg_values_supported"]
    assert {"authorization_code"} <= set(metadata["grant_types_supported"])
    assert {"openid", "profile", "email", "address", "phone"} <= set(metadata["scopes_supported"])


def test_oidcc_registration_logo_uri(join: Joiner, suite: Stranger) -> None:
    suite.pages["/logo.png"] = says(png(120, 40), kind="image/png")
    client = join(logo_uri=f"{suite.url}/logo.png")

    page = client.first_page()

    # Our own copy: nothing on our pages comes from elsewhere (P-18).
    assert suite.url not in page
    (address,) = [part.split('"')[0] for part in page.split('<img src="')[1:]]
    shown = client.browser.get(address)
    assert (shown.status_code, shown.data, shown.mimetype) == (200, png(120, 40), "image/png")
    assert client.client["logo_uri"] == f"{suite.url}/logo.png"


def _shows_a_link(join: Joiner, name: str) -> None:
    client = join(**{name: f"https://rp.test/{name}?a=1&b=2"})

    page = html.unescape(client.first_page())

    assert f'<a href="https://rp.test/{name}?a=1&b=2" rel="noreferrer' in page
    assert client.client[name] == f"https://rp.test/{name}?a=1&b=2"


def test_oidcc_registration_policy_uri(join: Joiner) -> None:
    _shows_a_link(join, "policy_uri")


def test_oidcc_registration_tos_uri(join: Joiner) -> None:
    _shows_a_link(join, "tos_uri")


def test_oidcc_registration_jwks_uri(join: Joiner, suite: Stranger) -> None:
    suite.pages["/jwks"] = says(json.dumps(public(KEY)))
    client = join(jwks=None, jwks_uri=f"{suite.url}/jwks")

    client.flow()

    assert len(suite.seen) == 1


def test_oidcc_registration_sector_uri(join: Joiner, suite: Stranger) -> None:
    suite.pages["/sector"] = says(json.dumps([CALLBACK]))
    client = join(sector_identifier_uri=f"{suite.url}/sector", subject_type="pairwise")

    assert client.answer.status_code == 201
    client.flow()


def test_oidcc_registration_sector_bad(join: Joiner, suite: Stranger) -> None:
    suite.pages["/sector"] = says(json.dumps(["https://other.test/cb"]))
    client = join(sector_identifier_uri=f"{suite.url}/sector", subject_type="pairwise")

    assert (client.answer.status_code, client.answer.json["error"]) == (400, "invalid_client_metadata")


def test_oidcc_refresh_token(join: Joiner) -> None:
    client = join(grant_types=["authorization_code", "refresh_token"])
    first = client.flow(scope="openid offline_access", prompt="consent")

    answer = client.post(grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert answer.status_code == 200
    before, after = client.read(first["id_token"]), client.read(answer.json["id_token"])
    assert {name: before[name] for name in ("iss", "sub", "aud", "auth_time")} == {
        name: after[name] for name in ("iss", "sub", "aud", "auth_time")
    }
    assert answer.json["access_token"] != first["access_token"]


def test_oidcc_refresh_token_rp_key_rotation(join: Joiner, suite: Stranger, clock: Clock) -> None:
    suite.pages["/jwks"] = says(json.dumps(public(KEY)))
    client = join(
        jwks=None, jwks_uri=f"{suite.url}/jwks", grant_types=["authorization_code", "refresh_token"],
    )  # fmt: skip
    tokens = client.flow(scope="openid offline_access", prompt="consent")

    suite.pages["/jwks"] = says(json.dumps(public(NEXT)))
    # The suite's server.jwks_refresh_delay.
    clock.step(seconds=60)
    answer = client.post(grant_type="refresh_token", refresh_token=tokens["refresh_token"], key=NEXT)

    assert answer.status_code == 200, answer.text
    client.key = NEXT


def signed_request(client: SelfRegistered, **changes: Any) -> str:
    now, own = int(idp_clock.now().timestamp()), client.client["client_id"]
    claims = {
        "iss": own, "aud": ISSUER, "iat": now, "exp": now + 240, "client_id": own, "response_type": "code",
        "redirect_uri": client.redirect_uri, "scope": "openid", "state": "st4te", "nonce": "n0nce", **changes,
    }  # fmt: skip
    return jwt.encode({"alg": "RS256", "kid": client.key.kid}, claims, client.key, algorithms=["RS256"])


def test_oidcc_ensure_request_object_with_redirect_uri(join: Joiner) -> None:
    client = join(request_object_signing_alg="RS256")

    client.flow(request=signed_request(client), redirect_uri=f"{CALLBACK}/elsewhere")


def test_oidcc_request_uri_signed_rs256(app: Flask, join: Joiner, suite: Stranger) -> None:
    with certification(app, remote_request_uri=True):
        # "The URI is registered with a #fragment hash that does not match the content."
        address = f"{suite.url}/request#{'0' * 43}"
        client = join(request_object_signing_alg="RS256", request_uris=[address])
        suite.pages["/request"] = says(signed_request(client), kind="application/oauth-authz-req+jwt")

        client.flow(request_uri=address)

    assert client.metadata["request_uri_parameter_supported"] is True
    assert client.client["request_uris"] == [address]
    assert {path for _, path, _, _ in suite.seen} == {"/request"}


def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(join: Joiner) -> None:
    client = join()
    callback = client.callback(client.sign_in(client.ask()))

    client.finish(callback, audience=ISSUER)
