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
from tests.conformance.keys import Key, assertion, jwks
from tests.conftest import ISSUER, Browser

CALLBACK = "https://rp.example.fr/callback"
VERIFIER = "v" * 64
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Maker = Callable[..., Any]


class Client:
    """A registered client and what it needs to call the token endpoint."""

    def __init__(self, client_id: str, secret: str | None, http: Browser, key: Key | None = None) -> None:
        self.client_id = client_id
        self.secret = secret
        self.http = http
        self.key = key

    def post(self, path: str, *, headers: dict[str, str] | None = None, **form: Any) -> Any:
        """Post a form to an endpoint, proving itself by its registered method."""
        if self.key is not None:
            proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
            return self.http.post(path, data={**proof, **form}, headers=headers)
        if self.secret is None:
            return self.http.post(path, data={"client_id": self.client_id, **form}, headers=headers)
        return self.http.post(path, data=form, auth=(self.client_id, self.secret), headers=headers)

    def assertion(self, **changes: Any) -> str:
        """Return a client assertion of its own key."""
        assert self.key is not None
        return assertion(self.client_id, self.key, changes.pop("aud", ISSUER), **changes)

    def via(self, http: Browser) -> "Client":
        """Return the same client on another connection, for a thread of its own."""
        return Client(self.client_id, self.secret, http, self.key)

    def exchange(self, code: str, *, headers: dict[str, str] | None = None, **changes: Any) -> Any:
        """Redeem a code; a field given as ``None`` is left out."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        form = {name: value for name, value in {**form, **changes}.items() if value is not None}
        return self.post("/token", headers=headers, **form)

    def refresh(self, token: str, **more: Any) -> Any:
        """Use a refresh token."""
        return self.post("/token", grant_type="refresh_token", refresh_token=token, **more)

    def userinfo(self, token: str, scheme: str = "Bearer", **headers: str) -> Any:
        """Ask who is behind an access token."""
        return self.http.get("/userinfo", headers={"Authorization": f"{scheme} {token}", **headers})


@pytest.fixture
def make_client(app: Flask, http: Browser) -> Maker:
    """Return a maker of clients."""

    def make(client_id: str = "web", *, key: Key | None = None, **changes: Any) -> Client:
        if key is not None:
            changes = {"auth_method": "private_key_jwt", "jwks": jwks(key), **changes}
        asked = {
            "client_id": client_id, "name": "Service", "kind": "website", "redirect_uris": [CALLBACK],
            "scope": "openid profile email phone address offline_access", **changes,
        }  # fmt: skip
        with app.app_context():
            _, secret = registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
            db.session.commit()
        return Client(client_id, secret, http, key)

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
        about: dict[str, Any] = {
            "redirect_uri": CALLBACK, "nonce": "n-0S6", "code_challenge": create_s256_code_challenge(VERIFIER),
            "dpop_jkt": None,
        }  # fmt: skip
        facts |= {name: value for name, value in changes.items() if name not in about}
        about |= {name: value for name, value in changes.items() if name in about}
        with app.app_context():
            return issue_code(AuthorizationCode(Grant(client_id=client_id, **facts), issued_at=now, **about))

    return make
