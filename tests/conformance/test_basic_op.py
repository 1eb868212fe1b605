"""Basic OP: `oidcc-basic-certification-test-plan`, code flow, client_secret_basic, no PKCE unless a module asks."""

import json
from typing import Any

import pytest

from idp.oidc.registration import MetadataFault
from tests.conformance.checks import (
    ID_TOKEN_CLAIMS,
    SCOPE_CLAIMS,
    check_error_answer,
    check_id_token,
    check_page,
    check_token_answer,
    check_userinfo,
)
from tests.conformance.conftest import CALLBACK, Maker
from tests.conformance.keys import decode, moment, sha256, unsigned
from tests.conformance.relying_party import Flow, RelyingParty
from tests.conftest import ISSUER, Clock

INVALID_GRANT = {"invalid_grant": {400}}


def test_oidcc_server(rp: RelyingParty) -> None:
    flow = rp.flow(walked=True)

    assert "name" not in flow.id_token
    assert flow.id_token.keys() <= ID_TOKEN_CLAIMS
    assert flow.userinfo.keys() == {"sub"}


def test_oidcc_response_type_missing(rp: RelyingParty) -> None:
    request = rp.request(response_type=None)

    rp.refusal(rp.ask(request), request, "invalid_request", "unsupported_response_type")


def test_oidcc_idtoken_signature(rp: RelyingParty) -> None:
    header = json.loads(decode(rp.flow().tokens["id_token"].split(".")[0]))

    assert header["alg"] == "RS256"
    assert header["kid"] in {key["kid"] for key in rp.keys["keys"]}


def test_oidcc_idtoken_unsigned(rp: RelyingParty, make_client: Maker) -> None:
    """Skipped by the suite where the metadata does not list `none`: it must not, and nobody may register it."""
    assert "none" not in rp.metadata["id_token_signing_alg_values_supported"]
    with pytest.raises(MetadataFault):
        make_client("unsigned", id_token_alg="none")


def test_oidcc_userinfo_get(rp: RelyingParty) -> None:
    flow = rp.flow(scope="openid profile")

    check_userinfo(rp.userinfo(flow.tokens["access_token"]), sub=flow.id_token["sub"])


def test_oidcc_userinfo_post_header(rp: RelyingParty) -> None:
    flow = rp.flow(scope="openid profile")

    posted = check_userinfo(rp.userinfo(flow.tokens["access_token"], "POST"), sub=flow.id_token["sub"])

    assert posted == flow.userinfo


def test_oidcc_userinfo_post_body(rp: RelyingParty) -> None:
    flow = rp.flow(scope="openid profile")

    answer = rp.back.post(rp.at("userinfo_endpoint"), data={"access_token": flow.tokens["access_token"]})

    assert check_userinfo(answer, sub=flow.id_token["sub"]) == flow.userinfo


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(rp: RelyingParty) -> None:
    assert "nonce" not in rp.flow(nonce=None).id_token


def check_scopes(rp: RelyingParty, *scopes: str) -> None:
    """Ask for scopes and hold UserInfo to all of their claims, the ID token to none (OpenID Connect Core §5.4)."""
    assert set(scopes) <= set(rp.metadata["scopes_supported"])

    flow = rp.flow(scope=" ".join(("openid", *scopes)))

    asked_for = {claim for scope in scopes for claim in SCOPE_CLAIMS[scope]}
    assert flow.userinfo.keys() == {"sub"} | asked_for
    assert not flow.id_token.keys() & asked_for


def test_oidcc_scope_profile(rp: RelyingParty) -> None:
    check_scopes(rp, "profile")


def test_oidcc_scope_email(rp: RelyingParty) -> None:
    check_scopes(rp, "email")


def test_oidcc_scope_address(rp: RelyingParty) -> None:
    check_scopes(rp, "address")


def test_oidcc_scope_phone(rp: RelyingParty) -> None:
    check_scopes(rp, "phone")


def test_oidcc_scope_all(rp: RelyingParty) -> None:
    check_scopes(rp, "email", "phone", "address", "profile")


def test_oidcc_alternate_happy_flow(rp: RelyingParty) -> None:
    request = dict(reversed(rp.request(scope="email openid").items()))

    flow = rp.finish(request, rp.returned(request))

    assert flow.userinfo.keys() == {"sub", "email", "email_verified"}


def test_oidcc_display_page(rp: RelyingParty) -> None:
    rp.flow(display="page")


def test_oidcc_display_popup(rp: RelyingParty) -> None:
    rp.flow(display="popup")


def test_oidcc_prompt_login(rp: RelyingParty, clock: Clock) -> None:
    first = rp.flow()
    clock.step(seconds=1)

    second = rp.flow(prompt="login")

    # The suite asks for a picture of this page.
    assert "identify" in rp.visitor.seen
    assert second.id_token["sub"] == first.id_token["sub"]
    assert second.id_token["auth_time"] > first.id_token["auth_time"]


def test_oidcc_prompt_none_not_logged_in(rp: RelyingParty) -> None:
    request = rp.request(prompt="none", state="s" * 128)

    error = rp.refusal(
        rp.ask(request), request, "login_required", "interaction_required", "account_selection_required",
        "consent_required",
    )  # fmt: skip

    assert error == "login_required"


def check_same_sign_in(first: Flow, second: Flow) -> None:
    """Hold two ID tokens to one and the same sign-in."""
    for name in ("sub", "auth_time"):
        assert second.id_token[name] == first.id_token[name]
    assert second.userinfo["sub"] == first.userinfo["sub"]


def test_oidcc_prompt_none_logged_in(rp: RelyingParty, clock: Clock) -> None:
    first = rp.flow()
    clock.step(seconds=1)

    check_same_sign_in(first, rp.flow(prompt="none", walked=False))


def test_oidcc_max_age_1(rp: RelyingParty, clock: Clock) -> None:
    first = rp.flow()
    clock.step(seconds=2)

    second = rp.flow(max_age=1)

    assert "identify" in rp.visitor.seen
    assert second.id_token["auth_time"] > first.id_token["auth_time"]
    assert moment() - second.id_token["auth_time"] <= 60


def test_oidcc_max_age_10000(rp: RelyingParty, clock: Clock) -> None:
    first = rp.flow(max_age=15_000)
    clock.step(seconds=1)

    second = rp.flow(max_age=10_000, walked=False)

    assert "auth_time" in first.id_token
    check_same_sign_in(first, second)


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(rp: RelyingParty) -> None:
    rp.flow(extra="foobar")


def test_oidcc_id_token_hint(rp: RelyingParty, clock: Clock) -> None:
    first = rp.flow()
    clock.step(seconds=1)

    check_same_sign_in(first, rp.flow(prompt="none", id_token_hint=first.tokens["id_token"], walked=False))


def test_oidcc_login_hint(rp: RelyingParty) -> None:
    rp.flow(login_hint="buffy@idp.test")


def test_oidcc_ui_locales(rp: RelyingParty) -> None:
    rp.flow(ui_locales="se")


def test_oidcc_claims_locales(rp: RelyingParty) -> None:
    rp.flow(claims_locales="se")


def test_oidcc_ensure_request_with_acr_values_succeeds(rp: RelyingParty) -> None:
    offered = rp.metadata["acr_values_supported"]

    assert rp.flow(acr_values=" ".join(offered)).id_token["acr"] in offered


def test_oidcc_codereuse(rp: RelyingParty) -> None:
    flow = rp.flow()

    check_error_answer(rp.exchange(flow.callback["code"]), INVALID_GRANT)


def test_oidcc_codereuse_30seconds(rp: RelyingParty, clock: Clock) -> None:
    flow = rp.flow()
    clock.step(seconds=30)

    check_error_answer(rp.exchange(flow.callback["code"]), INVALID_GRANT)

    # RFC 6749 §4.1.2: what was issued for the code is revoked.
    assert rp.userinfo(flow.tokens["access_token"]).status_code == 401


def test_oidcc_ensure_registered_redirect_uri(rp: RelyingParty) -> None:
    check_page(rp.ask(rp.request(redirect_uri=f"{CALLBACK}/w2kTsDhvy1")))


def test_oidcc_ensure_post_request_succeeds(rp: RelyingParty) -> None:
    """The suite's own page posts the form: for a browser that is another site."""
    request = rp.request()
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "https://rp.test"}

    answer = rp.visitor.browser.post(rp.at("authorization_endpoint"), data=request, headers=headers)

    rp.finish(request, rp.callback(rp.visitor.walk(answer)))


def test_oidcc_server_client_secret_post(make_client: Maker) -> None:
    rp = make_client(auth_method="client_secret_post")
    assert "client_secret_post" in rp.metadata["token_endpoint_auth_methods_supported"]

    rp.flow()


def check_refuses_unsigned(rp: RelyingParty, answer: Any, request: dict[str, str], error: str) -> None:
    """Hold the provider to the second of the two that are allowed: honour, or refuse; never ignore.

    The suite skips these modules where the algorithms of request objects are listed without `none`; then an unsigned
    one may also be called invalid.
    """
    listed = rp.metadata.get("request_object_signing_alg_values_supported")
    assert "none" not in (listed or ())
    invalid = (f"invalid_{error.removesuffix('_not_supported')}", "invalid_request_object") if listed else ()
    rp.refusal(answer, request, error, *invalid)


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(rp: RelyingParty) -> None:
    request = rp.request()

    answer = rp.ask({**request, "request_uri": "https://rp.test/a/sesame/requestobject.jwt"})

    check_refuses_unsigned(rp, answer, request, "request_uri_not_supported")


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(rp: RelyingParty) -> None:
    inside = rp.request()
    outside = {name: inside[name] for name in ("response_type", "client_id", "scope", "redirect_uri")}
    outside |= {"response_mode": inside["response_mode"]} if "response_mode" in inside else {}

    answer = rp.ask({**outside, "request": unsigned(inside)})

    check_refuses_unsigned(rp, answer, outside, "request_not_supported")


def test_oidcc_claims_essential(rp: RelyingParty) -> None:
    flow = rp.flow(claims=json.dumps({"userinfo": {"name": {"essential": True}}}))

    assert flow.userinfo["name"]
    assert "name" not in flow.id_token


def test_oidcc_ensure_request_object_with_redirect_uri(rp: RelyingParty) -> None:
    """The good address inside, a bad one outside: a refusal may not travel to the one that is registered."""
    request = rp.request()

    answer = rp.ask({**request, "redirect_uri": f"{CALLBACK}/bad", "request": unsigned(request)})

    check_page(answer)


def test_oidcc_refresh_token(rp: RelyingParty, make_client: Maker, clock: Clock) -> None:
    other = make_client("suite2", like=rp)
    assert "refresh_token" in rp.metadata["grant_types_supported"]

    for one in (rp, other):
        flow = one.flow(scope="openid offline_access", prompt="consent")
        assert "consent" in one.visitor.seen
        clock.step(seconds=1)
        scope = {"scope": "openid offline_access"} if one is rp else {}
        renewed = check_token_answer(one.refresh(flow.tokens["refresh_token"], **scope))
        assert renewed["access_token"] != flow.tokens["access_token"]
        if "id_token" in renewed:
            again = check_id_token(
                renewed["id_token"], one.keys, issuer=ISSUER, client_id=one.client_id, nonce=None,
                access_token=renewed["access_token"],
            )  # fmt: skip
            for name in ("iss", "sub", "aud", "azp", "auth_time"):
                assert again.get(name) == flow.id_token.get(name)
            assert again["iat"] > flow.id_token["iat"]
        check_userinfo(one.userinfo(renewed["access_token"]), sub=flow.id_token["sub"])

    check_error_answer(rp.refresh(renewed.get("refresh_token", flow.tokens["refresh_token"])), INVALID_GRANT)


def test_oidcc_ensure_request_with_valid_pkce_succeeds(rp: RelyingParty) -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    rp.flow(code_challenge=sha256(verifier), code_challenge_method="S256", code_verifier=verifier)
