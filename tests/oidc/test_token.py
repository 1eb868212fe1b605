"""The token endpoint gives tokens for a code once, to the client that it was made for, and for nothing else."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet

from idp.accounts import directory
from idp.db import db
from idp.oidc.clients import suspend_client
from tests.conftest import ALICE_NIR, ISSUER, Browser, Clock
from tests.oidc.conftest import VERIFIER, Client, Maker


def claims_of(http: Browser, token: str) -> dict[str, Any]:
    """Verify a token with joserfc, independently of the library that signed it."""
    keys = KeySet.import_key_set(http.get("/jwks.json").json)
    return dict(jwt.decode(token, keys, algorithms=["RS256", "ES256"]).claims)


def test_a_code_buys_an_id_token_that_tells_the_truth(web: Client, make_code: Maker, clock: Clock) -> None:
    answer = web.exchange(make_code())

    assert answer.status_code == 200
    claims = claims_of(web.http, answer.json["id_token"])
    now = int(clock().timestamp())
    assert claims.pop("sub")
    assert claims.pop("sid")
    assert len(claims.pop("at_hash")) == 22
    assert claims == {
        "iss": ISSUER, "aud": "web", "iat": now, "exp": now + 600, "auth_time": now, "nonce": "n-0S6",
        "acr": "urn:sesame:acr:2sv", "amr": ["pwd", "otp"],
    }  # fmt: skip


def test_the_answer_is_json_that_nobody_keeps_ac_143(web: Client, make_code: Maker) -> None:
    answer = web.exchange(make_code())

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.mimetype == "application/json"
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 600


def test_the_at_hash_is_of_this_access_token(web: Client, make_code: Maker) -> None:
    import base64
    import hashlib

    answer = web.exchange(make_code()).json

    expected = (
        base64.urlsafe_b64encode(hashlib.sha256(answer["access_token"].encode()).digest()[:16]).decode().rstrip("=")
    )
    assert claims_of(web.http, answer["id_token"])["at_hash"] == expected


def test_a_client_may_have_its_tokens_signed_with_es256(make_client: Maker, make_code: Maker, http: Browser) -> None:
    client = make_client("ec", id_token_alg="ES256")

    token = client.exchange(make_code("ec")).json["id_token"]

    assert (
        jwt.decode(token, KeySet.import_key_set(http.get("/jwks.json").json), algorithms=["ES256"]).header["alg"]
        == "ES256"
    )


def test_a_public_client_redeems_its_code_with_the_verifier_alone(mobile: Client, make_code: Maker) -> None:
    assert mobile.exchange(make_code("app")).status_code == 200


def test_a_code_used_twice_buys_nothing_and_ends_what_it_bought_ac_124(web: Client, make_code: Maker) -> None:
    code = make_code()
    first = web.exchange(code).json

    second = web.exchange(code)

    assert (second.status_code, second.json["error"]) == (400, "invalid_grant")
    assert web.userinfo(first["access_token"]).status_code == 401
    assert web.refresh(first["refresh_token"]).json["error"] == "invalid_grant"


def test_a_code_replayed_much_later_still_ends_the_family(web: Client, make_code: Maker, clock: Clock) -> None:
    code = make_code()
    first = web.exchange(code).json
    clock.step(days=3)

    web.exchange(code)

    assert web.refresh(first["refresh_token"]).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "damage",
    [
        # The last character but one: of the last one, base64url uses four bits only, and "A" may stand there already.
        lambda c: c[:-2] + ("B" if c[-2] == "A" else "A") + c[-1],
        lambda c: c[:22] + "A" * 43,
        lambda c: c + "A",
        lambda c: "x",
    ],
)
def test_a_made_up_code_ends_nothing(web: Client, make_code: Maker, damage: Any) -> None:
    code = make_code()
    tokens = web.exchange(code).json

    web.exchange(damage(code))

    assert web.userinfo(tokens["access_token"]).status_code == 200
    assert web.refresh(tokens["refresh_token"]).status_code == 200


def test_one_code_redeemed_fifty_times_at_once_gives_one_set_of_tokens_at_most_and_they_are_dead_ac_125(
    app: Flask, web: Client, make_code: Maker, new_browser: Maker
) -> None:
    """Whoever came second means that the code has leaked (P-19): what the first one got ends, or is not given."""
    code = make_code()

    def redeem(_n: int) -> Any:
        return Client("web", web.secret, new_browser()).exchange(code)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(redeem, range(50)))

    won = [answer.json for answer in answers if answer.status_code == 200]
    assert len(won) <= 1
    assert {answer.json["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    for tokens in won:
        assert web.userinfo(tokens["access_token"]).status_code == 401
        assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_a_code_of_another_client_is_refused_and_burned_ac_126(
    web: Client, make_client: Maker, make_code: Maker
) -> None:
    code = make_code()
    thief = make_client("thief")

    stolen = thief.exchange(code)

    assert stolen.json["error"] == "invalid_grant"
    assert web.exchange(code).json["error"] == "invalid_grant"


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400), (61, 400)])
def test_a_code_lives_for_a_minute_ac_127(
    web: Client, make_code: Maker, clock: Clock, seconds: int, status: int
) -> None:
    code = make_code()
    clock.step(seconds=seconds)

    assert web.exchange(code).status_code == status


@pytest.mark.parametrize("uri", ["https://rp.example.fr/callback/", "https://rp.example.fr/other", None])
def test_the_redirect_uri_must_be_the_one_of_the_request_ac_128(web: Client, make_code: Maker, uri: str | None) -> None:
    assert web.exchange(make_code(), redirect_uri=uri).json["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", [None, "w" * 64, "short", "v" * 129, "v" * 63 + "é"])
def test_a_wrong_verifier_burns_the_code_ac_103(web: Client, make_code: Maker, verifier: str | None) -> None:
    code = make_code()

    wrong = web.exchange(code, code_verifier=verifier)
    right = web.exchange(code)

    assert wrong.json["error"] == "invalid_grant"
    assert right.json["error"] == "invalid_grant"


def test_a_verifier_without_a_challenge_is_refused_p_06(web: Client, make_code: Maker) -> None:
    assert web.exchange(make_code(code_challenge=None)).json["error"] == "invalid_grant"
    assert web.exchange(make_code(code_challenge=None), code_verifier=None).status_code == 200


@pytest.mark.parametrize(
    "grant_type", ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "AUTHORIZATION_CODE", "x"]
)
def test_grants_that_are_not_offered_are_unsupported_ac_10_ac_145(web: Client, grant_type: str) -> None:
    answer = web.post("/token", grant_type=grant_type, username="x", password="y")

    assert answer.json["error"] == "unsupported_grant_type"


def test_a_grant_that_the_client_did_not_register_is_refused_ac_100(make_client: Maker) -> None:
    client = make_client("plain", scope="openid")

    assert client.refresh("x").json["error"] == "unauthorized_client"


def test_no_id_token_without_openid(web: Client, make_code: Maker) -> None:
    assert "id_token" not in web.exchange(make_code(scopes=("profile",))).json


def test_no_refresh_token_for_a_client_without_that_grant(make_client: Maker, make_code: Maker) -> None:
    client = make_client("plain", scope="openid")

    assert "refresh_token" not in client.exchange(make_code("plain", scopes=("openid",))).json


def test_claims_asked_for_under_id_token_are_in_it_and_no_others(web: Client, make_code: Maker) -> None:
    token = web.exchange(make_code(id_token_claims=("given_name",))).json["id_token"]

    claims = claims_of(web.http, token)
    assert claims["given_name"] == "Alice"
    assert "email" not in claims


@pytest.mark.parametrize("status", ["disabled", "restricted"])
def test_a_disabled_account_gets_nothing_more_ac_138(
    app: Flask, web: Client, make_code: Maker, alice: str, clock: Clock, status: Any
) -> None:
    tokens, waiting = web.exchange(make_code()).json, make_code()
    with app.app_context():
        directory.set_status(alice, status, now=clock())
        db.session.commit()

    assert web.exchange(waiting).json["error"] == "invalid_grant"
    assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert web.userinfo(tokens["access_token"]).status_code == 401
    assert web.post("/introspect", token=tokens["access_token"]).json == {"active": False}


def test_a_suspended_client_gets_nothing_more_ac_204(app: Flask, web: Client, make_code: Maker, clock: Clock) -> None:
    tokens, waiting = web.exchange(make_code()).json, make_code()
    with app.app_context():
        suspend_client("web", clock())
        db.session.commit()

    assert web.exchange(waiting).json["error"] == "invalid_client"
    assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_client"
    assert web.userinfo(tokens["access_token"]).status_code == 401


def test_nothing_that_a_client_sees_holds_the_nir_ac_216(web: Client, make_code: Maker) -> None:
    import base64

    answer = web.exchange(make_code(scopes=("openid", "profile", "email", "phone", "address")))
    seen = (
        answer.text
        + web.userinfo(answer.json["access_token"]).text
        + web.post("/introspect", token=answer.json["access_token"]).text
    )
    seen += base64.urlsafe_b64decode(answer.json["id_token"].split(".")[1] + "==").decode()

    assert ALICE_NIR not in seen


def test_get_is_not_allowed_p_79(http: Browser) -> None:
    answer = http.get("/token")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


class TestTheForm:
    """RFC 6749 §3.2: parameters once, in the body, as a form."""

    def test_a_parameter_twice_is_refused_p_78(self, web: Client) -> None:
        answer = web.http.post(
            "/token", data={"grant_type": ["authorization_code", "password"]}, auth=("web", web.secret)
        )

        assert answer.json["error"] == "invalid_request"

    def test_parameters_in_the_address_are_refused_p_81(self, web: Client, make_code: Maker) -> None:
        answer = web.http.post(
            f"/token?code={make_code()}", data={"grant_type": "authorization_code"}, auth=("web", web.secret)
        )

        assert answer.json["error"] == "invalid_request"

    @pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
    def test_other_kinds_of_body_are_refused_ac_192(self, web: Client, kind: str) -> None:
        answer = web.http.post("/token", data=b"{}", content_type=kind, auth=("web", web.secret))

        assert answer.status_code == 415

    def test_an_empty_value_counts_as_absent(self, web: Client, make_code: Maker) -> None:
        assert web.exchange(make_code(), scope="").status_code == 200

    def test_a_missing_code_or_grant_type_is_named(self, web: Client) -> None:
        assert web.post("/token", grant_type="authorization_code").json["error"] == "invalid_request"
        assert web.post("/token").json["error"] == "invalid_request"

    @pytest.mark.parametrize(
        "body", [b"grant_type=%ff", b"grant_type=a%00b", b"grant_type=authorization_code&code=%00"]
    )
    def test_what_is_not_text_is_refused_ac_212(self, web: Client, body: bytes) -> None:
        answer = web.http.post(
            "/token", data=body, content_type="application/x-www-form-urlencoded", auth=("web", web.secret)
        )

        assert answer.status_code == 400

    def test_a_huge_body_is_refused_ac_205(self, web: Client) -> None:
        answer = web.http.post("/token", data={"code": "a" * 1_000_000}, auth=("web", web.secret))

        assert answer.status_code == 413

    def test_a_thousand_parameters_are_refused(self, web: Client) -> None:
        answer = web.http.post("/token", data={f"p{n}": "x" for n in range(1000)}, auth=("web", web.secret))

        assert answer.status_code == 400


def test_the_verifier_is_checked_against_the_whole_challenge() -> None:
    from idp.oidc.pkce import verifier_fits

    assert not verifier_fits(VERIFIER, VERIFIER)
