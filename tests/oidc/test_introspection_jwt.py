"""An introspection can be signed (RFC 9701): proof for an API of what the provider said, and to whom."""

from typing import Any

import pytest

from tests.conftest import ISSUER, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import claims_in, header_of, verified

TYPE = "application/token-introspection+jwt"


@pytest.fixture
def token(web: Client, make_code: Maker) -> str:
    return str(web.exchange(make_code()).json["access_token"])


def test_whoever_asks_for_it_gets_it_signed(web: Client, token: str, clock: Clock) -> None:
    answer = web.post("/introspect", headers={"Accept": TYPE}, token=token)

    assert answer.mimetype == TYPE
    assert answer.headers["Cache-Control"] == "no-store"
    assert header_of(answer.text)["typ"] == "token-introspection+jwt"
    claims = verified(web.http, answer.text)
    said = claims.pop("token_introspection")
    assert claims == {"iss": ISSUER, "aud": "web", "iat": int(clock().timestamp())}
    assert said == web.post("/introspect", token=token).json


def test_nothing_of_the_token_is_outside_the_one_claim(web: Client, token: str) -> None:
    """RFC 9701 §5: `sub` and `exp` at the top "SHOULD NOT be included", so that it is taken for no other token."""
    claims = claims_in(web.post("/introspect", headers={"Accept": TYPE}, token=token).text)

    assert set(claims) == {"iss", "aud", "iat", "token_introspection"}


def test_a_dead_token_is_said_to_be_dead_and_no_more(web: Client) -> None:
    answer = web.post("/introspect", headers={"Accept": TYPE}, token="x")

    assert verified(web.http, answer.text)["token_introspection"] == {"active": False}


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_client_may_register_it_with_its_algorithm_ac_158(make_client: Maker, make_code: Maker, alg: str) -> None:
    client = make_client("bank", introspection_signed_response_alg=alg)
    token = client.exchange(make_code("bank")).json["access_token"]
    answer = client.post("/introspect", token=token)

    assert (
        alg in client.http.get("/.well-known/openid-configuration").json["introspection_signing_alg_values_supported"]
    )
    assert (answer.mimetype, header_of(answer.text)["alg"]) == (TYPE, alg)
    assert verified(client.http, answer.text)["token_introspection"]["active"] is True


def test_a_refusal_is_json_all_the_same(web: Client) -> None:
    answer = web.http.post("/introspect", headers={"Accept": TYPE}, data={"token": "x"})

    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_it_is_no_token_of_any_other_kind_ac_160(web: Client, token: str) -> None:
    signed = web.post("/introspect", headers={"Accept": TYPE}, token=token).text

    assert web.userinfo(signed).status_code == 401
    assert web.post("/introspect", token=signed).json == {"active": False}


def test_two_clients_get_their_own(web: Client, make_client: Maker, make_code: Maker, token: str) -> None:
    other: Any = make_client("other")
    told = verified(web.http, other.post("/introspect", headers={"Accept": TYPE}, token=token).text)

    assert told["aud"] == "other"
    assert told["token_introspection"] == {"active": False}
