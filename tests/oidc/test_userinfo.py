"""UserInfo tells what the scopes allow, to whoever holds a living token, in the ways that RFC 6750 knows."""

from typing import Any

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from tests.conftest import ALICE_EMAIL, Browser, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.test_token import claims_of


@pytest.fixture
def answer(web: Client, make_code: Maker) -> dict[str, Any]:
    tokens: dict[str, Any] = web.exchange(make_code()).json
    return tokens


def test_the_sub_is_the_id_tokens_p_41(web: Client, answer: dict[str, Any]) -> None:
    assert web.userinfo(answer["access_token"]).json["sub"] == claims_of(web.http, answer["id_token"])["sub"]


def test_claims_follow_the_scopes(web: Client, make_code: Maker) -> None:
    little = web.userinfo(web.exchange(make_code(scopes=("openid",))).json["access_token"]).json
    more = web.userinfo(web.exchange(make_code(scopes=("openid", "email"))).json["access_token"]).json

    assert set(little) == {"sub"}
    assert more["email"] == ALICE_EMAIL
    assert more["email_verified"] is True
    assert "name" not in more


def test_a_claim_asked_for_by_name_comes_without_its_scope(web: Client, make_code: Maker) -> None:
    token = web.exchange(make_code(scopes=("openid",), userinfo_claims=("name", "nir"))).json["access_token"]

    told = web.userinfo(token).json
    assert told["name"] == "Alice Martin"
    assert set(told) == {"sub", "name"}


def test_nothing_told_is_null_or_empty(web: Client, make_code: Maker) -> None:
    token = web.exchange(make_code(scopes=("openid", "profile", "email", "phone", "address"))).json["access_token"]

    assert all(value not in (None, "", {}, []) for value in web.userinfo(token).json.values())


def test_the_token_may_come_in_the_header_of_a_post_or_in_its_body(web: Client, answer: dict[str, Any]) -> None:
    token = answer["access_token"]

    assert web.http.post("/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert web.http.post("/userinfo", data={"access_token": token}).status_code == 200


def test_the_scheme_may_be_written_in_any_case(web: Client, answer: dict[str, Any]) -> None:
    assert web.http.get("/userinfo", headers={"Authorization": f"bEaReR {answer['access_token']}"}).status_code == 200


def test_a_token_in_the_address_or_in_a_cookie_is_ignored_ac_139(web: Client, answer: dict[str, Any]) -> None:
    by_address = web.http.get(f"/userinfo?access_token={answer['access_token']}")
    by_cookie = web.http.get("/userinfo", headers={"Cookie": f"access_token={answer['access_token']}"})

    assert (by_address.status_code, by_cookie.status_code) == (401, 401)


def test_two_tokens_at_once_are_refused_ac_139(web: Client, answer: dict[str, Any]) -> None:
    token = answer["access_token"]

    both = web.http.post("/userinfo", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"})
    twice = web.http.get("/userinfo", headers=[("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")])

    assert (both.status_code, twice.status_code) == (400, 400)


def test_without_a_token_there_is_a_challenge_without_an_error(http: Browser, web: Client) -> None:
    refused = http.get("/userinfo")

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "error" not in refused.headers["WWW-Authenticate"]


def test_an_expired_or_made_up_token_is_invalid_ac_140(web: Client, answer: dict[str, Any], clock: Clock) -> None:
    clock.step(minutes=10)

    for token in (answer["access_token"], "x", "A" * 65, answer["id_token"]):
        refused = web.userinfo(token)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_a_token_without_openid_is_not_enough_ac_140(web: Client, make_code: Maker) -> None:
    token = web.exchange(make_code(scopes=("profile",))).json["access_token"]

    refused = web.userinfo(token)

    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


def test_a_refresh_token_is_no_access_token_ac_160(web: Client, answer: dict[str, Any]) -> None:
    assert web.userinfo(answer["refresh_token"]).status_code == 401


def test_two_sectors_have_two_names_for_one_person_ac_154(web: Client, make_client: Maker, make_code: Maker) -> None:
    other = make_client("other", redirect_uris=["https://other.example.fr/cb"])
    same = make_client("same", redirect_uris=["https://rp.example.fr/elsewhere"])
    mine = web.userinfo(web.exchange(make_code()).json["access_token"]).json["sub"]

    theirs = other.userinfo(other.exchange(make_code("other")).json["access_token"]).json["sub"]
    ours = same.userinfo(same.exchange(make_code("same")).json["access_token"]).json["sub"]

    assert mine != theirs
    assert mine == ours


def test_scripts_of_any_origin_may_call_without_credentials(web: Client) -> None:
    preflight = web.http.options("/userinfo", headers={"Origin": "https://spa.example.fr"})

    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in preflight.headers


def test_a_token_from_before_an_account_was_shut_stays_dead_when_it_is_given_back_ac_138(
    app: Flask, web: Client, make_code: Maker, alice: str, clock: Clock
) -> None:
    """Its session is long over, so nothing but the account itself can end it."""
    before = web.exchange(make_code(scopes=("openid", "offline_access"))).json
    clock.step(seconds=1)
    for status in ("restricted", "active"):
        with app.app_context():
            directory.set_status(alice, status, now=clock())
            db.session.commit()

    assert web.userinfo(before["access_token"]).status_code == 401
    assert web.post("/introspect", token=before["access_token"]).json == {"active": False}
    assert web.post("/introspect", token=before["refresh_token"]).json == {"active": False}
    assert web.refresh(before["refresh_token"]).json["error"] == "invalid_grant"
    clock.step(seconds=1)
    assert web.userinfo(web.exchange(make_code()).json["access_token"]).status_code == 200
