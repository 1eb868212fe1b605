"""A client proves itself by the method that it registered, once per request."""

import base64
from typing import Any

import pytest
from flask import Flask

from idp.db import db
from idp.oidc.clients import ClientSecret
from tests.conftest import Browser, Clock
from tests.oidc.conftest import Client, Maker

CODE = {"grant_type": "authorization_code", "code": "x"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_a_wrong_secret_is_refused_with_a_challenge(web: Client) -> None:
    answer = web.http.post("/token", data=CODE, headers=basic("web", "wrong"))

    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_unknown_client_is_told_the_same(web: Client) -> None:
    unknown = web.http.post("/token", data=CODE, headers=basic("nobody", "wrong"))
    wrong = web.http.post("/token", data=CODE, headers=basic("web", "wrong"))

    assert (unknown.status_code, unknown.json) == (wrong.status_code, wrong.json)


def test_a_client_must_use_its_registered_method_p_37(web: Client, make_client: Maker, mobile: Client) -> None:
    post = make_client("post", auth_method="client_secret_post")

    refused = [
        web.http.post("/token", data={**CODE, "client_id": "web", "client_secret": web.secret}),
        web.http.post("/token", data={**CODE, "client_id": "web"}),
        web.http.post("/token", data=CODE, headers=basic("post", post.secret)),
        web.http.post("/token", data=CODE, headers=basic("app", "anything")),
    ]

    assert [answer.json["error"] for answer in refused] == ["invalid_client"] * 4


def test_client_secret_post_works_for_whoever_registered_it(
    make_client: Maker, make_code: Maker, http: Browser
) -> None:
    client = make_client("post", auth_method="client_secret_post")

    answer = http.post("/token", data={**CODE, "client_id": "post", "client_secret": client.secret})

    assert answer.json["error"] == "invalid_grant"


def test_two_methods_at_once_are_refused_p_80(web: Client) -> None:
    answer = web.http.post(
        "/token", data={**CODE, "client_id": "web", "client_secret": web.secret}, headers=basic("web", web.secret or "")
    )

    assert answer.json["error"] == "invalid_request"


def test_no_authentication_at_all_is_refused_p_14(http: Browser, app: Flask) -> None:
    assert http.post("/token", data=CODE).json["error"] == "invalid_client"


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic é",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    ],
)
def test_a_malformed_header_is_refused(web: Client, header: str) -> None:
    assert web.http.post("/token", data=CODE, headers={"Authorization": header}).status_code in {400, 401}


def test_both_halves_of_basic_are_form_decoded(make_client: Maker, http: Browser) -> None:
    client = make_client("a.b~c")

    answer = http.post("/token", data=CODE, headers=basic("a%2Eb%7Ec", client.secret))

    assert answer.json["error"] == "invalid_grant"


def test_a_client_id_that_differs_from_the_header_is_refused(web: Client) -> None:
    answer = web.http.post("/token", data={**CODE, "client_id": "other"}, headers=basic("web", web.secret or ""))

    assert answer.json["error"] == "invalid_request"


def test_guessing_a_secret_is_stopped_and_ends_by_itself_ac_129(web: Client, clock: Clock) -> None:
    for _ in range(20):
        web.http.post("/token", data=CODE, headers=basic("web", "wrong"))
    stopped = web.post("/token", **CODE)
    clock.step(minutes=6)
    later = web.post("/token", **CODE)

    assert stopped.json["error"] == "invalid_client"
    assert later.json["error"] == "invalid_grant"


def test_guessing_from_one_address_does_not_stop_the_client_elsewhere_ac_129(web: Client) -> None:
    for _ in range(25):
        web.http.post("/token", data=CODE, headers=basic("web", "wrong"), environ_base={"REMOTE_ADDR": "203.0.113.9"})

    assert web.post("/token", **CODE).json["error"] == "invalid_grant"


def test_the_database_holds_no_secret_ac_130(app: Flask, web: Client) -> None:
    with app.app_context():
        kept: Any = db.session.query(ClientSecret).one()

        assert web.secret not in (kept.fingerprint, str(kept.__dict__))
        assert len(kept.fingerprint) == 64
