"""Administrators of several roles, four eyes on, and a client to work on."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.admin.actors import Actor
from idp.admin.administrators import add_administrator, find_administrator
from idp.admin.schema import ClientDocument, document_of, plain
from idp.db import db
from idp.oidc import clients, registration

BACK = "https://service.example.fr/retour"
Acting = Callable[[str], Actor]
ROLES = {
    "eve": ("editor",),
    "ada": ("approver",),
    "rose": ("role-admin",),
    "ruth": ("role-admin",),
    "rita": ("reader",),
    "kim": ("key-holder",),
    "sam": ("support",),
    "otto": ("auditor",),
    "olga": ("operator",),
    "both": ("editor", "approver"),
}


@pytest.fixture
def administrators(app: Flask) -> dict[str, str]:
    """Return the enrolment password of each administrator."""
    passwords = {}
    with app.app_context():
        for name, roles in ROLES.items():
            password = add_administrator(name, idp_clock.now(), roles)
            assert password
            passwords[name] = password
            db.session.commit()
    return passwords


@pytest.fixture
def acting(context: Flask, administrators: dict[str, str]) -> Acting:
    """Return who acts, with what they may do now."""

    def act(name: str) -> Actor:
        found = find_administrator(name)
        assert found is not None
        return Actor(name, found.permissions, "console", proved_at=idp_clock.now())

    return act


@pytest.fixture
def shop(app: Flask) -> str:
    """Register a client with a secret."""
    with app.app_context():
        asked = {"client_id": "shop", "name": "Boutique", "redirect_uris": [BACK], "scope": "openid"}
        registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
        db.session.commit()
    return "shop"


def document(client_id: str = "shop", **changes: Any) -> dict[str, Any]:
    """Return what is registered of a client, with changes."""
    client = clients.read_client(client_id)
    assert client is not None
    return {**plain(document_of(client)), **changes}


def new_document(**changes: Any) -> dict[str, Any]:
    """Return a document of a client that does not exist yet."""
    return plain(ClientDocument.model_validate({"name": "Nouveau", "redirect_uris": [BACK], **changes}))
