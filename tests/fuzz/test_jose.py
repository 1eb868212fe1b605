"""No forged token is ever believed, and none makes the provider stumble: at every place that takes one (AC-146..151).

`make fuzz` goes on for ten minutes; within the other tests it is a moment. A forgery that hypothesis finds is made as
small as can be before it is shown.
"""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from idp.oidc.keys import key_ring
from tests.authorize.conftest import CALLBACK, request_fields, told_to
from tests.conformance.keys import Key, assertion, dpop_proof, ec_key, jwks, rsa_key
from tests.conftest import ISSUER, Browser
from tests.fuzz.forgeries import Forgery, Genuine, forgeries
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import claims_in, header_of, request_object

Send = Callable[[str], Any]
KEYS: list[Key] = [ec_key("fuzzed"), rsa_key("fuzzed")]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Place:
    """A place that takes tokens: how a good one is made, how any is sent, and when one was believed."""

    def __init__(
        self,
        make: Callable[[], str],
        send: Send,
        is_believed: Callable[[Any], bool],
        carried: Callable[[str], str] | None = None,
        **known: Any,
    ) -> None:
        self.make, self.send, self.is_believed, self.known = make, send, is_believed, known
        self.carried = carried or in_form

    def genuine(self) -> Genuine:
        text = self.make()
        return Genuine(header_of(text), claims_in(text), text, **self.known)


@pytest.fixture(params=KEYS, ids=["EC", "RSA"])
def key(request: pytest.FixtureRequest) -> Key:
    """Return the key that signs the genuine tokens."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def patient(with_settings: Maker) -> None:
    """Let a client fail as often as it likes: what is tried here is not how soon it is stopped."""
    with_settings(throttle={"client_failures": 10**9})


def client_known(key: Key) -> dict[str, Any]:
    return {"key": key, "public_pem": key.as_pem(private=False).decode()}


def provider_known(app: Flask) -> dict[str, Any]:
    """Return what is known of the provider's own key: its public half."""
    with app.app_context():
        jwk = dict(key_ring().active["RS256"].public_jwk)
    return {"public_pem": RSAKey.import_key(jwk).as_pem(private=False).decode(), "types": {"jwt"}}


def fuzz(place: Place, for_a_while: Callable[[Callable[[], None]], int]) -> None:
    """Try forgeries on a place: never a 5xx, never believed unless nothing is wrong with it."""
    assert place.is_believed(place.send(place.make())), "the genuine one must be believed, or nothing is tried here"

    @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one_round(data: st.DataObject) -> None:
        genuine = place.genuine()
        forgery: Forgery = data.draw(forgeries(genuine))
        text = place.carried(forgery.text)
        answer = place.send(text)

        assert answer.status_code < 500, forgery
        assert forgery.may_pass or text == genuine.text or not place.is_believed(answer), forgery

    assert for_a_while(one_round) > 0


def in_form(text: str) -> str:
    """Return what a form carries of a token: text without lone surrogates, and something."""
    return text.encode("utf-8", "replace").decode() or "x"


def in_header(text: str) -> str:
    """Return what a header line carries of a token: no control characters, nothing outside Latin-1, no outer space."""
    return "".join(char for char in text if " " <= char <= "ÿ" and char != "\x7f").strip()


def test_client_assertions(app: Flask, make_client: Maker, http: Browser, key: Key, for_a_while: Any) -> None:
    make_client("fuzzed", auth_method="private_key_jwt", jwks=jwks(key))

    def send(text: str) -> Any:
        form = {"grant_type": "authorization_code", "code": "x", "client_assertion_type": ASSERTION_TYPE}
        return http.post("/token", data={**form, "client_assertion": text})

    fuzz(
        Place(
            lambda: assertion("fuzzed", key, ISSUER), send, lambda answer: answer.json["error"] == "invalid_grant",
            essential={"iss", "sub", "aud", "exp", "jti"}, types={"", "jwt", "client-authentication+jwt"},
            **client_known(key),
        ),
        for_a_while,
    )  # fmt: skip


def strict_client(make_client: Maker, key: Key) -> Client:
    client: Client = make_client(
        "fuzzed", key=key, redirect_uris=[CALLBACK], security_profile="fapi2", dpop_bound_access_tokens=True
    )
    return client


def asked(key: Key) -> str:
    return request_object("fuzzed", key, request_fields("fuzzed", prompt="none"))


REQUEST_CLAIMS = {
    "iss",
    "aud",
    "exp",
    "nbf",
    "redirect_uri",
    "response_type",
    "code_challenge",
    "code_challenge_method",
}
REQUEST_TYPES = {"", "jwt", "oauth-authz-req+jwt"}


def test_request_objects_that_are_pushed(make_client: Maker, key: Key, for_a_while: Any) -> None:
    client = strict_client(make_client, key)

    fuzz(
        Place(
            lambda: asked(key), lambda text: client.post("/par", request=text),
            lambda answer: answer.status_code == 201,
            essential=REQUEST_CLAIMS, types=REQUEST_TYPES, **client_known(key),
        ),
        for_a_while,
    )  # fmt: skip


def test_request_objects_in_the_browser(make_client: Maker, http: Browser, key: Key, for_a_while: Any) -> None:
    """Without a session a good request with `prompt=none` answers `login_required`."""
    make_client("fuzzed", auth_method="private_key_jwt", jwks=jwks(key), redirect_uris=[CALLBACK])

    def send(text: str) -> Any:
        return http.post("/authorize", data={"client_id": "fuzzed", "request": text})

    def is_believed(answer: Any) -> bool:
        return "/signin/" in answer.headers.get("Location", "") or "error=login_required" in answer.headers.get(
            "Location", ""
        )

    fuzz(
        Place(
            lambda: asked(key), send, is_believed, essential={"redirect_uri", "response_type", "code_challenge"},
            types=REQUEST_TYPES, **client_known(key),
        ),
        for_a_while,
    )  # fmt: skip


def test_dpop_proofs(make_client: Maker, key: Key, for_a_while: Any) -> None:
    robot = make_client("robot", kind="machine", redirect_uris=[], machine_scopes=["x"], dpop_bound_access_tokens=True)

    fuzz(
        Place(
            lambda: dpop_proof(key, "POST", f"{ISSUER}/token"),
            lambda text: robot.post("/token", headers={"DPoP": text}, grant_type="client_credentials"),
            lambda answer: answer.status_code == 200,
            essential={"htm", "htu", "iat", "jti"}, types={"dpop+jwt"}, carried=in_header, is_kid_ignored=True,
            **client_known(key),
        ),
        for_a_while,
    )  # fmt: skip


def test_dpop_proofs_at_a_resource(make_client: Maker, make_code: Maker, key: Key, for_a_while: Any) -> None:
    web = make_client("resource")
    code = make_code("resource")
    token = web.exchange(code, headers={"DPoP": dpop_proof(key, "POST", f"{ISSUER}/token")}).json["access_token"]

    fuzz(
        Place(
            lambda: dpop_proof(key, "GET", f"{ISSUER}/userinfo", token=token),
            lambda text: web.userinfo(token, "DPoP", DPoP=text),
            lambda answer: answer.status_code == 200,
            essential={"htm", "htu", "iat", "jti", "ath"}, types={"dpop+jwt"}, carried=in_header, is_kid_ignored=True,
            **client_known(key),
        ),
        for_a_while,
    )  # fmt: skip


@pytest.fixture
def hinted(make_client: Maker, make_code: Maker) -> tuple[Client, str]:
    """Return a client and an ID token of its own."""
    client = make_client("hinted", redirect_uris=[CALLBACK], post_logout_redirect_uris=["https://rp.test/bye"])
    code = make_code("hinted", redirect_uri=CALLBACK)
    return client, str(client.exchange(code, redirect_uri=CALLBACK).json["id_token"])


def test_id_token_hints(app: Flask, hinted: tuple[Client, str], for_a_while: Any) -> None:
    client, token = hinted

    def send(text: str) -> Any:
        fields = request_fields("hinted", prompt="none", id_token_hint=text)
        return client.http.get("/authorize", query_string=fields)

    def is_believed(answer: Any) -> bool:
        return answer.status_code == 303 and told_to(answer).get("error") == "login_required"

    fuzz(Place(lambda: token, send, is_believed, **provider_known(app)), for_a_while)


def test_id_token_hints_at_logout(app: Flask, hinted: tuple[Client, str], for_a_while: Any) -> None:
    client, token = hinted

    def send(text: str) -> Any:
        fields = {"id_token_hint": text, "post_logout_redirect_uri": "https://rp.test/bye"}
        return client.http.get("/logout", query_string=fields)

    fuzz(
        Place(
            lambda: token,
            send,
            lambda answer: answer.headers.get("Location") == "https://rp.test/bye",
            **provider_known(app),
        ),
        for_a_while,
    )


def test_jwt_access_tokens_at_userinfo(app: Flask, make_client: Maker, make_code: Maker, for_a_while: Any) -> None:
    reader = make_client("reader", access_token_format="jwt")
    token = reader.exchange(make_code("reader")).json["access_token"]

    fuzz(
        Place(
            lambda: token, lambda text: reader.userinfo(text.replace(",", ".")),
            lambda answer: answer.status_code == 200, carried=in_header, **provider_known(app),
        ),
        for_a_while,
    )  # fmt: skip


def test_jwt_access_tokens_at_introspection(app: Flask, make_client: Maker, make_code: Maker, for_a_while: Any) -> None:
    reader = make_client("reader", access_token_format="jwt")
    token = reader.exchange(make_code("reader")).json["access_token"]

    fuzz(
        Place(
            lambda: token, lambda text: reader.post("/introspect", token=text),
            lambda answer: answer.json.get("active") is True, **provider_known(app),
        ),
        for_a_while,
    )  # fmt: skip
