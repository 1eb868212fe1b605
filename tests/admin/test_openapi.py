"""The published OpenAPI document against what is really answered: no 5xx, nothing undocumented (schemathesis)."""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis import checks as known

from idp import clock as idp_clock
from idp import crypto, entropy
from idp.admin import actions
from idp.admin.actors import operator
from idp.admin.administrators import add_administrator
from idp.admin.api.openapi import PREFIX, openapi
from idp.admin.api.routes import ROUTES
from idp.admin.api.shape import Route
from idp.admin.roles import PERMISSIONS, ROLES
from idp.admin.tokens import AdminToken
from idp.db import db
from tests.admin.conftest import new_document
from tests.conftest import ISSUER

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "5"))
EVERY = list(HealthCheck)
CHECKS = [
    known.not_a_server_error,
    known.status_code_conformance,
    known.content_type_conformance,
    known.response_headers_conformance,
    known.response_schema_conformance,
    known.ignored_auth,
]


@pytest.fixture
def bearer(app: Flask) -> Iterator[str]:
    """Return a token that may do everything, and something to do it to."""
    value = f"sesame_admin_{entropy.token()}"
    with app.app_context():
        now = idp_clock.now()
        add_administrator("all", now, tuple(ROLES))
        token = AdminToken(
            id=entropy.identifier(), fingerprint=crypto.fingerprint(value), owner="all", label="x", is_service=True,
            scopes=list(PERMISSIONS), networks=["127.0.0.0/8"], created_at=now, expires_at=now + timedelta(days=1),
        )  # fmt: skip
        db.session.add(token)
        db.session.commit()
        actions.perform(operator("x"), "client.create", "shop", new_document(), now=now)
    return value


@pytest.fixture(scope="module")
def published(whole_app: Flask) -> Any:
    """Return the document as it is published, read once."""
    document = whole_app.test_client().get(f"{PREFIX}/openapi.json", base_url=ISSUER).json
    found = schemathesis.openapi.from_dict(document)
    found.app = whole_app
    return found


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as asked", "otherwise"])
def test_what_is_answered_is_what_is_documented(
    bearer: str, published: Any, route: Route, mode: GenerationMode
) -> None:
    """AC-213 for this interface: requests drawn from the document as it is published, and their opposite."""
    operation = published[PREFIX + route.path.replace("<", "{").replace(">", "}")][route.method]

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=EVERY)
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_out(case: Any) -> None:
        case.call_and_validate(base_url=ISSUER, headers={"Authorization": f"Bearer {bearer}"}, checks=CHECKS)

    if mode is GenerationMode.POSITIVE or route.body or "<" in route.path or route.query.model_fields:
        try_out()


def test_the_document_is_json_and_whole() -> None:
    text = json.dumps(openapi())

    assert "#/components/schemas/ClientDocument" in text
    assert "$defs" not in text
