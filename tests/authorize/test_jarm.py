"""A signed answer (JARM) says to its client alone what the plain one would say, and nothing beside it."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask

from tests.authorize.conftest import CALLBACK, VERIFIER, Parties, Visitor, add_client, error_of, told_to
from tests.conftest import ISSUER, Browser, Clock
from tests.oidc.proofs import claims_in, header_of, verified


def response_in(answer: Any, mode: str) -> str:
    """Return the one parameter that a signed answer has."""
    if mode == "form_post":
        (form,) = Browser.forms(None, answer.text)  # type: ignore[arg-type]
        assert form.pop("") == CALLBACK
        form.pop("continue", None)
        assert set(form) == {"response"}
        return form["response"]
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["Location"])
    pairs = parse_qsl(parts.fragment if mode == "fragment" else parts.query)
    assert [name for name, _ in pairs] == ["response"]
    return pairs[0][1]


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("jwt", "query"), ("query.jwt", "query"), ("fragment.jwt", "fragment"), ("form_post.jwt", "form_post")],
)
def test_every_signed_mode_carries_one_token_ac_158(signed_in: Visitor, clock: Clock, asked: str, mode: str) -> None:
    listed = signed_in.browser.get("/.well-known/openid-configuration").json["response_modes_supported"]
    token = response_in(signed_in.ask(response_mode=asked), mode)
    claims, now = verified(signed_in.browser, token), int(clock().timestamp())

    assert asked in listed
    assert claims.pop("code")
    # JARM §2.1: iss, aud and exp always; "a maximum lifetime of 10 minutes".
    assert now < claims.pop("exp") <= now + 600
    assert claims == {"iss": ISSUER, "aud": "web", "state": "a state"}


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_the_registered_algorithm_signs_ac_158(app: Flask, signed_in: Visitor, alg: str) -> None:
    with app.app_context():
        add_client("bank", authorization_signed_response_alg=alg)
    listed = signed_in.browser.get("/.well-known/openid-configuration").json[
        "authorization_signing_alg_values_supported"
    ]
    token = response_in(signed_in.ask("bank", response_mode="jwt"), "query")

    assert alg in listed
    assert header_of(token)["alg"] == alg
    assert verified(signed_in.browser, token)["aud"] == "bank"


def test_an_error_is_signed_too(visitor: Visitor) -> None:
    token = response_in(visitor.ask(response_mode="jwt", prompt="none"), "query")
    claims = verified(visitor.browser, token)

    assert (claims["error"], claims["state"], claims["iss"]) == ("login_required", "a state", ISSUER)
    assert "code" not in claims


def test_a_cancelled_walk_is_answered_signed(visitor: Visitor, alice: str) -> None:
    token = response_in(visitor.walk(visitor.ask(response_mode="jwt"), alice, outcome="cancelled"), "query")

    assert verified(visitor.browser, token)["error"] == "access_denied"


def test_its_code_buys_tokens(signed_in: Visitor, parties: Parties) -> None:
    code = claims_in(response_in(signed_in.ask(response_mode="jwt"), "query"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    assert signed_in.browser.post("/token", data=form, auth=("web", parties.secret)).status_code == 200


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt", "fragment", "form_post"])
def test_a_client_that_may_not_have_it_is_told_in_the_usual_way_ac_99(signed_in: Visitor, mode: str) -> None:
    assert error_of(signed_in.ask("narrow", response_mode=mode)) == "invalid_request"


@pytest.mark.parametrize("mode", ["JWT", "query.jwt ", "web_message", "web_message.jwt", "cookie", "jwt.jwt"])
def test_a_mode_that_is_none_is_refused_ac_99(signed_in: Visitor, mode: str) -> None:
    assert error_of(signed_in.ask(response_mode=mode)) == "invalid_request"


def test_it_is_no_other_token_ac_160(signed_in: Visitor) -> None:
    """Signed by us with the type of ID tokens, and still neither a hint nor an access token."""
    token = response_in(signed_in.ask(response_mode="jwt"), "query")

    assert error_of(signed_in.ask(id_token_hint=token)) == "invalid_request"
    bearer = {"Authorization": f"Bearer {token}"}
    assert signed_in.browser.get("/userinfo", headers=bearer).status_code == 401


def test_a_request_without_it_is_answered_plainly(signed_in: Visitor) -> None:
    assert told_to(signed_in.ask())["code"]
