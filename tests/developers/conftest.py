"""Registered clients, and a provider that is a test environment or is not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.db import db
from idp.oidc import registration
from idp.settings import DeveloperSettings
from tests.conftest import Browser

CALLBACK = "https://rp.example.fr/callback"


@pytest.fixture
def allow(app: Flask) -> Iterator[Callable[..., None]]:
    """Return what sets the `developers` section for one test."""
    before = app.extensions["sesame"]["settings"]

    def change(**switches: bool) -> None:
        changed = before.model_copy(update={"developers": DeveloperSettings(**switches)})
        app.extensions["sesame"]["settings"] = changed

    yield change
    app.extensions["sesame"]["settings"] = before


@pytest.fixture
def add(app: Flask) -> Callable[..., str | None]:
    """Return a maker of clients that gives back the secret."""

    def make(client_id: str = "web", **changes: Any) -> str | None:
        asked = {
            "client_id": client_id,
            "name": "Service",
            "kind": "website",
            "redirect_uris": [CALLBACK],
            "scope": "openid profile",
            **changes,
        }
        with app.app_context():
            _, secret = registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
            db.session.commit()
        return secret

    return make


@pytest.fixture
def explained(http: Browser, allow: Callable[..., None], add: Callable[..., str | None]) -> Callable[[str], str]:
    """Return what sends a pasted request through the form and gives back the page."""
    allow(explain=True)
    add()

    def send(text: str) -> str:
        form = http.get("/docs/explain").text
        answer = http.submit(form, "/docs/explain#result", request=text)
        assert answer.status_code == 200
        return str(answer.text)

    return send
