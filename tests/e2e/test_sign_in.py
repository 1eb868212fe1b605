"""The main job in a real browser: from the demonstration's relying party to its verified ID token, and back out."""

import re

import pytest

from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in
from tests.e2e.visitor import Visitor

EMAIL_LEVEL = "urn:sesame:acr:2sv"
SMS_LEVEL = "urn:sesame:acr:mfa"


def test_sign_in_by_mailed_code(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.sign_in("email")

    assert visitor.page.locator("#verified").is_visible()
    assert visitor.claim("iss") == demonstration.addresses.provider
    assert visitor.claim("aud") == "demo-web"
    assert visitor.claim("acr") == EMAIL_LEVEL
    assert "mfa" not in visitor.claim("amr")
    assert visitor.claim("email", "userinfo") == "camille.martin@example.org"
    assert visitor.claim("sub") == visitor.claim("sub", "userinfo")


def test_sign_in_by_texted_code(visitor: Visitor) -> None:
    visitor.sign_in("sms", acr_values=SMS_LEVEL)

    assert visitor.claim("acr") == SMS_LEVEL
    assert {"pwd", "sms", "mfa"} <= set(re.split(r",\s*", visitor.claim("amr")))


def test_the_page_tells_when_the_phone_has_the_code(visitor: Visitor) -> None:
    visitor.go_to_sign_in(acr_values=SMS_LEVEL)
    visitor.identify()
    visitor.choose_and_send("sms")

    # By SMPP to the mailbox's centre, whose receipt comes back by the same connection.
    visitor.page.locator("#delivery[data-state=delivered]").wait_for(timeout=20_000)
    visitor.look("delivered")

    assert "Votre téléphone l’a reçu" in visitor.page.inner_text("#delivery")


def test_sign_in_without_javascript(new_visitor: NewVisitor) -> None:
    visitor = new_visitor(java_script_enabled=False)

    visitor.sign_in("email")

    assert visitor.claim("acr") == EMAIL_LEVEL


def test_sign_in_in_english(new_visitor: NewVisitor) -> None:
    visitor = new_visitor(locale="en-GB")
    visitor.go_to_sign_in()

    assert visitor.page.locator("html").get_attribute("lang") == "en"
    assert visitor.page.locator("#signin-submit").inner_text() == "Sign in"

    visitor.look("identify")
    visitor.identify()
    visitor.page.locator("#send-code").wait_for()
    visitor.look("send")
    visitor.type_code(code_in(visitor.choose_and_send("email")))
    assert visitor.page.locator("#verified").is_visible()


@pytest.mark.look
def test_sign_in_on_a_small_phone(new_visitor: NewVisitor) -> None:
    visitor = new_visitor(viewport={"width": 320, "height": 640}, is_mobile=True, has_touch=True)

    visitor.sign_in("email")

    assert visitor.claim("acr") == EMAIL_LEVEL


@pytest.mark.look
def test_sign_in_in_the_dark(new_visitor: NewVisitor) -> None:
    new_visitor(color_scheme="dark").sign_in("email")


def test_second_visit_needs_nothing_typed(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.sign_in("email")
    first = visitor.claim("auth_time")

    visitor.page.goto(f"{demonstration.addresses.rp}/login")

    visitor.page.wait_for_url(f"{demonstration.addresses.rp}/profile")
    assert visitor.claim("auth_time") == first


def test_higher_level_asks_for_the_sms_only(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.sign_in("email")

    visitor.press("step-up")
    visitor.page.locator("#send-code").wait_for()
    visitor.look("send-stronger")
    message = visitor.choose_and_send("sms")
    visitor.type_code(code_in(message))

    visitor.page.wait_for_url(f"{demonstration.addresses.rp}/profile")
    assert visitor.claim("acr") == SMS_LEVEL


def test_refresh_then_sign_out_everywhere(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.sign_in("email")

    visitor.press("refresh")
    assert "renouvelés (1)" in visitor.page.locator("main").inner_text()
    visitor.press("logout")
    if visitor.page.locator("#logout-confirm").count():
        visitor.look("logout-confirm")
        visitor.press("logout-confirm")
    visitor.look("signed-out")

    visitor.page.goto(f"{demonstration.addresses.rp}/login")
    assert visitor.page.locator("#nir").is_visible()


def test_cancelling_tells_the_relying_party(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.go_to_sign_in()

    visitor.press("signin-cancel")

    assert visitor.page.url.startswith(f"{demonstration.addresses.rp}/callback")
    assert visitor.page.locator("#refused").get_attribute("data-error") == "access_denied"
    visitor.look("cancelled")


@pytest.mark.parametrize(
    ("nir", "password"),
    [("", ""), ("1 99 13 99 999", "x"), ("1 99 13 99 999 001 99", "x"), ("1 99 13 99 999 001", "faux-mot-de-passe")],
    ids=["empty", "short-nir", "wrong-key", "wrong-password"],
)
def test_what_is_typed_wrong_is_explained(visitor: Visitor, nir: str, password: str) -> None:
    visitor.go_to_sign_in()

    visitor.identify(nir, password)

    visitor.look("identify-error")
    assert visitor.page.title().startswith("Erreur")
    assert visitor.page.locator("#password").input_value() == ""


def test_wrong_code_is_explained_and_the_right_one_still_works(visitor: Visitor) -> None:
    visitor.go_to_sign_in()
    visitor.identify()
    code = code_in(visitor.choose_and_send("email"))

    visitor.type_code("000000" if code != "000000" else "000001")
    visitor.look("code-wrong")
    visitor.type_code(code[:3] + " " + code[3:])

    assert visitor.page.locator("#verified").is_visible()


def test_closed_tab_resumes_at_the_code(visitor: Visitor) -> None:
    visitor.go_to_sign_in()
    visitor.identify()
    code = code_in(visitor.choose_and_send("email"))
    context = visitor.page.context

    visitor.page.close()
    visitor.page = context.new_page()
    visitor.page.goto(f"{visitor.demonstration.addresses.rp}/login")

    visitor.page.locator("#code").wait_for()
    visitor.look("resumed")
    visitor.type_code(code)
    assert visitor.page.locator("#verified").is_visible()


def test_mailbox_pages_are_accessible(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.go_to_sign_in()
    visitor.identify()
    message = visitor.choose_and_send("email")

    visitor.page.goto(demonstration.addresses.mailbox)
    visitor.look("mailbox")
    visitor.page.goto(f"{demonstration.addresses.mailbox}/messages/{message['id']}")
    visitor.look("message")
