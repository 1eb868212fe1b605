"""What the tests of the protocol's endpoints stand on: clients, and codes as a finished sign-in would issue them."""

from collections.abc import Callable
from typing import Any

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask

from idp import clock as idp_clock
from idp import entropy
from idp.db import db
from idp.oidc import registration
from idp.oidc.codes import AuthorizationCode, issue_code
from idp.oidc.grant import Grant
from tests.conftest import Browser

CALLBACK = "https://rp.example.fr/callback"
VERIFIER = "v" * 64
Maker = Callable[..., Any]


class Client:
    """A registered client and what it needs to call the token endpoint."""

    def __init__(self, client_id: str, secret: str | None, http: Browser) -> None:
        self.client_id = client_id
        self.secret = secret
        self.http = http

    def post(self, path: str, **form: Any) -> Any:
        """Post a form to an endpoint, proving itself by its registered method."""
        if self.secret is None:
            return self.http.post(path, data={"client_id": self.client_id, **form})
        return self.http.post(path, data=form, auth=(self.client_id, self.secret))

    def exchange(self, code: str, **changes: Any) -> Any:
        """Redeem a code; a field given as ``None`` is left out."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.post("/token", **{name: value for name, value in {**form, **changes}.items() if value is not None})

    def refresh(self, token: str, **more: Any) -> Any:
        """Use a refresh token."""
        return self.post("/token", grant_type="refresh_token", refresh_token=token, **more)

    def userinfo(self, token: str) -> Any:
        """Ask who is behind an access token."""
        return self.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def make_client(app: Flask, http: Browser) -> Maker:
    """Return a maker of clients."""

    def make(client_id: str = "web", **changes: Any) -> Client:
        asked = {
            "client_id": client_id, "name": "Service", "kind": "website", "redirect_uris": [CALLBACK],
            "scope": "openid profile email phone address offline_access", **changes,
        }  # fmt: skip
        with app.app_context():
            _, secret = registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
            db.session.commit()
        return Client(client_id, secret, http)

    return make


@pytest.fixture
def web(make_client: Maker) -> Client:
    """Return a confidential client."""
    client: Client = make_client()
    return client


@pytest.fixture
def mobile(make_client: Maker) -> Client:
    """Return a public client, as the app is."""
    client: Client = make_client("app", kind="mobile")
    return client


@pytest.fixture
def make_code(app: Flask, alice: str) -> Maker:
    """Return a maker of codes that Alice's sign-in would have led to."""

    def make(client_id: str = "web", **changes: Any) -> str:
        now = idp_clock.now()
        facts: dict[str, Any] = {
            "scopes": ("openid", "profile", "email"), "auth_time": now, "acr": "urn:sesame:acr:2sv",
            "amr": ("pwd", "otp"), "account_id": alice, "sid": "s" * 22, "id": entropy.identifier(),
        }  # fmt: skip
        about = {"redirect_uri": CALLBACK, "nonce": "n-0S6", "code_challenge": create_s256_code_challenge(VERIFIER)}
        facts |= {name: value for name, value in changes.items() if name not in about}
        about |= {name: value for name, value in changes.items() if name in about}
        with app.app_context():
            return issue_code(AuthorizationCode(Grant(client_id=client_id, **facts), issued_at=now, **about))

    return make
