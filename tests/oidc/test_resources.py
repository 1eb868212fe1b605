"""A token is good at the API that it was asked for, and nowhere else (RFC 8707, P-12)."""

from typing import Any

import pytest

from idp.oidc import registration
from tests.oidc.conftest import Client, Maker

ONE, TWO, THREE = "https://api.test/one", "https://api.test/two", "urn:caf:three"


@pytest.fixture
def shopper(make_client: Maker) -> Client:
    """Return a client that may ask for tokens for two APIs."""
    client: Client = make_client("shopper", resources=[ONE, TWO, THREE])
    return client


def audience(client: Client, token: str) -> Any:
    return client.post("/introspect", token=token).json["aud"]


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def test_a_token_names_the_api_that_was_granted(shopper: Client, make_code: Maker) -> None:
    token = shopper.exchange(make_code("shopper", resources=(ONE,))).json["access_token"]

    assert audience(shopper, token) == ONE


def test_it_is_no_good_at_userinfo_p_12_ac_160(shopper: Client, make_code: Maker) -> None:
    token = shopper.exchange(make_code("shopper", resources=(ONE,))).json["access_token"]
    answer = shopper.userinfo(token)

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_without_a_resource_it_is_for_userinfo(shopper: Client, make_code: Maker) -> None:
    token = shopper.exchange(make_code("shopper")).json["access_token"]

    assert audience(shopper, token) == "https://idp.test"
    assert shopper.userinfo(token).status_code == 200


def test_several_may_be_granted_and_one_asked_for_at_a_time(shopper: Client, make_code: Maker) -> None:
    """RFC 8707 §2.2: "the client can … request … a token for a resource … different" from one refresh to the next."""
    first = shopper.exchange(make_code("shopper", resources=(ONE, TWO)), resource=ONE).json
    second = shopper.refresh(first["refresh_token"], resource=TWO).json
    third = shopper.refresh(second["refresh_token"]).json
    fourth = shopper.refresh(third["refresh_token"], resource=[TWO, ONE, TWO]).json

    found = [audience(shopper, answer["access_token"]) for answer in (first, second, third, fourth)]

    assert found == [ONE, TWO, [ONE, TWO], [TWO, ONE]]


@pytest.mark.parametrize("resource", [TWO, "https://evil.test/", ONE + "/", ONE.upper(), "x"])
def test_what_was_not_granted_is_not_given_ac_136(shopper: Client, make_code: Maker, resource: str) -> None:
    tokens = shopper.exchange(make_code("shopper", resources=(ONE,))).json

    at_code = shopper.exchange(make_code("shopper", resources=(ONE,)), resource=resource)
    at_refresh = shopper.refresh(tokens["refresh_token"], resource=resource)

    assert [error_of(at_code), error_of(at_refresh)] == [(400, "invalid_target")] * 2
    assert shopper.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    "resource",
    ["https://api.test/four", "/one", "api", "", f"{ONE}#x", f"{ONE}#", "https://", "https://[x", f"{ONE} x", "é"],
)
def test_only_registered_absolute_uris_are_pushed(shopper: Client, resource: str) -> None:
    request = {
        "redirect_uri": "https://rp.example.fr/callback", "response_type": "code", "scope": "openid",
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    good = shopper.post("/par", **request, resource=[ONE, THREE])
    bad = shopper.post("/par", **request, resource=[ONE, resource])

    assert good.status_code == 201
    assert bad.status_code == 201 if resource == "" else error_of(bad) == (400, "invalid_target")


@pytest.mark.parametrize("uri", ["/one", "api", f"{ONE}#x", "https://", ""])
def test_only_absolute_uris_are_registered(make_client: Maker, uri: str) -> None:
    with pytest.raises(registration.MetadataFault):
        make_client("shopper", resources=[uri])
    with pytest.raises(registration.MetadataFault):
        make_client("server", serves_resources=[uri])


def test_the_api_may_introspect_its_tokens_and_no_others_ac_141_ac_160(
    shopper: Client, make_client: Maker, make_code: Maker
) -> None:
    one = make_client("one", kind="machine", redirect_uris=[], serves_resources=[ONE])
    two = make_client("two", kind="machine", redirect_uris=[], serves_resources=[TWO])
    token = shopper.exchange(make_code("shopper", resources=(ONE,))).json["access_token"]

    told = one.post("/introspect", token=token).json

    assert (told["active"], told["aud"], told["client_id"]) == (True, ONE, "shopper")
    assert two.post("/introspect", token=token).json == {"active": False}


def test_an_api_can_revoke_no_token_of_its_callers_ac_142(
    shopper: Client, make_client: Maker, make_code: Maker
) -> None:
    one = make_client("one", kind="machine", redirect_uris=[], serves_resources=[ONE])
    token = shopper.exchange(make_code("shopper", resources=(ONE,))).json["access_token"]

    assert one.post("/revoke", token=token).status_code == 200
    assert one.post("/introspect", token=token).json["active"] is True
