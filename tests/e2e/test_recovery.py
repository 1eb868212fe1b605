"""Ways back in, in a real browser against real SMTP and SMPP: a forgotten password, an app, a sheet of codes."""

import re

import pyotp
import pytest

from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in
from tests.e2e.visitor import Visitor

NEW_PASSWORD = "trois-nuages-sur-la-mer"


def add_person(demonstration: Demonstration, nir: str, mobile: str) -> None:
    """Give the test an account of its own: the other tests know the password of theirs."""
    demonstration.command(
        "accounts", "add", "--nir", nir, "--password", "un-ancien-mot-de-passe", "--email", f"{nir}@example.org",
        "--mobile", mobile,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "other", "nir", "script"),
    [("email", "sms", "2840599123456", True), ("sms", "email", "2840599123457", False)],
)
def test_a_forgotten_password(
    new_visitor: NewVisitor, demonstration: Demonstration, channel: str, other: str, nir: str, script: bool
) -> None:
    """Over one channel, alike with and without scripts; then the sign-in wants the other one."""
    add_person(demonstration, nir, f"+3369876{nir[-4:]}")
    visitor = new_visitor(java_script_enabled=script, viewport={"width": 320, "height": 640})
    visitor.go_to_sign_in()
    visitor.press("forgot")
    visitor.page.locator("#nir").fill(nir)
    visitor.look("forgot")
    message = visitor.choose_and_send(channel)
    assert "code de connexion" not in message["subject"] + message["text"]
    visitor.look("forgot-code")
    visitor.type_code(code_in(message))
    visitor.page.locator("#new-password").fill("court")
    visitor.press("password-submit")
    visitor.look("forgot-password-short")
    before = demonstration.newest()
    visitor.page.locator("#new-password").fill(NEW_PASSWORD)
    visitor.press("password-submit")
    visitor.page.locator("#password").wait_for()
    visitor.look("changed")
    for told in ("email", "sms"):
        assert "mot de passe" in demonstration.wait_for_message(after=before, channel=told)["text"]

    visitor.identify(nir=nir, password=NEW_PASSWORD)
    visitor.page.locator("#send-code").wait_for()
    assert visitor.page.locator(f"#channel-{channel}").count() == 0
    visitor.type_code(code_in(visitor.choose_and_send(other)))
    visitor.page.wait_for_url(f"{demonstration.addresses.rp}/profile")


def test_a_number_without_an_account_sees_the_same(visitor: Visitor, demonstration: Demonstration) -> None:
    visitor.go_to_sign_in()
    before = demonstration.messages()
    visitor.press("forgot")
    visitor.page.locator("#nir").fill("2 84 05 99 123 999")
    visitor.press("send-code")
    visitor.page.locator("#code").wait_for()
    visitor.look("forgot-code-nobody")
    visitor.type_code("000000")
    visitor.look("forgot-code-wrong")

    assert visitor.page.locator("#code-error").is_visible()
    visitor.page.locator("#lost").click()
    visitor.page.wait_for_load_state()
    visitor.look("lost")
    assert demonstration.messages() == before


def test_an_app_and_a_sheet(new_visitor: NewVisitor, demonstration: Demonstration) -> None:
    visitor = new_visitor()
    visitor.sign_in("email")
    visitor.page.goto(f"{demonstration.addresses.provider}/account/authenticator")
    visitor.look("app")
    visitor.press("totp-begin")
    visitor.look("app-secret")
    secret = visitor.page.locator("#totp-secret").inner_text().replace(" ", "")
    visitor.type_code(pyotp.TOTP(secret).now())
    visitor.page.locator("#totp-remove").wait_for()
    visitor.look("app-on")
    visitor.page.goto(f"{demonstration.addresses.provider}/account/recovery")
    visitor.press("recovery-make")
    assert visitor.page.locator("#print").is_visible()
    visitor.look("sheet")
    codes = re.findall(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", visitor.page.locator("#recovery-codes").inner_text())
    assert len(codes) == 10

    second = new_visitor()
    second.go_to_sign_in()
    second.identify()
    second.press("with-recovery")
    second.look("recovery")
    second.page.locator("#recovery-code").fill(codes[0])
    second.press("recovery-code-submit")
    second.page.wait_for_url(f"{demonstration.addresses.rp}/profile")
    assert second.claim("acr") == "urn:sesame:acr:2sv"

    visitor.page.goto(f"{demonstration.addresses.provider}/account/recovery")
    assert visitor.page.locator("#recovery-left").inner_text().startswith("Il vous reste 9")
    visitor.press("recovery-remove")
    visitor.page.goto(f"{demonstration.addresses.provider}/account/authenticator")
    visitor.press("totp-remove")
    visitor.page.locator("#totp-begin").wait_for()
