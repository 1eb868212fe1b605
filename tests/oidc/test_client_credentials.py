"""A machine gets tokens for itself: nobody is behind them, and nobody's name is in them (RFC 6749 §4.4)."""

from typing import Any

import pytest
from flask import Flask

from idp.db import db
from idp.oidc import registration
from idp.oidc.clients import suspend_client
from tests.conftest import Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import verified

API = "https://api.test/"
GRANT = "client_credentials"


@pytest.fixture
def robot(make_client: Maker) -> Client:
    client: Client = make_client(
        "robot", kind="machine", redirect_uris=[], machine_scopes=["read", "write"], resources=[API],
        access_token_format="jwt",
    )  # fmt: skip
    return client


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def test_it_gets_what_is_its_own(robot: Client) -> None:
    answer = robot.post("/token", grant_type=GRANT)

    assert answer.status_code == 200
    assert answer.json["scope"] == "read write"
    assert answer.json["expires_in"] == 600
    assert not {"refresh_token", "id_token"} & answer.json.keys()
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_may_ask_for_less_and_for_an_api(robot: Client) -> None:
    token = robot.post("/token", grant_type=GRANT, scope="read read", resource=[API, API]).json["access_token"]
    claims = verified(robot.http, token)

    assert (claims["scope"], claims["aud"]) == ("read", API)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"scope": "read admin"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": "READ"}, "invalid_scope"),
        ({"resource": "https://other.test/"}, "invalid_target"),
        ({"resource": "api"}, "invalid_target"),
        ({"authorization_details": '[{"type":"payment"}]'}, "invalid_authorization_details"),
        ({"authorization_details": "["}, "invalid_authorization_details"),
    ],
)
def test_more_is_refused(robot: Client, more: dict[str, str], error: str) -> None:
    assert error_of(robot.post("/token", grant_type=GRANT, **more)) == (400, error)


def test_its_name_is_nobodys_p_27(robot: Client, web: Client, make_code: Maker) -> None:
    token = robot.post("/token", grant_type=GRANT).json["access_token"]
    claims = verified(robot.http, token)

    assert claims["sub"] == claims["client_id"] == "robot"
    assert not {"acr", "amr", "auth_time", "sid", "email", "name"} & claims.keys()
    assert robot.post("/introspect", token=token).json["sub"] == "robot"


def test_a_client_cannot_have_the_name_of_a_person_p_15_p_27(make_client: Maker, web: Client, make_code: Maker) -> None:
    """What a person is called is 43 characters of base64url; whoever knows one must not become it."""
    sub = web.userinfo(web.exchange(make_code()).json["access_token"]).json["sub"]

    with pytest.raises(registration.MetadataFault, match="client_id"):
        make_client(sub, kind="machine", redirect_uris=[], machine_scopes=["read"])


def test_it_is_no_good_at_userinfo_ac_144(robot: Client, make_client: Maker) -> None:
    """Neither with a scope that looks like it, nor for an audience that is ours."""
    bold = make_client("bold", kind="machine", redirect_uris=[], resources=["https://idp.test"], machine_scopes=["x"])

    answers = [
        robot.userinfo(robot.post("/token", grant_type=GRANT).json["access_token"]),
        robot.userinfo(robot.post("/token", grant_type=GRANT, resource=API).json["access_token"]),
        bold.userinfo(bold.post("/token", grant_type=GRANT, resource="https://idp.test").json["access_token"]),
    ]

    assert [answer.status_code in {401, 403} for answer in answers] == [True] * 3


def test_a_machines_scope_is_no_scope_of_persons(make_client: Maker) -> None:
    for scope in ("openid", "profile", "offline_access", "a b", 'a"', ""):
        with pytest.raises(registration.MetadataFault):
            make_client("robot", kind="machine", redirect_uris=[], machine_scopes=[scope])


def test_only_registered_and_proved_clients_get_any_p_14_ac_100(
    robot: Client, web: Client, mobile: Client, make_client: Maker
) -> None:
    public = make_client("public", kind="mobile", grant_types=["authorization_code", "client_credentials"])

    assert error_of(web.post("/token", grant_type=GRANT)) == (400, "unauthorized_client")
    assert error_of(mobile.post("/token", grant_type=GRANT)) == (400, "unauthorized_client")
    assert error_of(public.post("/token", grant_type=GRANT)) == (400, "unauthorized_client")
    nobody = robot.http.post("/token", data={"grant_type": GRANT, "client_id": "robot"})
    assert error_of(nobody) == (401, "invalid_client")


def test_a_suspended_machine_is_nobody_at_once_ac_138(
    app: Flask, robot: Client, make_client: Maker, clock: Clock
) -> None:
    server = make_client("server", kind="machine", redirect_uris=[], serves_resources=[API])
    token = robot.post("/token", grant_type=GRANT, resource=API).json["access_token"]
    before = server.post("/introspect", token=token).json["active"]
    with app.app_context():
        suspend_client("robot", clock())
        db.session.commit()

    assert before is True
    assert server.post("/introspect", token=token).json == {"active": False}
    assert error_of(robot.post("/token", grant_type=GRANT)) == (401, "invalid_client")


def test_it_revokes_its_own_token(robot: Client) -> None:
    token = robot.post("/token", grant_type=GRANT).json["access_token"]

    robot.post("/revoke", token=token)

    assert robot.post("/introspect", token=token).json == {"active": False}
