"""An API demands a better sign-in (RFC 9470): it refuses, says what it wants, and the client comes back with it.

The API is a small Flask application of its own, with the house rules that `docs/howto/protect-an-api.md` gives.
"""

import re
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient

from idp import clock as idp_clock
from tests.authorize.conftest import CALLBACK, VERIFIER, Visitor, add_client, told_to
from tests.conftest import Clock

API = "https://payments.test/"
MFA = "urn:sesame:acr:mfa"


@pytest.fixture
def api(app: Flask) -> FlaskClient:
    """Return a resource server that shows payments to whoever signed in with two factors less than five minutes ago."""
    with app.app_context():
        _, secret = add_client("payments", kind="machine", redirect_uris=[], serves_resources=[API])
        add_client("shopper", resources=[API], auth_method="none", scope="openid")
    server, provider = Flask("payments"), app.test_client()

    @server.get("/payments")
    def payments() -> Any:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        told = provider.post("/introspect", data={"token": token}, auth=("payments", str(secret))).json
        if not told["active"] or told["aud"] != API:
            return Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if told["acr"] != MFA or int(idp_clock.now().timestamp()) - told["auth_time"] > 300:
            challenge = (
                'Bearer error="insufficient_user_authentication", error_description="A stronger sign-in is needed.", '
                f'acr_values="{MFA}", max_age="300"'
            )
            return Response(status=401, headers={"WWW-Authenticate": challenge})
        return jsonify(payments=[], sub=told["sub"])

    return server.test_client()


def token_of(visitor: Visitor, answer: Any) -> str:
    form = {
        "grant_type": "authorization_code", "code": told_to(answer)["code"], "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER, "client_id": "shopper",
    }  # fmt: skip
    return str(visitor.browser.post("/token", data=form).json["access_token"])


def call(api: FlaskClient, token: str) -> Any:
    return api.get("/payments", headers={"Authorization": f"Bearer {token}"})


def wanted_by(answer: Any) -> dict[str, str]:
    """Return what a challenge asks for, as the client's next request must say it (RFC 9470 §4)."""
    challenge = answer.headers["WWW-Authenticate"]
    assert answer.status_code == 401
    assert 'error="insufficient_user_authentication"' in challenge
    found = {name: re.search(rf'{name}="([^"]*)"', challenge) for name in ("acr_values", "max_age")}
    return {name: value[1] for name, value in found.items() if value}


def test_who_is_refused_signs_in_better_and_gets_through(api: FlaskClient, visitor: Visitor, alice: str) -> None:
    visitor.sign_in(alice)
    visitor.clock.step(seconds=10)
    weak = call(api, token_of(visitor, visitor.ask("shopper", scope="openid", resource=API)))

    again = visitor.ask("shopper", scope="openid", resource=API, **wanted_by(weak))
    demand = visitor.interaction(again).demand
    strong = token_of(visitor, visitor.walk(again, alice, acr=MFA))

    assert demand.wished_levels == (MFA,)
    assert call(api, strong).status_code == 200


def test_a_sign_in_that_has_grown_old_is_refused_and_made_anew(
    api: FlaskClient, visitor: Visitor, alice: str, clock: Clock
) -> None:
    visitor.sign_in(alice, MFA)
    clock.step(minutes=6)
    stale = call(api, token_of(visitor, visitor.ask("shopper", scope="openid", resource=API)))

    again = visitor.ask("shopper", scope="openid", resource=API, **wanted_by(stale))
    fresh = token_of(visitor, visitor.walk(again, alice, acr=MFA))

    assert call(api, fresh).status_code == 200


def test_a_token_for_another_api_is_refused_whatever_its_level_p_12(
    api: FlaskClient, visitor: Visitor, alice: str
) -> None:
    visitor.sign_in(alice, MFA)

    assert call(api, token_of(visitor, visitor.ask("shopper", scope="openid"))).status_code == 401
    assert 'error="invalid_token"' in call(api, "x").headers["WWW-Authenticate"]


def test_a_stronger_sign_in_that_is_there_already_is_enough(
    api: FlaskClient, visitor: Visitor, alice: str, clock: Clock
) -> None:
    visitor.sign_in(alice, MFA)
    clock.step(seconds=10)
    answer = visitor.ask("shopper", scope="openid", resource=API, acr_values=MFA, max_age=300)

    assert call(api, token_of(visitor, answer)).status_code == 200
