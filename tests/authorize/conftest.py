"""Relying parties, authorization requests, browsers that are signed in or have just walked through the sign-in."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from idp import clock as idp_clock
from idp import crypto, session
from idp.db import db
from idp.mfa.levels import find_level
from idp.oidc import registration
from idp.oidc.clients import Client, find_client
from idp.oidc.subjects import subject_for
from idp.session import SESSIONS, Proof
from idp.signin.interaction import INTERACTIONS, Interaction
from idp.state import state
from tests.conftest import ALICE_EMAIL, ISSUER, Browser, Clock, registered_before

CALLBACK = "https://rp.test/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
COOKIE = "__Host-sid"


def add_client(client_id: str, **asked: Any) -> tuple[Client, str | None]:
    """Register a client with every scope."""
    metadata = registration.metadata_from_form(
        {
            "client_id": client_id,
            "name": client_id.capitalize(),
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": ["https://rp.test/bye", "https://rp.test/bye?a=1"],
            "scope": "openid profile email",
            **asked,
        }
    )
    metadata.update({name: value for name, value in asked.items() if name in {"response_modes", "default_max_age"}})
    client, secret = registration.add_client(metadata, now=idp_clock.now())
    db.session.commit()
    return client, secret


@dataclass
class Parties:
    """The relying parties of the tests, and the secret of `web`."""

    secret: str


@pytest.fixture(autouse=True)
def parties(app: Flask) -> Parties:
    """Register `web` (ours), `shop` (another's), `mobile` (an app) and `narrow` (query only)."""
    with app.app_context():
        return cast(Parties, registered_before("authorize", _register_parties))


def _register_parties() -> Parties:
    _web, secret = add_client("web")
    add_client("shop", third_party=True, redirect_uris=["https://shop.test/cb"])
    add_client("mobile", kind="mobile", redirect_uris=["http://127.0.0.1/callback", "fr.caf.app:/callback"])
    add_client("narrow", response_modes=["query"], default_max_age=60)
    return Parties(str(secret))


@dataclass
class Visitor:
    """One browser at the authorization endpoint."""

    browser: Browser
    app: Flask
    clock: Clock

    def ask(self, client_id: Any = "web", method: str = "GET", **changes: Any) -> Any:
        """Send an authorization request; a parameter set to ``None`` is left out, a list is sent several times."""
        fields = request_fields(client_id, **changes)
        pairs = [(n, v) for n, value in fields.items() for v in (value if isinstance(value, list) else [value])]
        if method == "POST":
            return self.browser.post("/authorize", data=MultiDict(pairs))
        return self.browser.get("/authorize", query_string=MultiDict(pairs))

    def push(self, secret: str, client_id: str = "web", headers: Any = None, **changes: Any) -> Any:
        """Push an authorization request as a client with a secret."""
        fields = request_fields(client_id, **changes)
        fields.pop("client_id")
        return self.app.test_client().post("/par", data=fields, auth=(client_id, secret), headers=headers)

    def ask_by(self, request_uri: str, client_id: str = "web", **more: Any) -> Any:
        """Send the browser with the name of a pushed request."""
        return self.browser.get("/authorize", query_string={"client_id": client_id, "request_uri": request_uri, **more})

    def sign_in(self, account_id: str, acr: str = "urn:sesame:acr:2sv") -> None:
        """Give the browser a complete sign-in, made now."""
        level = find_level(acr)
        assert level is not None
        proofs = tuple(Proof(name, self.clock()) for name in sorted(level.proofs))
        old = self.browser.get_cookie(COOKIE, domain="idp.test")
        with self.app.app_context():
            cookie, _ = session.sign_in_session(
                old.value if old else None, account_id=account_id, proofs=proofs, acr=level.acr, amr=level.amr,
                device_label="test", now=self.clock(),
            )  # fmt: skip
            db.session.commit()
        self.browser.set_cookie(COOKIE, cookie, domain="idp.test", secure=True, httponly=True)

    def session(self) -> session.Session | None:
        """Return what this browser has proved."""
        cookie = self.browser.get_cookie(COOKIE, domain="idp.test")
        with self.app.app_context():
            return state.get(SESSIONS, crypto.fingerprint(cookie.value)) if cookie else None

    def walk(self, answer: Any, account_id: str, **changes: Any) -> Any:
        """End the walk that ``answer`` leads to as the sign-in pages would, and come back to `/authorize`."""
        interaction = self.interaction(answer)
        if changes.get("outcome", "done") == "done":
            self.sign_in(account_id, changes.pop("acr", "urn:sesame:acr:2sv"))
        finished = {"outcome": "done", "account_id": account_id, **changes}
        with self.app.app_context():
            state.change(INTERACTIONS, interaction.id, lambda old: replace(old, **finished))
        return self.browser.get(interaction.resume_url)

    def interaction(self, answer: Any) -> Interaction:
        """Return the sign-in that ``answer`` leads to."""
        assert answer.status_code == 303, answer.text
        parts = urlsplit(answer.headers["Location"]).path.split("/")
        assert parts[1] == "signin", answer.headers["Location"]
        with self.app.app_context():
            found = state.get(INTERACTIONS, parts[2])
        assert found is not None
        return found


def request_fields(client_id: Any = "web", **changes: Any) -> dict[str, Any]:
    """Return the parameters of a good request, with changes."""
    callbacks = {"shop": "https://shop.test/cb", "mobile": "http://127.0.0.1:4711/callback"}
    fields = {
        "client_id": client_id,
        "redirect_uri": callbacks.get(str(client_id), CALLBACK),
        "response_type": "code",
        "scope": "openid profile",
        "state": "a state",
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture
def visitor(app: Flask, http: Browser, clock: Clock) -> Visitor:
    return Visitor(http, app, clock)


@pytest.fixture
def new_visitor(app: Flask, new_browser: Callable[[], Browser], clock: Clock) -> Callable[[], Visitor]:
    return lambda: Visitor(new_browser(), app, clock)


@pytest.fixture
def signed_in(visitor: Visitor, alice: str) -> Visitor:
    """Return a browser in which Alice signed in ten seconds ago."""
    visitor.sign_in(alice)
    visitor.clock.step(seconds=10)
    return visitor


@pytest.fixture
def bob(app: Flask) -> str:
    """Return the id of a second account."""
    from idp.accounts import directory

    with app.app_context():
        account = directory.add_account(
            nir="2991399999002", password="another-horse-8-battery", email=ALICE_EMAIL, mobile=None, claims={}
        )
        db.session.commit()
        return str(account.id)


def told_to(answer: Any, redirect_uri: str = CALLBACK, mode: str = "query") -> dict[str, str]:
    """Return what an answer tells the relying party, after what holds for all of them: 303, no-store, `iss`."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["Location"]
    assert location.startswith(redirect_uri), location
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    parts = urlsplit(location)
    pairs = parse_qsl(parts.fragment if mode == "fragment" else parts.query, keep_blank_values=True)
    fields = dict(pairs)
    assert len(fields) == len(pairs)
    assert fields["iss"] == ISSUER
    return fields


def error_of(answer: Any, redirect_uri: str = CALLBACK) -> str:
    """Return the error that an answer tells, after what holds for all errors."""
    fields = told_to(answer, redirect_uri)
    assert "code" not in fields
    assert set(fields) <= {"error", "error_description", "error_uri", "state", "iss"}
    description = fields.get("error_description", "")
    assert description.isascii()
    assert not set(description) & {'"', "\\"}
    return fields["error"]


def assert_page(answer: Any, *statuses: int) -> None:
    """Hold an answer to a page of ours that leads nowhere."""
    assert answer.status_code in (statuses or (400,))
    assert "Location" not in answer.headers
    assert "data-reference" in answer.text


def subject(app: Flask, account_id: str, client_id: str = "web") -> str:
    """Return what a client calls an account."""
    with app.app_context():
        client = find_client(client_id)
        assert client is not None
        return subject_for(account_id, client)
