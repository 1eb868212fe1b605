"""The example relying party by itself: what it does before, without and against a provider's answer."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

APP = Path(__file__).parents[2] / "examples" / "rp-flask" / "app.py"


@pytest.fixture(scope="module")
def rp() -> Any:
    program = runpy.run_path(str(APP))
    # Discovery without a provider: what `server_metadata_url` would answer.
    program["sesame"].server_metadata = {
        "issuer": "http://localhost:8000",
        "authorization_endpoint": "http://localhost:8000/authorize",
        "_loaded_at": 1,
    }
    return program["app"]


@pytest.fixture
def site(rp: Any) -> FlaskClient:
    client: FlaskClient = rp.test_client()
    return client


def test_its_cookie_is_not_the_providers(site: FlaskClient) -> None:
    """Cookies know no ports: on localhost the provider's `sid` would be overwritten."""
    answer = site.get("/login")

    names = [cookie.split("=")[0] for cookie in answer.headers.getlist("Set-Cookie")]
    assert names == ["demo_web_session"]


def test_sign_in_asks_with_pkce_state_and_nonce(site: FlaskClient) -> None:
    location = site.get("/login?acr_values=urn:sesame:acr:mfa&ui_locales=en").location

    assert location.startswith("http://localhost:8000/authorize?")
    for part in (
        "code_challenge_method=S256",
        "state=",
        "nonce=",
        "acr_values=urn%3Asesame%3Aacr%3Amfa",
        "ui_locales=en",
    ):
        assert part in location


def test_login_passes_on_no_other_parameter(site: FlaskClient) -> None:
    location = site.get("/login?redirect_uri=https://evil.example/&scope=admin").location

    assert "evil.example" not in location
    assert "admin" not in location


def test_cancelled_sign_in_is_said(site: FlaskClient) -> None:
    answer = site.get("/callback?error=access_denied&state=x&iss=http://localhost:8000")

    assert answer.status_code == 400
    assert "Vous avez annulé la connexion." in answer.text


def test_error_from_outside_is_shown_as_text(site: FlaskClient) -> None:
    answer = site.get("/callback?error=<script>1</script>&error_description=<b>2</b>")

    assert "<script>1" not in answer.text
    assert "<b>2" not in answer.text


@pytest.mark.parametrize("query", ["code=x&state=y", "code=x&state=y&iss=http://evil.example"])
def test_answer_of_another_provider_is_refused(site: FlaskClient, query: str) -> None:
    """RFC 9207: mix-up of two providers."""
    answer = site.get(f"/callback?{query}")

    assert answer.status_code == 400
    assert 'data-error="invalid_issuer"' in answer.text


def test_answer_with_unknown_state_is_refused(site: FlaskClient) -> None:
    answer = site.get("/callback?code=x&state=never-asked&iss=http://localhost:8000")

    assert answer.status_code == 400


@pytest.mark.parametrize(("method", "path"), [("get", "/profile"), ("post", "/refresh"), ("post", "/logout")])
def test_who_is_not_signed_in_is_sent_home(site: FlaskClient, method: str, path: str) -> None:
    assert getattr(site, method)(path).location.endswith("/")


def test_signing_out_needs_a_post(site: FlaskClient) -> None:
    assert site.get("/logout").status_code == 405
