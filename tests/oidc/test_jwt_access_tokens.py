"""Access tokens that an API can read for itself (RFC 9068): signed, typed, dead here as soon as they are revoked."""

from typing import Any

import pytest
from flask import Flask

from idp.oidc.keys import key_ring
from tests.conformance.keys import ec_key, new_key, sign, unsigned, with_bad_signature
from tests.conftest import ISSUER, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import claims_in, forge, header_of, proof_for, thumbprint, verified

API = "https://api.test/"


@pytest.fixture
def reader(make_client: Maker) -> Client:
    client: Client = make_client("reader", access_token_format="jwt", resources=[API])
    return client


@pytest.fixture
def answer(reader: Client, make_code: Maker) -> dict[str, Any]:
    told: dict[str, Any] = reader.exchange(make_code("reader")).json
    return told


def test_it_says_what_rfc_9068_demands(reader: Client, answer: dict[str, Any], clock: Clock) -> None:
    token = answer["access_token"]
    claims, now = verified(reader.http, token), int(clock().timestamp())

    assert header_of(token)["typ"] == "at+jwt"
    assert {name: claims[name] for name in ("iss", "aud", "client_id", "iat", "exp", "scope", "acr", "amr")} == {
        "iss": ISSUER, "aud": ISSUER, "client_id": "reader", "iat": now, "exp": now + 600,
        "scope": "openid profile email", "acr": "urn:sesame:acr:2sv", "amr": ["pwd", "otp"],
    }  # fmt: skip
    assert claims["sub"] == claims_in(answer["id_token"])["sub"]
    assert claims["jti"]
    assert "nonce" not in claims


def test_two_are_never_alike(reader: Client, make_code: Maker) -> None:
    found = {claims_in(reader.exchange(make_code("reader")).json["access_token"])["jti"] for _ in range(3)}

    assert len(found) == 3


def test_it_works_at_userinfo_and_introspection(reader: Client, answer: dict[str, Any]) -> None:
    token = answer["access_token"]

    assert reader.userinfo(token).json["sub"] == claims_in(token)["sub"]
    assert reader.post("/introspect", token=token).json["active"] is True


def test_an_api_may_want_jwts_of_every_client(web: Client, make_client: Maker, make_code: Maker) -> None:
    caller = make_client("caller", resources=[API])
    plain = caller.exchange(make_code("caller", resources=(API,))).json["access_token"]
    make_client("server", kind="machine", redirect_uris=[], serves_resources=[API], access_token_format="jwt")

    token = caller.exchange(make_code("caller", resources=(API,))).json["access_token"]

    assert plain.count(".") == 0
    assert verified(caller.http, token)["aud"] == API
    assert caller.exchange(make_code("caller")).json["access_token"].count(".") == 0


def test_it_carries_what_it_is_bound_to(reader: Client, make_code: Maker) -> None:
    key = new_key()
    answer = reader.exchange(make_code("reader"), headers=proof_for(key)).json

    assert claims_in(answer["access_token"])["cnf"] == {"jkt": thumbprint(key)}
    assert answer["token_type"] == "DPoP"


def test_it_dies_when_revoked_or_when_its_code_comes_twice(reader: Client, make_code: Maker) -> None:
    code = make_code("reader")
    one, two = reader.exchange(make_code("reader")).json["access_token"], reader.exchange(code).json["access_token"]

    reader.post("/revoke", token=one)
    reader.exchange(code)

    assert [reader.userinfo(token).status_code for token in (one, two)] == [401, 401]
    assert [reader.post("/introspect", token=token).json for token in (one, two)] == [{"active": False}] * 2


def test_it_ends_ac_140(reader: Client, answer: dict[str, Any], clock: Clock) -> None:
    clock.step(minutes=10)

    assert reader.userinfo(answer["access_token"]).status_code == 401


def test_nothing_that_is_changed_or_made_up_is_one_ac_146_ac_147(
    app: Flask, reader: Client, answer: dict[str, Any]
) -> None:
    """Even a good signature of ours is not enough: what we did not issue is not kept, and unknown."""
    token = answer["access_token"]
    head, body, signature = token.split(".")
    claims, header = claims_in(token), header_of(token)
    with app.app_context():
        kid = key_ring().active["RS256"].kid

    forged = [
        unsigned(claims, typ="at+jwt"),
        f"{head}.{body}.",
        with_bad_signature(token),
        sign(claims, ec_key("foreign"), typ="at+jwt", kid=kid),
        forge({**header, "alg": "ES256"}, claims, ec_key("foreign")),
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.{signature[:-1]}",
        f"{token}.",
        claims["jti"],
        forge({"alg": "ES256"}, {"jti": "\ud800" * 65}, ec_key("foreign")),
        forge({"alg": "ES256"}, {"jti": "\0" * 65}, ec_key("foreign")),
        forge({"alg": "ES256"}, {"jti": ["a"] * 65}, ec_key("foreign")),
        forge({"alg": "ES256"}, [1], ec_key("foreign")),
        forge({"alg": "ES256"}, b"[" * 5_000, ec_key("foreign")),
        forge({"alg": "ES256"}, b"\xff", ec_key("foreign")),
    ]

    assert [reader.userinfo(one).status_code for one in forged] == [401] * 15
    assert [reader.post("/introspect", token=one).json for one in forged] == [{"active": False}] * 15
    assert reader.userinfo(token).status_code == 200


def test_other_tokens_of_ours_are_none_ac_160(reader: Client, answer: dict[str, Any]) -> None:
    assert reader.userinfo(answer["id_token"]).status_code == 401
    assert reader.userinfo(answer["refresh_token"]).status_code == 401
    assert reader.post("/introspect", token=answer["id_token"]).json == {"active": False}


def test_it_is_no_id_token_hint_ac_160(reader: Client, answer: dict[str, Any]) -> None:
    request = {
        "redirect_uri": "https://rp.example.fr/callback", "response_type": "code", "scope": "openid",
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    good = reader.post("/par", **request, id_token_hint=answer["id_token"])
    bad = reader.post("/par", **request, id_token_hint=answer["access_token"])

    assert good.status_code == 201
    assert (bad.status_code, bad.json["error"]) == (400, "invalid_request")
