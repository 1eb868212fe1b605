"""The PAR endpoint takes requests from clients that prove themselves, and checks them as `/authorize` would."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from idp.db import db
from tests.conformance.keys import ec_key, new_key
from tests.conftest import ISSUER, Browser, Clock
from tests.oidc.conftest import CALLBACK, Client, Maker
from tests.oidc.proofs import proof_for, request_object, thumbprint

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PREFIX = "urn:ietf:params:oauth:request_uri:"


def asked(**changes: Any) -> dict[str, Any]:
    fields = {
        "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s", "nonce": "n",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value is not None}


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def test_a_pushed_request_gets_a_name_of_128_bits_and_more_ac_108(web: Client) -> None:
    answers = [web.post("/par", **asked()) for _ in range(5)]

    names = [answer.json["request_uri"].removeprefix(PREFIX) for answer in answers]
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len(set(names)) == 5
    assert all(len(name) >= 43 for name in names)
    assert answers[0].json["request_uri"].startswith(PREFIX)


def test_it_lives_for_less_than_ten_minutes_and_nobody_keeps_the_answer_p_74(web: Client) -> None:
    answer = web.post("/par", **asked())

    assert 0 < answer.json["expires_in"] < 600
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.mimetype == "application/json"


def test_a_client_that_does_not_prove_itself_pushes_nothing_p_73(http: Browser, web: Client) -> None:
    nobody = http.post("/par", data=asked())
    wrong = http.post("/par", data=asked(), auth=("web", "x"))
    named_only = http.post("/par", data=asked(client_id="web"))

    assert [error_of(one) for one in (nobody, wrong, named_only)] == [(401, "invalid_client")] * 3


def test_another_client_may_not_be_named(web: Client, make_client: Maker) -> None:
    make_client("other")

    assert error_of(web.post("/par", **asked(client_id="other"))) == (400, "invalid_request")


def test_a_public_client_may_push_p_50(mobile: Client) -> None:
    assert mobile.post("/par", **asked()).status_code == 201


def test_only_post_is_answered_par_attempt_invalid_http_method(http: Browser) -> None:
    answers = [http.open("/par", method=method) for method in ("GET", "PUT", "DELETE")]

    assert [answer.status_code for answer in answers] == [405] * 3


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": PREFIX + "x"}, "invalid_request"),
        ({"request_uri": "https://rp.example.fr/object"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.test/"}, "invalid_request"),
        ({"redirect_uri": CALLBACK + "?x=1"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"id_token_hint": "x.y.z"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": '{"id_token":{"sub":{"value":"\\ud800"}}}'}, "invalid_request"),
        ({"resource": "https://api.test/"}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"request": "x"}, "invalid_request_object"),
        ({"state": "s" * 5_000}, "invalid_request"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_request_that_could_not_be_made_cannot_be_pushed_p_73_ac_102_ac_110(
    web: Client, changes: dict[str, Any], error: str
) -> None:
    assert error_of(web.post("/par", **asked(**changes))) == (400, error)


def test_a_parameter_is_pushed_once_ac_105_par_without_duplicate_parameters(web: Client) -> None:
    assert error_of(web.post("/par", **asked(state=["a", "b"]))) == (400, "invalid_request")
    assert error_of(web.http.post("/par?state=s", data=asked(), auth=("web", web.secret))) == (400, "invalid_request")


def test_a_client_without_the_code_grant_pushes_nothing_ac_100(make_client: Maker) -> None:
    machine = make_client("robot", kind="machine", redirect_uris=[])

    assert error_of(machine.post("/par", **asked())) == (400, "unauthorized_client")


def test_what_anybody_can_push_in_an_apps_name_is_limited_ac_208(
    mobile: Client, web: Client, with_settings: Maker, clock: Clock
) -> None:
    with_settings(throttle={"pushed_requests": 3})

    answers = [mobile.post("/par", **asked()).status_code for _ in range(5)]

    assert answers == [201, 201, 201, 429, 429]
    assert [web.post("/par", **asked()).status_code for _ in range(5)] == [201] * 5
    clock.step(minutes=6)
    assert mobile.post("/par", **asked()).status_code == 201


def _stored(app: Flask) -> str:
    """Return everything in the state store, as text."""
    with app.app_context():
        store = app.extensions["sesame"]["state"].store
        if hasattr(store, "_ask"):
            (keys,) = store._ask(("KEYS", "*"))
            return "".join(map(str, store._ask(("MGET", *keys)) if keys else ()))
        with store._engine.connect() as connection:
            return "".join(row.value for row in connection.execute(text("SELECT value FROM state_entries")))


def test_a_nir_that_is_pushed_as_a_hint_is_kept_nowhere_p_50_r9(app: Flask, web: Client, make_client: Maker) -> None:
    key = ec_key("signer")
    signer = make_client("signer", key=key)
    hint = "1991399999001"

    plain = web.post("/par", **asked(login_hint=hint))
    signed = signer.post("/par", request=request_object("signer", key, asked(login_hint=hint, client_id="signer")))

    assert (plain.status_code, signed.status_code) == (201, 201)
    assert hint not in _stored(app)


def test_a_hint_that_names_nobody_is_kept(app: Flask, web: Client) -> None:
    web.post("/par", **asked(login_hint="alice"))

    assert '"alice"' in _stored(app)


class TestTheKeyOfTheCode:
    """RFC 9449 §10.1: a proof at the PAR endpoint, or `dpop_jkt`, names the key that alone may redeem the code."""

    def test_proof_and_dpop_jkt_must_agree(self, web: Client) -> None:
        key = new_key()
        agreeing = web.post("/par", headers=proof_for(key, "/par"), **asked(dpop_jkt=thumbprint(key)))
        other = web.post("/par", headers=proof_for(key, "/par"), **asked(dpop_jkt=thumbprint(new_key())))

        assert agreeing.status_code == 201
        assert error_of(other) == (400, "invalid_dpop_proof")

    def test_a_bad_proof_is_refused_and_one_is_good_once(self, web: Client) -> None:
        proof = proof_for(new_key(), "/par")
        first = web.post("/par", headers=proof, **asked())
        again = web.post("/par", headers=proof, **asked())
        elsewhere = web.post("/par", headers=proof_for(new_key(), "/token"), **asked())

        assert first.status_code == 201
        assert [error_of(one) for one in (again, elsewhere)] == [(400, "invalid_dpop_proof")] * 2

    def test_a_nonce_is_demanded_and_handed_out_where_settings_say_so(self, web: Client, with_settings: Maker) -> None:
        with_settings(dpop={"require_nonce": True})
        key = new_key()

        refused = web.post("/par", headers=proof_for(key, "/par"), **asked())
        nonce = refused.headers["DPoP-Nonce"]
        taken = web.post("/par", headers=proof_for(key, "/par", nonce=nonce), **asked())

        assert error_of(refused) == (400, "use_dpop_nonce")
        assert taken.status_code == 201
        assert taken.headers["DPoP-Nonce"] == nonce


def test_the_metadata_names_the_endpoint(http: Browser) -> None:
    metadata = http.get("/.well-known/openid-configuration").json

    assert metadata["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"


def test_many_may_push_at_once(app: Flask, web: Client, new_browser: Any) -> None:
    answers: list[Any] = []
    gate = threading.Barrier(6)

    def push(client: Client) -> None:
        gate.wait()
        answers.append(client.post("/par", **asked()))

    threads = [threading.Thread(target=push, args=(web.via(new_browser()),)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert [one.status_code for one in answers] == [201] * 6
    assert len({one.json["request_uri"] for one in answers}) == 6
    with app.app_context():
        db.session.rollback()
