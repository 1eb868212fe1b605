"""A client that is registered with a lowest level lets nobody in below it, whatever its requests say."""

import json
from typing import Any

import pytest
from flask import Flask

from idp.oidc.registration import MetadataFault
from tests.authorize.conftest import CALLBACK, VERIFIER, Visitor, add_client, error_of, told_to
from tests.oidc.proofs import claims_in

MFA, LOW = "urn:sesame:acr:mfa", "urn:sesame:acr:2sv"


@pytest.fixture
def strict(app: Flask) -> None:
    with app.app_context():
        add_client("strict", minimum_acr=MFA, access_token_lifetime=120, id_token_lifetime=90)


def test_a_session_below_the_level_is_not_enough(visitor: Visitor, alice: str, strict: None) -> None:
    visitor.sign_in(alice, LOW)

    assert error_of(visitor.ask("strict", prompt="none")) == "login_required"
    walked = visitor.ask("strict")
    assert visitor.interaction(walked).demand.levels == (MFA,)


@pytest.mark.parametrize(("asked", "needed"), [(LOW, (MFA,)), ("phr", ("phr",)), (MFA, (MFA,))])
def test_a_request_may_ask_for_more_and_never_for_less(
    visitor: Visitor, alice: str, strict: None, asked: str, needed: tuple[str, ...]
) -> None:
    visitor.sign_in(alice, LOW)
    claims = json.dumps({"id_token": {"acr": {"essential": True, "value": asked}}})

    assert visitor.interaction(visitor.ask("strict", claims=claims)).demand.levels == needed


def test_who_is_above_it_comes_in_and_the_tokens_live_as_long_as_registered(
    visitor: Visitor, alice: str, app: Flask, strict: None
) -> None:
    with app.app_context():
        add_client("open", auth_method="none", minimum_acr=MFA, access_token_lifetime=120, id_token_lifetime=90)
    visitor.sign_in(alice, MFA)
    form = {
        "grant_type": "authorization_code", "code": told_to(visitor.ask("open"))["code"], "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER, "client_id": "open",
    }  # fmt: skip

    answer: dict[str, Any] = visitor.browser.post("/token", data=form).json

    claims = claims_in(answer["id_token"])
    assert answer["expires_in"] == 120
    assert claims["exp"] - claims["iat"] == 90
    assert claims["acr"] == MFA


@pytest.mark.parametrize(
    "asked",
    [{"minimum_acr": "root"}, {"access_token_lifetime": 601}, {"id_token_lifetime": 59}, {"id_token_lifetime": True},
     {"apple_apps": ["x"]}, {"android_apps": {"fr.example": ["AA"]}}, {"android_apps": {"x": []}}],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(context: Flask, asked: dict[str, Any]) -> None:
    with pytest.raises(MetadataFault):
        add_client("odd", **asked)
