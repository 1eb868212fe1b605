"""Tokens that are bound to a key are good with a fresh proof of that key, for this request, and with nothing else."""

import json
import threading
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.conformance.keys import dpop_proof, new_key, public_jwk, rsa_key, sha256, sign, unsigned
from tests.conformance.keys import with_bad_signature as damaged
from tests.conftest import ISSUER, Browser, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import edwards_key, encode, forge, moment, proof_for, thumbprint

TOKEN = f"{ISSUER}/token"


@pytest.fixture
def robot(make_client: Maker) -> Client:
    """Return a machine whose tokens are bound to a key: the shortest way to a proof."""
    client: Client = make_client(
        "robot", kind="machine", redirect_uris=[], machine_scopes=["count"], dpop_bound_access_tokens=True
    )
    return client


def ask(robot: Client, proof: str | None) -> Any:
    return robot.post(
        "/token", headers=None if proof is None else {"DPoP": proof}, grant_type="client_credentials", scope="count"
    )


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def is_refused(answer: Any) -> bool:
    return error_of(answer) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("key", "alg"),
    [(new_key(), "ES256"), (rsa_key("dpop"), "PS256"), (edwards_key("ed"), "EdDSA"), (edwards_key("ed"), "Ed25519")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_algorithm_of_the_metadata_works_ac_158(robot: Client, key: Any, alg: str) -> None:
    listed = robot.http.get("/.well-known/openid-configuration").json["dpop_signing_alg_values_supported"]
    jwk = {name: value for name, value in key.as_dict(private=False).items() if name not in {"kid", "use"}}
    answer = ask(robot, forge({"typ": "dpop+jwt", "alg": alg, "jwk": jwk}, {"jti": "a", "iat": moment(), **GOOD}, key))

    assert set(listed) == {"ES256", "PS256", "EdDSA", "Ed25519"}
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "DPoP"


def test_a_client_that_must_bind_its_tokens_gets_none_without_a_proof_p_10(robot: Client) -> None:
    assert is_refused(ask(robot, None))


KEY = new_key()
GOOD = {"htm": "POST", "htu": TOKEN}


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"}, {"htm": "post"}, {"htm": None}, {"htm": ["POST"]},
        {"htu": f"{ISSUER}/userinfo"}, {"htu": f"{ISSUER}/token/"}, {"htu": "/token"}, {"htu": None}, {"htu": 7},
        {"htu": "http://idp.test/token"}, {"htu": "https://idp.test:444/token"}, {"htu": "https://idp.test:x/token"},
        {"htu": "https://idp.test@evil.test/token"}, {"htu": "https://evil.test@idp.test/token"},
        {"htu": "https://[idp.test/token"}, {"htu": "https://idp.test.evil.test/token"},
        {"jti": None}, {"jti": ""}, {"jti": 7}, {"jti": "j" * 257}, {"jti": "\ud800"},
        {"iat": None}, {"iat": "now"}, {"iat": True}, {"iat": 10**400}, {"iat": -(10**400)}, {"iat": 0},
    ],
    ids=lambda value: str(value)[:60].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_claim_that_is_wrong_is_refused(robot: Client, changes: dict[str, Any]) -> None:
    """RFC 9449 §4.3, points 8 to 11."""
    claims = {"jti": "one", "iat": moment(), **GOOD, **changes}

    assert is_refused(ask(robot, sign(claims, KEY, kid=None, typ="dpop+jwt", jwk=public_jwk(KEY))))


@pytest.mark.parametrize("htu", [f"{TOKEN}?a=b", f"{TOKEN}#x", "https://idp.test:443/token", "HTTPS://IDP.TEST/token"])
def test_query_fragment_and_the_usual_port_do_not_count(robot: Client, htu: str) -> None:
    assert ask(robot, dpop_proof(new_key(), "POST", htu)).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(-61, False), (-60, True), (-10, True), (10, True), (60, True), (61, False)]
)
def test_its_moment_is_now(robot: Client, seconds: int, accepted: bool) -> None:
    """RFC 9449 §11.1, and FAPI 2.0 §5.3.2.1-13: ten seconds ahead is a clock that is off."""
    answer = ask(robot, dpop_proof(new_key(), "POST", TOKEN, iat=moment(seconds=seconds)))

    assert answer.status_code == 200 if accepted else is_refused(answer)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"}, {"typ": None}, {"typ": "at+jwt"}, {"jwk": None}, {"jwk": "x"}, {"jwk": {"kty": "EC"}},
        {"jwk": KEY.as_dict(private=True)}, {"jwk": public_jwk(new_key())}, {"jwk": {"kty": "oct", "k": "eA"}},
        {"jwk": {**public_jwk(KEY), "crv": "P-384"}}, {"jwk": {**public_jwk(KEY), "use": "enc"}},
        {"jwk": {**public_jwk(KEY), "x": "AA"}}, {"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"}, {"pad": "p" * 9_000},
    ],
    ids=lambda value: " ".join(value),
)  # fmt: skip
def test_a_header_that_is_wrong_is_refused_ac_148_ac_150_ac_151(robot: Client, header: dict[str, Any]) -> None:
    claims = {"jti": "two", "iat": moment(), **GOOD}
    told = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY), **header}

    assert is_refused(
        ask(robot, forge({name: value for name, value in told.items() if value is not None}, claims, KEY))
    )


def test_a_proof_that_is_not_signed_or_badly_is_refused_ac_146_ac_147(robot: Client) -> None:
    claims = {"jti": "two", "iat": moment(), **GOOD}
    about = {"typ": "dpop+jwt", "jwk": public_jwk(KEY)}
    rsa, odd = rsa_key("dpop"), ECKey.generate_key("P-384")
    with pytest.warns(SecurityWarning):
        small = RSAKey.generate_key(1024)
    about_small = {"typ": "dpop+jwt", "alg": "PS256", "jwk": public_jwk(small)}

    answers = [
        ask(robot, unsigned(claims, **about)),
        ask(robot, damaged(dpop_proof(KEY, "POST", TOKEN))),
        ask(robot, dpop_proof(rsa, "POST", TOKEN, alg="RS256")),
        ask(robot, dpop_proof(odd, "POST", TOKEN, alg="ES384")),
        ask(robot, forge(about_small, claims, small)),
        ask(robot, "x"),
        ask(robot, ""),
        ask(robot, "a.b.c"),
        ask(robot, dpop_proof(KEY, "POST", TOKEN) + "," + dpop_proof(KEY, "POST", TOKEN)),
        ask(robot, dpop_proof(KEY, "POST", TOKEN) + "="),
    ]

    assert [is_refused(answer) for answer in answers] == [True] * 10


def test_an_x25519_key_signs_nothing(robot: Client) -> None:
    key = OKPKey.generate_key("X25519")
    head = encode(json.dumps({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": key.as_dict(private=False)}).encode())
    body = encode(json.dumps({"jti": "x", "iat": moment(), **GOOD}).encode())

    assert is_refused(ask(robot, f"{head}.{body}.{encode(b'0' * 64)}"))


def test_a_proof_counts_once_ac_132(robot: Client, clock: Clock) -> None:
    """Until its moment is over, to the last second in which it would still be taken (RFC 9449 §11.1)."""
    proof = dpop_proof(new_key(), "POST", TOKEN, iat=moment(seconds=60))

    first = ask(robot, proof)
    again = []
    for _ in range(3):
        again.append(ask(robot, proof))
        clock.step(seconds=60)

    assert first.status_code == 200
    assert all(map(is_refused, again))


def test_one_jti_twice_at_once_counts_once(robot: Client, new_browser: Any) -> None:
    proof = dpop_proof(new_key(), "POST", TOKEN)
    answers: list[Any] = []
    gate = threading.Barrier(8)

    def race(client: Client) -> None:
        gate.wait()
        answers.append(ask(client, proof))

    threads = [threading.Thread(target=race, args=(robot.via(new_browser()),)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


def test_the_same_jti_of_another_key_is_another_proof(robot: Client) -> None:
    answers = [ask(robot, dpop_proof(new_key(), "POST", TOKEN, jti="same")) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]


class TestNonces:
    """RFC 9449 §8: where settings demand it, a proof carries a nonce of ours."""

    def test_a_proof_without_one_learns_it_and_costs_nothing(
        self, web: Client, make_code: Maker, with_settings: Maker
    ) -> None:
        with_settings(dpop={"require_nonce": True})
        key, code = new_key(), make_code()

        refused = web.exchange(code, headers=proof_for(key))
        nonce = refused.headers["DPoP-Nonce"]
        taken = web.exchange(code, headers=proof_for(key, nonce=nonce))

        assert error_of(refused) == (400, "use_dpop_nonce")
        assert taken.status_code == 200
        assert taken.headers["DPoP-Nonce"] == nonce

    def test_a_nonce_ends_and_cannot_be_made_up(self, robot: Client, with_settings: Maker, clock: Clock) -> None:
        with_settings(dpop={"require_nonce": True})

        def said(nonce: Any) -> Any:
            return ask(robot, dpop_proof(new_key(), "POST", TOKEN, nonce=nonce))

        old = said(None).headers["DPoP-Nonce"]
        wrong = [said(nonce) for nonce in ("", "x", old[:-1], 7, [old], "é")]
        clock.step(minutes=5)
        before = said(old)
        clock.step(minutes=5)
        ended = said(old)

        assert [error_of(answer) for answer in wrong] == [(400, "use_dpop_nonce")] * 6
        assert before.status_code == 200
        assert before.headers["DPoP-Nonce"] != old
        assert error_of(ended) == (400, "use_dpop_nonce")

    def test_a_resource_says_so_with_a_challenge(self, web: Client, make_code: Maker, with_settings: Maker) -> None:
        key = new_key()
        token = web.exchange(make_code(), headers=proof_for(key)).json["access_token"]
        with_settings(dpop={"require_nonce": True})

        refused = web.userinfo(token, "DPoP", **proof_for(key, "/userinfo", "GET", token=token))
        nonce = refused.headers["DPoP-Nonce"]
        taken = web.userinfo(token, "DPoP", **proof_for(key, "/userinfo", "GET", token=token, nonce=nonce))

        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("DPoP ")
        assert 'error="use_dpop_nonce"' in refused.headers["WWW-Authenticate"]
        assert taken.status_code == 200

    def test_none_is_handed_out_where_none_is_demanded(self, robot: Client) -> None:
        assert "DPoP-Nonce" not in ask(robot, dpop_proof(new_key(), "POST", TOKEN)).headers


class TestAtAResource:
    """RFC 9449 §7: the scheme, the key and the token must all be the right ones."""

    def test_a_bound_token_needs_its_key_its_scheme_and_its_hash_p_10(self, web: Client, make_code: Maker) -> None:
        key = new_key()
        token = web.exchange(make_code(), headers=proof_for(key)).json["access_token"]

        def proof(of: Any = key, method: str = "GET", path: str = "/userinfo", **changes: Any) -> dict[str, str]:
            return proof_for(of, path, method, **{"token": token, **changes})

        refused = [
            web.userinfo(token),
            web.userinfo(token, "Bearer", **proof()),
            web.userinfo(token, "DPoP"),
            web.userinfo(token, "DPoP", **proof(new_key())),
            web.userinfo(token, "DPoP", **proof(token=None)),
            web.userinfo(token, "DPoP", **proof(token="x")),
            web.userinfo(token, "DPoP", **proof(ath=sha256(token) + "=")),
            web.userinfo(token, "DPoP", **proof(method="POST")),
            web.userinfo(token, "DPoP", **proof(path="/token")),
            web.http.post("/userinfo", data={"access_token": token}, headers=proof(method="POST")),
        ]
        taken = web.userinfo(token, "DPoP", **proof())

        assert [answer.status_code for answer in refused] == [401] * 10
        assert all("DPoP " in answer.headers["WWW-Authenticate"] for answer in refused)
        assert taken.status_code == 200

    def test_its_proof_counts_once_there_too(self, web: Client, make_code: Maker) -> None:
        key = new_key()
        token = web.exchange(make_code(), headers=proof_for(key)).json["access_token"]
        proof = proof_for(key, "/userinfo", "GET", token=token)

        assert web.userinfo(token, "DPoP", **proof).status_code == 200
        assert web.userinfo(token, "DPoP", **proof).status_code == 401

    def test_a_token_that_is_not_bound_is_a_bearer_token(self, web: Client, make_code: Maker) -> None:
        token = web.exchange(make_code()).json["access_token"]
        answer = web.userinfo(token, "DPoP", **proof_for(new_key(), "/userinfo", "GET", token=token))

        assert answer.status_code == 401

    def test_introspection_tells_what_it_is_bound_to(self, web: Client, make_code: Maker) -> None:
        key = new_key()
        token = web.exchange(make_code(), headers=proof_for(key)).json["access_token"]
        told = web.post("/introspect", token=token).json

        assert told["cnf"] == {"jkt": thumbprint(key)}
        assert told["token_type"] == "DPoP"

    def test_scripts_may_send_a_proof_and_read_the_nonce(self, http: Browser) -> None:
        preflight = http.options("/userinfo", headers={"Origin": "https://app.test"})

        assert "DPoP" in preflight.headers["Access-Control-Allow-Headers"]
        assert "DPoP-Nonce" in http.get("/userinfo").headers["Access-Control-Expose-Headers"]


class TestTheCode:
    """RFC 9449 §10: a code that was asked for with a key is redeemed with that key."""

    def test_only_the_promised_key_redeems_it(self, web: Client, make_code: Maker) -> None:
        key = new_key()

        assert web.exchange(make_code(dpop_jkt=thumbprint(key)), headers=proof_for(key)).status_code == 200
        assert error_of(web.exchange(make_code(dpop_jkt=thumbprint(key)))) == (400, "invalid_grant")
        stolen = web.exchange(make_code(dpop_jkt=thumbprint(key)), headers=proof_for(new_key()))
        assert error_of(stolen) == (400, "invalid_grant")

    def test_a_wrong_key_burns_it(self, web: Client, make_code: Maker) -> None:
        key = new_key()
        code = make_code(dpop_jkt=thumbprint(key))

        web.exchange(code, headers=proof_for(new_key()))

        assert error_of(web.exchange(code, headers=proof_for(key))) == (400, "invalid_grant")

    def test_a_proof_that_cannot_be_read_leaves_it_whole(self, web: Client, make_code: Maker) -> None:
        code = make_code()
        refused = web.exchange(code, headers={"DPoP": "x"})

        assert is_refused(refused)
        assert web.exchange(code).status_code == 200
