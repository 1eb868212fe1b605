"""A request object counts as its client signed it, for us, for now; what is beside it does not (RFC 9101, AC-109)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from joserfc.jwk import OctKey

from tests.authorize.conftest import CALLBACK, Visitor, add_client, assert_page, error_of, request_fields, told_to
from tests.conformance.keys import ec_key, jwks, rsa_key, unsigned, with_bad_signature
from tests.conftest import ISSUER, Clock
from tests.oidc.proofs import assertion, dpop_proof, edwards_key, forge, moment, request_object, sign
from tests.strangers import Stranger

KEY, RSA, ED = ec_key("signer"), rsa_key("signer-rsa"), edwards_key("signer-ed")
KEYS = {"keys": [*jwks(KEY, RSA)["keys"], ED.as_dict(private=False)]}
AUTH = {"auth_method": "private_key_jwt", "jwks": KEYS}


@pytest.fixture(autouse=True)
def signers(app: Flask) -> None:
    """Register `signer`, who may sign its requests, and `bank`, whose profile is FAPI 2.0."""
    with app.app_context():
        add_client("signer", **AUTH)
        add_client("strict", require_signed_request_object=True, request_object_signing_alg="ES256", **AUTH)
        add_client("bank", security_profile="fapi2", dpop_bound_access_tokens=True, **AUTH)


def made(client_id: str = "signer", key: Any = KEY, *, changes: dict[str, Any] | None = None, **about: Any) -> str:
    return request_object(client_id, key, request_fields(client_id, **(changes or {})), **about)


def send(visitor: Visitor, token: str, client_id: str = "signer", **beside: Any) -> Any:
    return visitor.browser.get("/authorize", query_string={"client_id": client_id, "request": token, **beside})


def push(visitor: Visitor, token: str, client_id: str = "signer", **beside: Any) -> Any:
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion(client_id, KEY, ISSUER),
    }
    return visitor.app.test_client().post("/par", data={**proof, "request": token, **beside})


def refused_at(visitor: Visitor, token: str, client_id: str = "signer") -> list[str]:
    """Return what both ways in say of a request object: through the browser, and pushed."""
    browser = send(visitor, token, client_id, redirect_uri=CALLBACK)
    pushed = push(visitor, token, client_id)
    assert pushed.status_code == 400, pushed.text
    return [error_of(browser), pushed.json["error"]]


def test_what_is_signed_counts_and_what_is_beside_it_does_not_ac_109(signed_in: Visitor) -> None:
    """oidcc-ensure-request-object-with-redirect-uri, fapi2-…-ensure-different-state-inside-and-outside."""
    token = made(changes={"state": "in", "nonce": "in"})
    answer = send(
        signed_in, token, state="out", nonce="out", redirect_uri="https://evil.test/", response_type="token",
        scope="openid email", prompt="login", response_mode="form_post",
    )  # fmt: skip

    assert told_to(answer)["state"] == "in"


def test_a_state_outside_only_is_not_echoed(signed_in: Visitor) -> None:
    """fapi2-…-state-only-outside-request-object-not-used."""
    assert "state" not in told_to(send(signed_in, made(changes={"state": None}), state="out"))


def test_a_bad_redirect_uri_inside_is_shown_and_not_followed_p_02(signed_in: Visitor) -> None:
    assert_page(send(signed_in, made(changes={"redirect_uri": "https://evil.test/"}), redirect_uri=CALLBACK))
    assert_page(send(signed_in, made(changes={"redirect_uri": None}), redirect_uri=CALLBACK))


@pytest.mark.parametrize(
    ("key", "alg"),
    [(KEY, "ES256"), (RSA, "RS256"), (RSA, "PS256"), (ED, "EdDSA"), (ED, "Ed25519")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_listed_algorithm_works_ac_158(signed_in: Visitor, key: Any, alg: str) -> None:
    listed = signed_in.browser.get("/.well-known/openid-configuration").json
    claims = {**request_fields("signer"), "iss": "signer", "aud": ISSUER, "exp": moment(minutes=1)}
    token = forge({"alg": alg, "kid": key.kid, "typ": "oauth-authz-req+jwt"}, claims, key)

    assert set(listed["request_object_signing_alg_values_supported"]) == {"ES256", "RS256", "PS256", "EdDSA", "Ed25519"}
    assert told_to(send(signed_in, token))["code"]


@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "application/oauth-authz-req+jwt", "JWT", None])
def test_its_type_is_its_own_or_none(signed_in: Visitor, typ: str | None) -> None:
    assert told_to(send(signed_in, made(header={"typ": typ})))["code"]


def test_what_is_not_signed_by_the_client_is_refused_ac_146_ac_147_ac_149(visitor: Visitor) -> None:
    claims = {**request_fields("signer"), "iss": "signer", "aud": ISSUER}
    public = RSA.as_pem(private=False).decode().replace("-----", "=")
    foreign = ec_key("foreign")
    tokens = [
        unsigned(claims), unsigned(claims).replace("eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0"),
        with_bad_signature(made()), made(key=foreign), made(key=foreign, header={"kid": KEY.kid}),
        made(key=foreign, header={"kid": None, "jwk": foreign.as_dict(private=False)}),
        made(header={"kid": "../../dev/null"}), made(header={"kid": "' or 1=1 --"}), made(header={"kid": "k" * 5_000}),
        forge({"alg": "HS256", "kid": RSA.kid}, claims, OctKey.import_key(public)),
        forge({"alg": "HS256"}, claims, OctKey.import_key(KEY.thumbprint())),
        forge({"alg": "ES256", "kid": RSA.kid}, claims, KEY),
        forge({"alg": "RS512", "kid": RSA.kid}, claims, RSA),
        forge({"alg": "ES256", "kid": KEY.kid, "crit": ["exp"]}, claims, KEY),
        forge({"alg": "ES256", "kid": KEY.kid, "b64": False}, claims, KEY),
        forge({"alg": "ES256", "kid": KEY.kid, "zip": "DEF"}, claims, KEY),
        forge({"alg": ["ES256"], "kid": KEY.kid}, claims, KEY), forge({"alg": "ES256", "kid": 7}, claims, KEY),
        "x", "a.b.c", "....", made() + "=", made()[:-1], made() + ".x.y",
    ]  # fmt: skip

    assert [refused_at(visitor, token) for token in tokens] == [["invalid_request_object"] * 2] * len(tokens)


def test_a_jku_or_x5u_leads_nowhere_ac_148(signed_in: Visitor) -> None:
    canary = Stranger()
    try:
        url = f"http://127.0.0.1:{canary.port}/keys"
        for name in ("jku", "x5u"):
            foreign = forge(
                {"alg": "ES256", name: url, "kid": "new"},
                {**request_fields("signer"), "iss": "signer"},
                ec_key("foreign"),
            )
            assert refused_at(signed_in, foreign) == ["invalid_request_object"] * 2
    finally:
        canary.close()
    assert canary.seen == []


@pytest.mark.parametrize(
    "about",
    [
        {"iss": "web"}, {"iss": ["signer"]}, {"aud": "https://other.test"}, {"aud": f"{ISSUER}/"}, {"aud": []},
        {"aud": [f"{ISSUER}/token"]}, {"aud": {"x": ISSUER}}, {"client_id": "web"}, {"client_id": 7}, {"sub": "signer"},
        {"request": "x"}, {"request_uri": "https://rp.test/object"}, {"exp": 0}, {"exp": "soon"}, {"exp": True},
        {"nbf": "x"}, {"iat": "x"}, {"state": 7.5}, {"state": ["s"]}, {"state": {"s": 1}}, {"state": True},
        {"state": "a\0b"}, {"state": "\ud800"}, {"state": "s" * 5_000}, {"scope": ["openid"]},
        {"redirect_uri": [CALLBACK]},
        {"resource": 7}, {"resource": [7]}, {"resource": {"a": 1}}, {"claims": 7.5}, {"max_age": 10**30},
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_claim_that_is_wrong_is_refused(visitor: Visitor, about: dict[str, Any]) -> None:
    claims = {**request_fields("signer"), "iss": "signer", "aud": ISSUER, "exp": moment(minutes=4), **about}
    token = forge({"alg": "ES256", "kid": KEY.kid, "typ": "oauth-authz-req+jwt"}, claims, KEY)

    assert refused_at(visitor, token) == ["invalid_request_object"] * 2


@pytest.mark.parametrize("body", [b"[]", b"{}x", b"\xff", b"[" * 9_000, b'{"state":1e999}', b'{"a":1,"a":2}', b""])
def test_what_is_no_object_is_refused_ac_118(visitor: Visitor, body: bytes) -> None:
    token = forge({"alg": "ES256", "kid": KEY.kid}, body, KEY)

    assert refused_at(visitor, token) == ["invalid_request_object"] * 2


@pytest.mark.parametrize(
    ("about", "is_good"),
    [
        ({"exp": 299}, True), ({"exp": 331}, False), ({"exp": 0}, False), ({"exp": -1}, False), ({"nbf": 8}, True),
        ({"nbf": 61}, False), ({"iat": 61}, False), ({"iat": 8}, True), ({"nbf": -3_599}, True),
        ({"nbf": -3_601}, False),
    ],
    ids=str,
)  # fmt: skip
def test_its_times_are_those_of_now(signed_in: Visitor, about: dict[str, int], is_good: bool) -> None:
    """fapi2-…-ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted, -exp-over-60, -nbf-over-60."""
    token = made(**{name: moment(seconds=seconds) for name, seconds in about.items()})

    if is_good:
        assert told_to(send(signed_in, token))["code"]
    else:
        assert refused_at(signed_in, token) == ["invalid_request_object"] * 2


def test_other_tokens_of_the_client_are_no_request_ac_160(visitor: Visitor) -> None:
    tokens = [
        assertion("signer", KEY, ISSUER),
        dpop_proof(KEY, "POST", f"{ISSUER}/par"),
        sign({**request_fields("signer"), "iss": "signer"}, KEY, typ="client-authentication+jwt"),
        sign({**request_fields("signer"), "iss": "signer"}, KEY, typ="dpop+jwt"),
        sign({**request_fields("signer"), "iss": "signer"}, KEY, typ="logout+jwt"),
    ]

    assert [refused_at(visitor, token) for token in tokens] == [["invalid_request_object"] * 2] * len(tokens)


def test_a_request_object_is_no_assertion_ac_160(visitor: Visitor) -> None:
    form = {
        "grant_type": "authorization_code", "code": "x", "client_id": "signer",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }  # fmt: skip
    for token in (made(), made(sub="signer"), made(sub="signer", header={"typ": "JWT"}, iss="web")):
        answer = visitor.browser.post("/token", data={**form, "client_assertion": token})

        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_a_client_without_keys_signs_nothing(visitor: Visitor) -> None:
    assert error_of(send(visitor, made("web"), "web", redirect_uri=CALLBACK)) == "invalid_request_object"


def test_another_clients_object_is_refused(visitor: Visitor) -> None:
    assert error_of(send(visitor, made("strict"), redirect_uri=CALLBACK)) == "invalid_request_object"


class TestTheProfiles:
    """What a registration and FAPI 2.0 demand beyond RFC 9101."""

    def test_who_must_sign_sends_nothing_unsigned(self, signed_in: Visitor) -> None:
        """fapi2-…-ensure-unsigned-request-at-par-endpoint-fails."""
        bare = request_fields("strict")
        bare.pop("client_id")
        proof = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion("strict", KEY, ISSUER),
        }
        pushed = signed_in.app.test_client().post("/par", data={**proof, **bare})

        assert error_of(signed_in.ask("strict")) == "invalid_request"
        assert (pushed.status_code, pushed.json["error"]) == (400, "invalid_request")
        assert told_to(send(signed_in, made("strict"), "strict"))["code"]

    def test_only_the_registered_algorithm_counts(self, visitor: Visitor) -> None:
        assert refused_at(visitor, made("strict", RSA), "strict") == ["invalid_request_object"] * 2

    @pytest.mark.parametrize("missing", ["exp", "nbf", "aud", "iss"])
    def test_fapi_wants_all_of_them(self, visitor: Visitor, missing: str) -> None:
        good, bad = push(visitor, made("bank"), "bank"), push(visitor, made("bank", **{missing: None}), "bank")

        assert good.status_code == 201, good.text
        assert (bad.status_code, bad.json["error"]) == (400, "invalid_request_object")

    def test_fapi_refuses_rs256_p_76(self, visitor: Visitor) -> None:
        """fapi2-…-ensure-signed-request-object-with-RS256-fails."""
        token = made("bank", RSA, alg="RS256")

        assert push(visitor, token, "bank").json["error"] == "invalid_request_object"

    def test_fapi_pushes_signed_or_not_but_never_through_the_browser_p_73(self, visitor: Visitor) -> None:
        assert error_of(send(visitor, made("bank"), "bank", redirect_uri=CALLBACK)) == "invalid_request"


def test_a_pushed_object_keeps_what_it_says(signed_in: Visitor) -> None:
    name = push(signed_in, made(changes={"state": "in"}), state="out", scope="openid email").json["request_uri"]

    assert told_to(signed_in.ask_by(name, "signer"))["state"] == "in"


class TestOnce:
    """Design §4: a request object's `jti` counts once; looking at the page uses nothing up."""

    def test_reading_the_page_twice_is_no_second_use(self, visitor: Visitor, alice: str) -> None:
        token = made()

        first, second = send(visitor, token), send(visitor, token)

        assert first.status_code == second.status_code == 303
        assert told_to(visitor.walk(second, alice))["code"]

    def test_an_answer_uses_it_up(self, visitor: Visitor, alice: str) -> None:
        token = made()
        early = send(visitor, token)
        assert told_to(visitor.walk(send(visitor, token), alice))["code"]

        assert error_of(visitor.walk(early, alice)) == "invalid_request_object"
        assert error_of(send(visitor, token, redirect_uri=CALLBACK)) == "invalid_request_object"

    def test_a_refusal_uses_it_up_too(self, visitor: Visitor, alice: str) -> None:
        token = made()
        assert error_of(visitor.walk(send(visitor, token), alice, outcome="cancelled")) == "access_denied"

        assert error_of(send(visitor, token, redirect_uri=CALLBACK)) == "invalid_request_object"

    def test_pushing_uses_it_up(self, signed_in: Visitor) -> None:
        token = made()
        pushed = push(signed_in, token)

        assert push(signed_in, token).json["error"] == "invalid_request_object"
        assert error_of(send(signed_in, token, redirect_uri=CALLBACK)) == "invalid_request_object"
        assert told_to(signed_in.ask_by(pushed.json["request_uri"], client_id="signer"))["code"]

    def test_a_push_that_is_refused_for_another_fault_leaves_it(self, signed_in: Visitor) -> None:
        bad = push(signed_in, made(jti="one", changes={"scope": "email"}))

        assert bad.json["error"] == "invalid_scope"
        assert push(signed_in, made(jti="one")).status_code == 201

    def test_of_many_pushes_at_once_one_is_kept(self, visitor: Visitor) -> None:
        token = made()

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _n: push(visitor, token).status_code, range(6)))

        assert sorted(answers) == [201, 400, 400, 400, 400, 400]

    def test_the_same_name_of_two_clients_is_two(self, app: Flask, signed_in: Visitor) -> None:
        with app.app_context():
            add_client("other", **AUTH)

        assert [push(signed_in, made(name, jti="one"), name).status_code for name in ("signer", "other")] == [201, 201]

    @pytest.mark.parametrize("jti", ["", 7, ["a"], "x" * 257])
    def test_a_name_that_is_none_is_refused(self, visitor: Visitor, jti: Any) -> None:
        assert refused_at(visitor, made(jti=jti)) == ["invalid_request_object"] * 2


def test_numbers_and_objects_may_be_what_they_are(signed_in: Visitor, clock: Clock) -> None:
    """RFC 9101 §4: numbers "MUST be included as JSON numbers"; `claims` is an object (OpenID Connect Core §6.1)."""
    changes = {"max_age": 3600, "claims": {"userinfo": {"name": {"essential": True}}}}

    assert told_to(send(signed_in, made(changes=changes)))["code"]


class TestRemoteObjects:
    """OpenID Connect Core §6.2, for certification only: nothing is fetched that is not registered (AC-107, P-43)."""

    @pytest.fixture
    def canary(self) -> Iterator[Stranger]:
        stranger = Stranger()
        yield stranger
        stranger.close()

    def test_without_the_setting_nothing_is_fetched_p_43(self, app: Flask, visitor: Visitor, canary: Stranger) -> None:
        url = f"http://127.0.0.1:{canary.port}/object"
        answer = visitor.browser.get(
            f"/authorize?client_id=web&redirect_uri={quote(CALLBACK, safe='')}&request_uri={quote(url, safe='')}"
        )

        assert error_of(answer) == "request_uri_not_supported"
        assert canary.seen == []

    def test_with_it_an_address_inside_is_not_fetched_either_ac_168(
        self, app: Flask, visitor: Visitor, canary: Stranger, with_settings: Callable[..., Any], tmp_path: Path
    ) -> None:
        with_settings(certification={"remote_request_uri": True})
        urls = [f"https://127.0.0.1:{canary.port}/o", f"http://localhost:{canary.port}/o", "https://169.254.169.254/x"]
        with app.app_context():
            add_client("remote", request_uris=urls, **AUTH)

        for url in [*urls, "https://rp.test/not-registered", "file:///etc/passwd", "gopher://127.0.0.1:6379/x"]:
            answer = visitor.browser.get(
                "/authorize", query_string={"client_id": "remote", "redirect_uri": CALLBACK, "request_uri": url}
            )
            assert error_of(answer) == "invalid_request_uri", url
        assert canary.seen == []
