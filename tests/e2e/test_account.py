"""« Gérer mon compte » in a real browser: every section, by keyboard, without script, narrow, dark and in English."""

import json
from itertools import count
from pathlib import Path

import pytest

from idp.selfservice.home import SECTIONS
from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in
from tests.e2e.visitor import Visitor

PASSWORD = "quatre vaches dansent"
NEW_PASSWORD = "cinq moutons chantent fort"
_numbers = count(100)


@pytest.fixture
def nir(demonstration: Demonstration) -> str:
    """Add a person of this test's own, whose password may change."""
    number = f"2880199999{next(_numbers)}"
    demonstration.command(
        "accounts", "add", "--nir", number, "--password", PASSWORD, "--email", f"p{number[-3:]}@exemple.fr",
        "--mobile", f"0612340{number[-3:]}",
    )  # fmt: skip
    return number


def enter(visitor: Visitor, nir: str, path: str = "", channel: str = "email", password: str = PASSWORD) -> None:
    """Open a page of the account and walk through the sign-in."""
    visitor.page.goto(f"{visitor.demonstration.addresses.provider}/account{path}")
    visitor.identify(nir, password)
    visitor.page.locator("#send-code").wait_for()
    visitor.type_code(code_in(visitor.choose_and_send(channel)))
    visitor.page.wait_for_url(f"**/account{path}")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"viewport": {"width": 320, "height": 800}}, id="narrow"),
        pytest.param({"color_scheme": "dark", "locale": "en-GB"}, id="dark-english", marks=pytest.mark.look),
        pytest.param({"java_script_enabled": False}, id="without-script"),
    ],
)
def test_every_section_can_be_seen(new_visitor: NewVisitor, nir: str, options: dict[str, object]) -> None:
    visitor = new_visitor(**options)
    enter(visitor, nir)
    visitor.look("home")

    for section in SECTIONS:
        visitor.page.locator(f"a[href='/account/{section.name}']").click()
        visitor.page.wait_for_url(f"**/account/{section.name}")
        visitor.look(section.name)
        visitor.page.locator(".exits a[href='/account']").click()

    assert nir not in visitor.page.content()


def test_the_password_is_changed_by_keyboard_alone(new_visitor: NewVisitor, nir: str) -> None:
    phone = new_visitor(viewport={"width": 320, "height": 800})
    enter(phone, nir)
    visitor = new_visitor()
    enter(visitor, nir, "/password", channel="sms")
    before = visitor.demonstration.newest()

    visitor.page.locator("#password").focus()
    visitor.page.keyboard.type(PASSWORD)
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type("court")
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#error-summary:focus").wait_for()
    visitor.look("too-short")
    visitor.page.locator("#password").fill(PASSWORD)
    visitor.page.locator("#new-password").fill(NEW_PASSWORD)
    visitor.page.locator("#new-password-show").click()
    assert visitor.page.get_attribute("#new-password", "type") == "text"
    visitor.press("password-submit")
    visitor.page.wait_for_url("**/account/password/done")
    visitor.look("done")

    assert "mot de passe" in visitor.demonstration.wait_for_message(after=before, channel="email")["text"]
    phone.page.goto(f"{phone.demonstration.addresses.provider}/account")
    phone.page.locator("#nir").wait_for()


def test_a_new_address_is_confirmed_where_it_is_and_taken_back(new_visitor: NewVisitor, nir: str) -> None:
    visitor = new_visitor()
    enter(visitor, nir, "/email", channel="sms")
    before = visitor.demonstration.newest()
    visitor.page.locator("#contact").fill("nouvelle@exemple.fr")
    visitor.press("contact-submit")
    visitor.page.locator("#code").wait_for()
    visitor.look("code")
    message = visitor.demonstration.wait_for_message(after=before, channel="email")
    assert "nouvelle@exemple.fr" in message["to"]

    before = visitor.demonstration.newest()
    visitor.type_code(code_in(message))
    visitor.page.locator("#contact-undo").wait_for()
    visitor.look("changed")

    told = [visitor.demonstration.wait_for_message(after=before, channel="email")]
    told.append(visitor.demonstration.wait_for_message(after=told[0]["id"], channel="email"))
    assert {"nouvelle@exemple.fr", f"p{nir[-3:]}@exemple.fr"} == {one["to"] for one in told}
    visitor.press("contact-undo")
    assert "annulé" in visitor.page.inner_text("main")


def test_signing_out_everywhere_and_ones_data(new_visitor: NewVisitor, nir: str, tmp_path: Path) -> None:
    phone, visitor = new_visitor(viewport={"width": 320, "height": 800}), new_visitor()
    enter(phone, nir)
    enter(visitor, nir, "/data", channel="sms")

    with visitor.page.expect_download() as download:
        visitor.page.locator("#data-download").click()
    file = tmp_path / "data.json"
    download.value.save_as(file)
    visitor.page.goto(f"{visitor.demonstration.addresses.provider}/account/sessions")
    assert visitor.page.locator("form[action='/account/sessions/end']").count() == 1
    visitor.press("sign-out-everywhere")
    visitor.look("signed-out")

    assert json.loads(file.read_text())["account"]["email"] == f"p{nir[-3:]}@exemple.fr"
    assert nir not in file.read_text()
    phone.page.goto(f"{phone.demonstration.addresses.provider}/account")
    phone.page.locator("#nir").wait_for()
