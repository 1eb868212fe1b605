"""The hybrid and implicit flows exist for certification only: off, they are refused; on, exact (R14, AC-98)."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp.oidc import registration
from tests.authorize.conftest import CALLBACK, Parties, Visitor, add_client, error_of, told_to
from tests.oidc.proofs import ec_key, jwks, verified

TYPES = ("id_token", "id_token token", "code id_token", "code token", "code id_token token")
FLOWS = {"response_types": ["code", *TYPES], "grant_types": ["authorization_code", "implicit"]}


@pytest.fixture
def hybrid(app: Flask, with_settings: Callable[..., Any]) -> str:
    """Turn the flows on, register `hybrid` for all of them, and return its secret."""
    with_settings(certification={"hybrid_and_implicit": True})
    with app.app_context():
        _, secret = add_client("hybrid", scope="openid profile email", **FLOWS)
    return str(secret)


def half(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).decode().rstrip("=")


@pytest.mark.parametrize("response_type", [*TYPES, "token", "none", "code none"])
def test_without_the_setting_they_are_refused_p_09_ac_98(signed_in: Visitor, response_type: str) -> None:
    assert error_of(signed_in.ask(response_type=response_type)) == "unsupported_response_type"


def test_without_the_setting_nothing_is_promised_or_registered(app: Flask, visitor: Visitor) -> None:
    metadata = visitor.browser.get("/.well-known/openid-configuration").json

    assert metadata["response_types_supported"] == ["code"]
    assert "implicit" not in metadata["grant_types_supported"]
    with app.app_context(), pytest.raises(registration.MetadataFault):
        add_client("hybrid", **FLOWS)


def test_a_client_that_was_registered_while_it_was_on_gets_nothing_when_it_is_off(
    hybrid: str, signed_in: Visitor, with_settings: Callable[..., Any]
) -> None:
    with_settings(certification={"hybrid_and_implicit": False})

    for response_type in TYPES:
        assert error_of(signed_in.ask("hybrid", response_type=response_type)) == "unsupported_response_type"


def test_with_it_the_metadata_says_so_ac_158(hybrid: str, visitor: Visitor) -> None:
    metadata = visitor.browser.get("/.well-known/openid-configuration").json

    assert metadata["response_types_supported"] == ["code", *TYPES]
    assert "implicit" in metadata["grant_types_supported"]


@pytest.mark.parametrize("response_type", TYPES)
def test_each_type_brings_what_it_names_and_the_hashes_ac_158(
    hybrid: str, signed_in: Visitor, response_type: str
) -> None:
    """OpenID Connect Core §3.2.2.5, §3.3.2.5, §3.3.2.11."""
    told = told_to(signed_in.ask("hybrid", response_type=response_type), mode="fragment")
    words = set(response_type.split())

    assert {"code", "id_token"} & told.keys() == words - {"token"}
    assert ("access_token" in told) == ("token" in words)
    if "id_token" in words:
        claims = verified(signed_in.browser, told["id_token"])
        assert (claims["aud"], claims["nonce"]) == ("hybrid", "n-0S6_WzA2Mj")
        assert claims.get("c_hash") == (half(told["code"]) if "code" in words else None)
        assert claims.get("at_hash") == (half(told["access_token"]) if "token" in words else None)
        assert ("name" in claims) == (words == {"id_token"}), "without an access token the claims come along"
    if "token" in words:
        assert (told["token_type"], told["expires_in"]) == ("Bearer", "600")
        bearer = {"Authorization": f"Bearer {told['access_token']}"}
        assert signed_in.browser.get("/userinfo", headers=bearer).json["name"] == "Alice Martin"


def test_the_words_may_come_in_any_order(hybrid: str, signed_in: Visitor) -> None:
    told = told_to(signed_in.ask("hybrid", response_type="token id_token code"), mode="fragment")

    assert {"code", "id_token", "access_token"} <= told.keys()


@pytest.mark.parametrize("response_type", ["code code", "id_token id_token", "code  token", " code", "Code", "token"])
def test_what_is_no_type_is_refused(hybrid: str, signed_in: Visitor, response_type: str) -> None:
    assert error_of(signed_in.ask("hybrid", response_type=response_type)) == "unsupported_response_type"


@pytest.mark.parametrize("response_type", [one for one in TYPES if "id_token" in one])
def test_without_a_nonce_no_id_token_oidcc_ensure_request_without_nonce_fails(
    hybrid: str, signed_in: Visitor, response_type: str
) -> None:
    answer = signed_in.ask("hybrid", response_type=response_type, nonce=None)

    assert told_to(answer, mode="fragment")["error"] == "invalid_request"


@pytest.mark.parametrize("response_type", TYPES)
def test_nothing_of_it_travels_in_a_query(hybrid: str, signed_in: Visitor, response_type: str) -> None:
    """Multiple Response Types §3, §5: neither by asking for it, nor signed (JARM §2.3.1)."""
    for mode in ("query", "query.jwt"):
        answer = signed_in.ask("hybrid", response_type=response_type, response_mode=mode)

        assert told_to(answer, mode="fragment")["error"] == "invalid_request"
        assert "?" not in answer.headers["Location"]


def test_a_form_may_carry_it(hybrid: str, signed_in: Visitor) -> None:
    answer = signed_in.ask("hybrid", response_type="code id_token token", response_mode="form_post")
    (form,) = signed_in.browser.forms(answer.text)

    assert form[""] == CALLBACK
    assert {"code", "id_token", "access_token", "state", "iss"} <= form.keys()


def test_an_error_comes_in_the_fragment(hybrid: str, visitor: Visitor) -> None:
    answer = visitor.ask("hybrid", response_type="code id_token", prompt="none")

    assert told_to(answer, mode="fragment")["error"] == "login_required"


def test_pkce_is_asked_for_where_there_is_a_code_and_only_there(hybrid: str, signed_in: Visitor) -> None:
    bare = {"code_challenge": None, "code_challenge_method": None}
    with_code = signed_in.ask("hybrid", response_type="code id_token", **bare)
    without = signed_in.ask("hybrid", response_type="id_token", **bare)

    assert told_to(with_code, mode="fragment")["error"] == "invalid_request"
    assert "id_token" in told_to(without, mode="fragment")


def test_a_client_registered_for_code_alone_gets_a_code_alone(hybrid: str, signed_in: Visitor) -> None:
    for response_type in TYPES:
        told = told_to(signed_in.ask(response_type=response_type), mode="fragment")
        assert told["error"] == "unsupported_response_type"


def test_a_client_whose_tokens_are_bound_gets_none_through_the_browser_p_10(
    hybrid: str, app: Flask, signed_in: Visitor
) -> None:
    """There is no proof at the authorization endpoint: such a token would be good for whoever finds it."""
    with app.app_context():
        add_client("bound", dpop_bound_access_tokens=True, **FLOWS)

    for response_type in ("id_token token", "code token", "code id_token token"):
        told = told_to(signed_in.ask("bound", response_type=response_type), mode="fragment")
        assert told.get("error") == "unauthorized_client", response_type
    assert "id_token" in told_to(signed_in.ask("bound", response_type="code id_token"), mode="fragment")


def test_a_bank_grade_client_is_registered_for_code_alone(hybrid: str, app: Flask) -> None:
    """FAPI 2.0 §5.3.2.2-1: "shall support the authorization code grant", and nothing that brings tokens sooner."""
    with app.app_context(), pytest.raises(registration.MetadataFault, match="response_types"):
        add_client(
            "bank", security_profile="fapi2", auth_method="private_key_jwt", jwks=jwks(ec_key("bank")),
            dpop_bound_access_tokens=True, **FLOWS,
        )  # fmt: skip


def test_the_code_of_a_hybrid_answer_buys_tokens_for_the_same_person(hybrid: str, signed_in: Visitor) -> None:
    from tests.authorize.conftest import VERIFIER

    told = told_to(signed_in.ask("hybrid", response_type="code id_token"), mode="fragment")
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": CALLBACK}
    answer = signed_in.browser.post("/token", data={**form, "code_verifier": VERIFIER}, auth=("hybrid", hybrid))

    first, second = (verified(signed_in.browser, token) for token in (told["id_token"], answer.json["id_token"]))
    assert (first["iss"], first["sub"], first["sid"]) == (second["iss"], second["sub"], second["sid"])


def test_its_code_that_comes_twice_ends_the_token_of_the_fragment_too_p_19(hybrid: str, signed_in: Visitor) -> None:
    from tests.authorize.conftest import VERIFIER

    told = told_to(signed_in.ask("hybrid", response_type="code token"), mode="fragment")
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": CALLBACK}
    statuses = [
        signed_in.browser.post("/token", data={**form, "code_verifier": VERIFIER}, auth=("hybrid", hybrid)).status_code
        for _ in range(2)
    ]

    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert statuses == [200, 400]
    assert signed_in.browser.get("/userinfo", headers=bearer).status_code == 401


def test_the_implicit_grant_is_nothing_at_the_token_endpoint_ac_145(
    hybrid: str, visitor: Visitor, parties: Parties
) -> None:
    answer = visitor.browser.post("/token", data={"grant_type": "implicit"}, auth=("hybrid", hybrid))

    assert answer.json["error"] == "unsupported_grant_type"
