"""An answer travels by query, fragment or form; errors exactly as codes do (P-21, P-36, `protocol.md` §1.4)."""

import re
from html import unescape

import pytest
from flask import Flask

from idp.oidc.clients import Client
from idp.oidc.errors import OAuthError
from idp.oidc.response_modes import ReturnAddress, refuse
from tests.authorize.conftest import CALLBACK, Visitor, add_client, error_of, told_to
from tests.conftest import ISSUER

STRANGE = "a\"b <x> & ' é % + \\ </script>"


def posted(answer: object) -> tuple[str, dict[str, str]]:
    """Return where a form_post page leads, and its fields."""
    html = answer.text  # type: ignore[attr-defined]
    assert answer.status_code == 200, html  # type: ignore[attr-defined]
    action = unescape(re.search(r'action="([^"]*)"', html)[1])  # type: ignore[index]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", html):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        assert name, tag
        assert value, tag
        fields[unescape(name[1])] = unescape(value[1])
    return action, fields


@pytest.mark.parametrize("mode", [None, "query"])
def test_a_code_comes_in_the_query(signed_in: Visitor, mode: str | None) -> None:
    answer = signed_in.ask(response_mode=mode)

    assert set(told_to(answer)) == {"code", "state", "iss"}
    assert "#" not in answer.headers["Location"]


def test_a_code_comes_in_the_fragment(signed_in: Visitor) -> None:
    answer = signed_in.ask(response_mode="fragment", state=STRANGE)

    assert told_to(answer, CALLBACK + "#", "fragment")["state"] == STRANGE


def test_an_error_comes_in_the_fragment(visitor: Visitor) -> None:
    answer = visitor.ask(response_mode="fragment", prompt="none")

    assert told_to(answer, CALLBACK + "#", "fragment")["error"] == "login_required"


def test_a_code_comes_as_a_form(signed_in: Visitor) -> None:
    answer = signed_in.ask(response_mode="form_post", state=STRANGE)

    action, fields = posted(answer)
    assert action == CALLBACK
    assert set(fields) == {"code", "state", "iss"}
    assert (fields["state"], fields["iss"]) == (STRANGE, ISSUER)
    assert "<x>" not in answer.text


@pytest.mark.parametrize("wrong", [{"prompt": "none"}, {"response_type": None}, {"scope": "x"}, {"max_age": "x"}])
def test_errors_come_as_a_form_too(visitor: Visitor, wrong: dict[str, str | None]) -> None:
    """oidcc-formpost-basic: prompt=none errors, missing response_type."""
    action, fields = posted(visitor.ask(response_mode="form_post", **wrong))

    assert action == CALLBACK
    assert fields["error"]
    assert fields["iss"] == ISSUER


def test_a_form_is_sent_under_a_strict_policy_that_lets_it_leave(signed_in: Visitor) -> None:
    answer = signed_in.ask(response_mode="form_post")

    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    nonce = re.search(r'<script[^>]*nonce="([^"]+)"', answer.text)
    assert nonce
    assert policy["script-src"] == f"'nonce-{nonce[1]}'"
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "https:" in policy["form-action"]
    assert "onload" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_response_mode_is_kept_through_the_walk(visitor: Visitor, alice: str) -> None:
    """`protocol.md` §1.4: through login, MFA and consent."""
    answer = visitor.ask(response_mode="form_post")

    action, fields = posted(visitor.walk(answer, alice))

    assert action == CALLBACK
    assert fields["code"]


def test_a_registered_query_is_kept(app: Flask, signed_in: Visitor) -> None:
    """oidcc-redirect-uri-query-OK; FAPI's `?dummy1=lorem&dummy2=ipsum`."""
    callback = CALLBACK + "?dummy1=lorem&dummy2=ipsum"
    with app.app_context():
        add_client("query", redirect_uris=[callback])

    answer = signed_in.ask("query", redirect_uri=callback)

    assert answer.headers["Location"].startswith(callback + "&code=")


def test_a_private_scheme_is_answered(visitor: Visitor) -> None:
    answer = visitor.ask("mobile", redirect_uri="fr.caf.app:/callback", prompt="none")

    assert error_of(answer, "fr.caf.app:/callback?") == "login_required"


def test_every_answer_names_the_issuer_ac_111_p_21_p_67(signed_in: Visitor) -> None:
    for changes in ({}, {"prompt": "none"}, {"scope": "x"}, {"response_type": "token"}, {"max_age": "x"}):
        assert told_to(signed_in.ask(**changes))["iss"] == ISSUER


def test_a_description_has_no_character_that_oauth_forbids(app: Flask) -> None:
    """RFC 6749 §4.1.2.1; `protocol.md`: an accent in an OAuth error fails the conformance suite."""
    with app.test_request_context():
        answer = refuse(ReturnAddress(Client("web", "Service"), CALLBACK, None, "query"), OAuthError('un "é\\\n'))

    assert "error_description=un%20&" in answer.headers["Location"]


def test_answers_are_never_307_ac_120_p_03(signed_in: Visitor) -> None:
    assert signed_in.ask(method="POST").status_code == 303
