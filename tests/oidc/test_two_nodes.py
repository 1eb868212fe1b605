"""Two processes over the same stores are one provider: what one issues the other redeems, what one used is used."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from idp import create_app
from idp.db import db
from idp.settings import Settings
from tests.conftest import ISSUER, Browser
from tests.oidc.conftest import CALLBACK, Client, Maker
from tests.oidc.proofs import ec_key, new_key, proof_for, verified


@pytest.fixture
def other_app(app: Flask, idp_settings: Settings) -> Iterator[Flask]:
    """Return a second node: an application of its own, with its own connections to the same stores."""
    second = create_app(idp_settings)
    second.test_client_class = Browser
    yield second
    with second.app_context():
        db.engine.dispose()
    second.extensions["sesame"]["state"].store.close()


@pytest.fixture
def other(other_app: Flask) -> Browser:
    return other_app.test_client()  # type: ignore[return-value]


def test_a_code_of_one_is_redeemed_at_the_other(web: Client, make_code: Maker, other: Browser) -> None:
    code = make_code()

    there = web.via(other).exchange(code)
    here = web.exchange(code)

    assert there.status_code == 200
    assert here.json["error"] == "invalid_grant"
    assert web.userinfo(there.json["access_token"]).status_code == 401, "the replay here ended what it bought there"


def test_tokens_of_one_work_and_end_at_the_other(web: Client, make_code: Maker, other: Browser) -> None:
    there, tokens = web.via(other), web.exchange(make_code(scopes=("openid", "offline_access"))).json

    assert verified(other, tokens["id_token"])["aud"] == "web"
    assert there.userinfo(tokens["access_token"]).status_code == 200
    refreshed = there.refresh(tokens["refresh_token"]).json
    assert web.post("/introspect", token=refreshed["access_token"]).json["active"] is True
    web.post("/revoke", token=refreshed["refresh_token"])
    assert there.userinfo(refreshed["access_token"]).status_code == 401


def test_a_request_pushed_to_one_is_answered_once_by_the_other(
    app: Flask, web: Client, other_app: Flask, alice: str
) -> None:
    from tests.authorize.conftest import Visitor
    from tests.conftest import Clock

    pushed = web.post(
        "/par", redirect_uri=CALLBACK, response_type="code", scope="openid", code_challenge="c" * 43,
        code_challenge_method="S256",
    ).json["request_uri"]  # fmt: skip
    here, there = (Visitor(node.test_client(), node, Clock()) for node in (app, other_app))  # type: ignore[arg-type]
    for one in (here, there):
        one.sign_in(alice)

    first, second = there.ask_by(pushed), here.ask_by(pushed)

    assert first.status_code == 303
    assert "code=" in first.headers["Location"]
    assert second.status_code == 400


def test_a_proof_that_one_took_the_other_refuses(make_client: Maker, other: Browser) -> None:
    robot = make_client("robot", kind="machine", redirect_uris=[], machine_scopes=["x"], dpop_bound_access_tokens=True)
    proof = proof_for(new_key())

    first = robot.post("/token", headers=proof, grant_type="client_credentials")
    again = robot.via(other).post("/token", headers=proof, grant_type="client_credentials")

    assert first.status_code == 200
    assert (again.status_code, again.json["error"]) == (400, "invalid_dpop_proof")


def test_an_assertion_that_one_took_the_other_refuses_ac_132(make_client: Maker, other: Browser) -> None:
    signer = make_client("signer", key=ec_key("signer"))
    form: dict[str, Any] = {
        "grant_type": "authorization_code", "code": "x", "client_assertion": signer.assertion(),
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }  # fmt: skip

    first, again = signer.http.post("/token", data=form), other.post("/token", data=form)

    assert (first.json["error"], again.json["error"]) == ("invalid_grant", "invalid_client")


def test_a_nonce_of_one_is_good_at_the_other(
    app: Flask, make_client: Maker, with_settings: Maker, other_app: Flask
) -> None:
    other_app.extensions["sesame"]["settings"] = with_settings(dpop={"require_nonce": True})
    robot = make_client("robot", kind="machine", redirect_uris=[], machine_scopes=["x"])
    key = new_key()

    nonce = robot.post("/token", headers=proof_for(key), grant_type="client_credentials").headers["DPoP-Nonce"]
    there = robot.via(other_app.test_client())  # type: ignore[arg-type]

    assert there.post("/token", headers=proof_for(key, nonce=nonce), grant_type="client_credentials").status_code == 200


def test_both_publish_the_same_keys_and_metadata(http: Browser, other: Browser) -> None:
    for path in ("/jwks.json", "/.well-known/openid-configuration"):
        assert http.get(path).json == other.get(path).json
    assert other.get("/.well-known/openid-configuration").json["issuer"] == ISSUER
