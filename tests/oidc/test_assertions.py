"""A client that signs assertions is known by its key, once each, for us alone, and only for minutes."""

import threading
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from idp import clock as idp_clock
from idp import entropy
from idp.oidc.assertions import TYPE
from tests.conftest import Browser, Clock
from tests.oidc.conftest import Maker

ISSUER = "https://idp.test"
KEY, RSA, FOREIGN = ECKey.generate_key("P-256"), RSAKey.generate_key(2048), ECKey.generate_key("P-256")
GRANT = {"grant_type": "authorization_code", "code": "x"}


def sign(key: Any = KEY, alg: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(idp_clock.now().timestamp())
    claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": entropy.token()}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": alg, **(header or {})}, claims, key, algorithms=[alg])


def send(http: Browser, assertion: str, **more: Any) -> Any:
    return http.post("/token", data={**GRANT, "client_assertion_type": TYPE, "client_assertion": assertion, **more})


@pytest.fixture
def signer(make_client: Maker) -> Any:
    keys = [key.as_dict(private=False) | {"kid": kid} for key, kid in ((KEY, "ec"), (RSA, "rsa"))]
    return make_client("signer", auth_method="private_key_jwt", jwks={"keys": keys})


def is_known(answer: Any) -> bool:
    # The client is who it says; its code "x" is not good.
    return bool((answer.status_code, answer.json["error"]) == (400, "invalid_grant"))


def is_refused(answer: Any) -> bool:
    return bool((answer.status_code, answer.json["error"]) == (401, "invalid_client"))


@pytest.mark.usefixtures("signer")
@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token", [ISSUER, "https://other.test"]])
def test_a_signed_assertion_proves_the_client(http: Browser, audience: Any) -> None:
    assert is_known(send(http, sign(aud=audience)))


@pytest.mark.usefixtures("signer")
@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_the_kid_chooses_among_the_keys(http: Browser, alg: str) -> None:
    assert is_known(send(http, sign(RSA, alg, {"kid": "rsa"})))
    assert is_refused(send(http, sign(RSA, alg, {"kid": "ec"})))


def test_a_secret_signs_an_assertion_too(make_client: Maker, http: Browser) -> None:
    client = make_client("signer", auth_method="client_secret_jwt")

    assert is_known(send(http, sign(OctKey.import_key(client.secret), "HS256")))
    assert is_refused(send(http, sign(OctKey.import_key("x" * 43), "HS256")))
    assert is_refused(send(http, sign()))


@pytest.mark.usefixtures("signer")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.test"},
        {"aud": None},
        {"aud": [f"{ISSUER}.evil.test"]},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"iss": "web"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_refused_p_45_ac_132(http: Browser, changes: dict[str, Any]) -> None:
    assert is_refused(send(http, sign(**changes)))


@pytest.mark.usefixtures("signer")
@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"exp": 3600}, False),
        ({"exp": 300}, True),
        ({"exp": 0}, False),
        ({"exp": -300}, False),
        ({"iat": 8}, True),
        ({"nbf": 8}, True),
        ({"iat": 61}, False),
        ({"nbf": 61}, False),
    ],
    ids=str,
)
def test_its_times_are_those_of_now_p_72_ac_132(http: Browser, changes: dict[str, int], accepted: bool) -> None:
    now = int(idp_clock.now().timestamp())
    answer = send(http, sign(**{name: now + seconds for name, seconds in changes.items()}))

    assert is_known(answer) if accepted else is_refused(answer)


@pytest.mark.usefixtures("signer")
def test_it_counts_once_even_at_once_ac_132(http: Browser, clock: Clock, new_browser: Any) -> None:
    assertion, answers, gate = sign(), [], threading.Barrier(8)

    def race(browser: Any) -> None:
        gate.wait()
        answers.append(send(browser, assertion))

    threads = [threading.Thread(target=race, args=(new_browser(),)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(map(is_known, answers)) == [False] * 7 + [True]
    clock.step(seconds=59)
    assert is_refused(send(http, assertion))


@pytest.mark.usefixtures("signer")
def test_another_key_is_refused_ac_132(http: Browser) -> None:
    assert is_refused(send(http, sign(FOREIGN)))
    assert is_refused(send(http, sign(FOREIGN, header={"kid": "ec"})))
    assert is_refused(send(http, sign(FOREIGN, header={"jwk": FOREIGN.as_dict(private=False)})))


@pytest.mark.usefixtures("signer")
@pytest.mark.parametrize("head", ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0", "eyJhbGciOiJuT25FIn0"])
def test_an_unsigned_assertion_is_refused_ac_146(http: Browser, head: str) -> None:
    _, claims, signature = sign().split(".")

    assert is_refused(send(http, f"{head}.{claims}."))
    assert is_refused(send(http, f"{head}.{claims}.{signature}"))


@pytest.mark.usefixtures("signer")
def test_the_public_key_is_no_hmac_secret_ac_147(http: Browser) -> None:
    secret = OctKey.import_key(RSA.as_pem(private=False).decode().replace("-----", "="))

    assert is_refused(send(http, sign(secret, "HS256")))


@pytest.mark.usefixtures("signer")
@pytest.mark.parametrize("text", ["x", "a.b.c", "é.é.é", "." * 40, "a" * 20_000])
def test_what_is_no_token_is_refused_without_a_stumble(http: Browser, text: str) -> None:
    assert is_refused(send(http, text))


@pytest.mark.usefixtures("signer")
def test_an_assertion_goes_with_its_type_and_with_nothing_else_p_80(http: Browser, web: Any) -> None:
    answers = [
        http.post("/token", data={**GRANT, "client_assertion": sign()}),
        http.post("/token", data={**GRANT, "client_assertion_type": TYPE, "client_id": "signer"}),
        send(http, sign(), client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        send(http, sign(), client_id="web"),
        send(http, sign(), client_secret="x", client_id="signer"),
        web.post("/token", **GRANT, client_assertion_type=TYPE, client_assertion=sign()),
    ]

    assert [(one.status_code, one.json["error"]) for one in answers] == [(400, "invalid_request")] * 6


@pytest.mark.usefixtures("signer")
def test_the_metadata_says_which_signatures_count(http: Browser) -> None:
    metadata = http.get("/.well-known/openid-configuration").json

    assert {"client_secret_jwt", "private_key_jwt"} <= set(metadata["token_endpoint_auth_methods_supported"])
    assert "none" not in metadata["token_endpoint_auth_signing_alg_values_supported"]
    assert {"ES256", "PS256", "HS256"} <= set(metadata["token_endpoint_auth_signing_alg_values_supported"])
