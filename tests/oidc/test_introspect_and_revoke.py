"""A client learns about and ends its own tokens, and nobody else's."""

from typing import Any

import pytest

from tests.conftest import ISSUER, Browser
from tests.oidc.conftest import Client, Maker


@pytest.fixture
def tokens(web: Client, make_code: Maker) -> dict[str, Any]:
    answer: dict[str, Any] = web.exchange(make_code(scopes=("openid", "offline_access"))).json
    return answer


def test_a_living_token_is_described(web: Client, tokens: dict[str, Any]) -> None:
    told = web.post("/introspect", token=tokens["access_token"]).json

    assert told["active"] is True
    assert (told["iss"], told["client_id"], told["scope"]) == (ISSUER, "web", "openid offline_access")
    assert told["exp"] - told["iat"] == 600
    assert web.post("/introspect", token=tokens["refresh_token"]).json["active"] is True


def test_introspection_needs_a_client_that_proves_itself_ac_141(
    web: Client, mobile: Client, tokens: dict[str, Any]
) -> None:
    assert web.http.post("/introspect", data={"token": tokens["access_token"]}).status_code == 401
    assert mobile.post("/introspect", token=tokens["access_token"]).status_code == 401


def test_a_token_of_another_client_is_not_active_ac_141(make_client: Maker, tokens: dict[str, Any]) -> None:
    other = make_client("other")

    assert other.post("/introspect", token=tokens["access_token"]).json == {"active": False}
    assert other.post("/introspect", token=tokens["refresh_token"]).json == {"active": False}


@pytest.mark.parametrize("token", ["x", "A" * 65, "a.b.c", "é"])
def test_rubbish_is_not_active(web: Client, token: str) -> None:
    assert web.post("/introspect", token=token).json == {"active": False}


def test_a_used_refresh_token_is_not_active(web: Client, tokens: dict[str, Any]) -> None:
    web.refresh(tokens["refresh_token"])

    assert web.post("/introspect", token=tokens["refresh_token"]).json == {"active": False}


def test_a_revoked_access_token_is_dead(web: Client, tokens: dict[str, Any]) -> None:
    assert web.post("/revoke", token=tokens["access_token"]).status_code == 200

    assert web.userinfo(tokens["access_token"]).status_code == 401
    assert web.refresh(tokens["refresh_token"]).status_code == 200


def test_revoking_a_refresh_token_ends_the_access_token_too_ac_142(web: Client, tokens: dict[str, Any]) -> None:
    assert web.post("/revoke", token=tokens["refresh_token"], token_type_hint="refresh_token").status_code == 200

    assert web.userinfo(tokens["access_token"]).status_code == 401
    assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_a_public_client_may_revoke_its_own(mobile: Client, make_code: Maker) -> None:
    tokens = mobile.exchange(make_code("app", scopes=("openid", "offline_access"))).json

    mobile.post("/revoke", token=tokens["refresh_token"])

    assert mobile.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_a_token_of_somebody_else_is_left_alone_without_a_word_ac_142(
    web: Client, make_client: Maker, tokens: dict[str, Any]
) -> None:
    other = make_client("other")

    assert other.post("/revoke", token=tokens["access_token"]).status_code == 200
    assert other.post("/revoke", token=tokens["refresh_token"]).status_code == 200
    assert web.userinfo(tokens["access_token"]).status_code == 200
    assert web.refresh(tokens["refresh_token"]).status_code == 200


def test_rubbish_is_revoked_with_success(web: Client) -> None:
    assert web.post("/revoke", token="rubbish").status_code == 200


def test_a_request_without_a_token_is_refused(web: Client, http: Browser) -> None:
    assert web.post("/revoke").json["error"] == "invalid_request"
    assert web.post("/introspect").json["error"] == "invalid_request"
