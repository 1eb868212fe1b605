"""What is wrong with a request is told to the relying party at its registered redirect URI (P-36)."""

import json
import socket
import time
from typing import Any

import pytest
from flask import Flask

from tests.authorize.conftest import CALLBACK, CHALLENGE, Visitor, add_client, assert_page, error_of, told_to
from tests.conftest import ALICE_NIR


@pytest.mark.parametrize(
    "kind", ["token", "id_token", "code token", "code id_token", "none", "CODE", "code code", "id_token token"]
)
def test_tokens_never_travel_through_the_browser_ac_98_p_09(visitor: Visitor, kind: str) -> None:
    assert error_of(visitor.ask(response_type=kind)) == "unsupported_response_type"


@pytest.mark.parametrize("kind", [None, ""])
def test_a_missing_response_type_is_told(visitor: Visitor, kind: str | None) -> None:
    """oidcc-response-type-missing."""
    assert error_of(visitor.ask(response_type=kind)) == "invalid_request"


@pytest.mark.parametrize("mode", ["query.JWT", "web_message", "jwe", "QUERY", "x"])
def test_an_unknown_response_mode_is_refused_by_query_ac_99(visitor: Visitor, mode: str) -> None:
    assert error_of(visitor.ask(response_mode=mode)) == "invalid_request"


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
def test_a_response_mode_that_the_client_may_not_use_is_refused_ac_99(visitor: Visitor, mode: str) -> None:
    assert error_of(visitor.ask("narrow", response_mode=mode)) == "invalid_request"


def test_a_client_without_the_code_grant_is_refused_ac_100(app: Flask, visitor: Visitor) -> None:
    from idp.db import db
    from idp.oidc.clients import ClientRow, forget_cached_clients

    with app.app_context():
        add_client("machine", kind="website")
        row = db.session.get(ClientRow, "machine")
        assert row is not None
        row.client_metadata = {**row.client_metadata, "grant_types": ["refresh_token"]}
        db.session.commit()
        forget_cached_clients()

    assert error_of(visitor.ask("machine")) == "unauthorized_client"


@pytest.mark.parametrize("client_id", ["mobile", "web"])
def test_a_request_without_challenge_is_refused_ac_101_ac_104_p_04(visitor: Visitor, client_id: str) -> None:
    answer = visitor.ask(client_id, code_challenge=None, code_challenge_method=None)

    assert (
        error_of(answer, "http://127.0.0.1:4711/callback" if client_id == "mobile" else CALLBACK) == "invalid_request"
    )


@pytest.mark.parametrize("method", ["plain", "PLAIN", "s256", "S512", None, ""])
def test_only_s256_hides_the_verifier_ac_102(visitor: Visitor, method: str | None) -> None:
    assert error_of(visitor.ask(code_challenge_method=method)) == "invalid_request"


@pytest.mark.parametrize(
    "challenge", ["x", CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE + "=", "é" * 43, CHALLENGE[:-1] + "+"]
)
def test_a_challenge_is_43_characters_of_base64url(visitor: Visitor, challenge: str) -> None:
    assert error_of(visitor.ask(code_challenge=challenge)) == "invalid_request"


def test_pkce_may_be_waived_for_a_confidential_client_and_still_means_s256(app: Flask, visitor: Visitor) -> None:
    """R14, oidcc-server (without PKCE), oidcc-ensure-request-with-valid-pkce-succeeds."""
    with app.app_context():
        add_client("legacy", require_pkce=False)

    assert visitor.interaction(visitor.ask("legacy", code_challenge=None, code_challenge_method=None))
    assert visitor.interaction(visitor.ask("legacy"))
    assert error_of(visitor.ask("legacy", code_challenge_method="plain")) == "invalid_request"
    assert error_of(visitor.ask("legacy", code_challenge=None)) == "invalid_request"


@pytest.mark.parametrize(
    "name", ["scope", "state", "nonce", "code_challenge", "response_type", "prompt", "response_mode"]
)
def test_a_parameter_sent_twice_is_refused_ac_105_p_78(visitor: Visitor, name: str) -> None:
    values = {"scope": "openid", "state": "s", "nonce": "n", "code_challenge": CHALLENGE}.get(name, "code")
    answer = visitor.ask(**{name: [values, values]})

    assert error_of(answer) == "invalid_request"
    assert ("state" in told_to(answer)) == (name != "state")


def test_an_unknown_parameter_is_ignored_even_twice(visitor: Visitor) -> None:
    """oidcc-ensure-request-with-unknown-parameter-succeeds, P-78."""
    assert visitor.interaction(visitor.ask(extra=["foobar", "barfoo"]))


def test_an_unsigned_request_object_is_refused_not_ignored_ac_109(visitor: Visitor) -> None:
    """oidcc-unsigned-request-object-…: all parameters inside, only the required ones outside."""
    inside = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9."
    answer = visitor.ask(request=inside, nonce=None, code_challenge=None, code_challenge_method=None)

    assert error_of(answer) == "invalid_request_object"


def test_a_request_object_beside_a_foreign_redirect_uri_gets_a_page(visitor: Visitor) -> None:
    """oidcc-ensure-request-object-with-redirect-uri."""
    assert_page(visitor.ask(request="e30.e30.", redirect_uri="https://rp.test/other"))


@pytest.mark.parametrize(
    "uri", ["http://169.254.169.254/latest", "http://127.0.0.1:6379/", "file:///etc/passwd", "gopher://x", "urn:x"]
)
def test_a_request_uri_is_refused_ac_107_p_43(visitor: Visitor, uri: str) -> None:
    assert error_of(visitor.ask(request_uri=uri)) == "request_uri_not_supported"


def test_a_request_uri_is_never_fetched_ac_107_p_43(visitor: Visitor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.3)

        visitor.ask(request_uri=f"http://127.0.0.1:{canary.getsockname()[1]}/x")

        with pytest.raises(TimeoutError):
            canary.accept()


@pytest.mark.parametrize(
    "value", ["a&b=c", "100%", "%00 is text", "é 🦊", "line\r\nbreak", "a+b c", '"<x>\\', "x" * 4096, "a" * 128]
)
def test_a_state_comes_back_exactly_ac_110_p_22(visitor: Visitor, value: str) -> None:
    answer = visitor.ask(prompt="none", state=value, nonce=value)

    assert told_to(answer)["state"] == value
    assert "\n" not in answer.headers["Location"]


def test_no_state_comes_back_where_none_was_sent(visitor: Visitor) -> None:
    assert "state" not in told_to(visitor.ask(prompt="none", state=None))
    assert "state" not in told_to(visitor.ask(prompt="none", state=""))


@pytest.mark.parametrize("name", ["state", "nonce"])
@pytest.mark.parametrize("value", ["x" * 4097, "x" * 10_000, "é" * 2049])
def test_what_is_too_long_is_refused_not_cut_ac_110(visitor: Visitor, name: str, value: str) -> None:
    assert_page(visitor.ask(**{name: value}))
    assert_page(visitor.ask(method="POST", **{name: value}))


def test_a_hundred_kilobytes_are_refused_ac_110(visitor: Visitor) -> None:
    assert_page(visitor.ask(state="x" * 100_000), 414)
    assert_page(visitor.ask(method="POST", state="x" * 100_000), 413)


@pytest.mark.parametrize(
    "raw", [b"state=%00", b"state=%ff", b"state=%c0%af", b"state=%ed%a0%80", b"\xff=1", b"st%00ate=1"]
)
def test_what_is_not_text_is_refused_ac_110_ac_212(visitor: Visitor, raw: bytes) -> None:
    query = b"client_id=web&redirect_uri=https%3A%2F%2Frp.test%2Fcallback&" + raw

    by_get = visitor.browser.get("/authorize?" + query.decode("latin-1"))
    by_post = visitor.browser.post("/authorize", data=query, content_type="application/x-www-form-urlencoded")

    assert_page(by_get)
    assert_page(by_post)


def test_a_thousand_parameters_are_refused(visitor: Visitor) -> None:
    assert_page(visitor.browser.get("/authorize?" + "&".join(f"p{n}=1" for n in range(1000))))


@pytest.mark.parametrize("scope", [None, "", "profile", "admin", "OPENID", "openid,profile"])
def test_a_scope_without_openid_is_refused_p_30(visitor: Visitor, scope: str | None) -> None:
    assert error_of(visitor.ask(scope=scope)) == "invalid_scope"


def test_unknown_and_unregistered_scopes_are_dropped_ac_115(signed_in: Visitor) -> None:
    code = told_to(signed_in.ask(scope="openid admin phone offline_access profile openid"))["code"]

    assert granted(signed_in.app, code).scopes == ("openid", "profile")


def test_ten_thousand_scopes_are_refused_ac_115(visitor: Visitor) -> None:
    assert_page(visitor.ask(method="POST", scope="openid " + "x " * 10_000))


@pytest.mark.parametrize("prompt", ["none login", "login none", "foo", "none consent", "login foo", "None", "create"])
def test_odd_prompts_are_refused_ac_116_p_32(visitor: Visitor, prompt: str) -> None:
    assert error_of(visitor.ask(prompt=prompt)) == "invalid_request"


@pytest.mark.parametrize("max_age", ["-1", "x", "1.5", "1e3", "٣", "99999999999", "0x10"])
def test_odd_ages_are_refused_ac_116(visitor: Visitor, max_age: str) -> None:
    assert error_of(visitor.ask(max_age=max_age)) == "invalid_request"


def test_empty_parameters_are_absent_ac_116(signed_in: Visitor) -> None:
    empty = dict.fromkeys(("prompt", "display", "max_age", "claims", "login_hint", "id_token_hint", "request"), "")

    assert told_to(signed_in.ask(**empty))["code"]


@pytest.mark.parametrize(
    "extras",
    [
        {"display": "page"}, {"display": "popup"}, {"display": "hologram"}, {"ui_locales": "se"},
        {"ui_locales": "fr-CA en"}, {"claims_locales": "se"}, {"login_hint": "buffy@rp.test"}, {"acr_values": "1 2"},
        {"scope": "profile openid email"}, {"nonce": None},
    ],
)  # fmt: skip
def test_what_is_optional_never_fails(signed_in: Visitor, extras: dict[str, Any]) -> None:
    """oidcc-display-*, -ui-locales, -claims-locales, -login-hint, -acr-values, -alternate-happy-flow, without-nonce."""
    assert told_to(signed_in.ask(**extras))["code"]


@pytest.mark.parametrize(
    "hint", ["<script>alert(1)</script>", ALICE_NIR, "1 99 13 99 999 001 23", "291992A999001", "x" * 4000, "a b\r\nc"]
)
def test_a_login_hint_is_harmless_ac_117(visitor: Visitor, hint: str) -> None:
    """The NIR in it is not stored: neither with the request nor in the query that begins it again."""
    interaction = visitor.interaction(visitor.ask(login_hint=hint))

    assert interaction.payload["login_hint"] is None
    with visitor.app.app_context():
        from idp.signin.interaction import find_restart

        assert "login_hint" not in str(find_restart(interaction.id))


def test_a_huge_login_hint_is_refused_ac_117(visitor: Visitor) -> None:
    assert_page(visitor.ask(login_hint="x" * 20_000))


@pytest.mark.parametrize(
    "claims",
    ["[]", "1", '"x"', "null", "{", '{"id_token":{},"id_token":{}}', '{"id_token":[1]}', "[" * 4000, '{"a":' * 1500],
)
def test_odd_claims_are_refused_fast_ac_118(visitor: Visitor, claims: str) -> None:
    began = time.thread_time()

    assert error_of(visitor.ask(method="POST", claims=claims)) == "invalid_request"
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("claims", ["[" * 10_000, '{"x":"' + "y" * 9_000 + '"}'])
def test_long_claims_are_refused_ac_118(visitor: Visitor, claims: str) -> None:
    assert_page(visitor.ask(method="POST", claims=claims))


def test_a_megabyte_of_claims_is_refused_ac_118(visitor: Visitor) -> None:
    assert_page(visitor.ask(method="POST", claims='{"x":"' + "y" * 1_000_000 + '"}'), 413)


def test_claims_that_do_not_exist_are_no_oracle_ac_119_p_42(signed_in: Visitor) -> None:
    """Nor do claims come whose scope the client may not have (P-55)."""
    names = {name: {"essential": True} for name in ("nir", "email", "phone_number", "password_hash")}

    code = told_to(signed_in.ask(claims=json.dumps({"id_token": names, "userinfo": names, "x": 1})))["code"]

    assert granted(signed_in.app, code).id_token_claims == ("email",)
    assert granted(signed_in.app, code).userinfo_claims == ("email",)


def granted(app: Flask, code: str) -> Any:
    """Return the grant behind a code."""
    from idp import crypto
    from idp.oidc.codes import CODES
    from idp.state import state

    with app.app_context():
        kept = state.get(CODES, crypto.fingerprint(code))
    assert kept is not None
    return kept.grant


def test_a_client_that_describes_itself_in_the_request_is_refused(visitor: Visitor) -> None:
    assert error_of(visitor.ask(registration="{}")) == "registration_not_supported"
