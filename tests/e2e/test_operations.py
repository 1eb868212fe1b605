"""An operator in a real browser: what is changed in the console is seen by a visitor in another one, at once."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import NewVisitor, _stores
from tests.e2e.demonstration import Demonstration, code_in, running
from tests.e2e.test_admin import WIDE, enrol, open_page, printed_password


@pytest.fixture(scope="module")
def demonstration(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """Run a demonstration of our own: no other test sees its channels switched off."""
    with running(tmp_path_factory.mktemp("operations") / "var", _stores(backend)) as demonstration:
        yield demonstration


def test_an_operator_switches_sms_off_puts_up_a_banner_and_looks_at_everything(
    new_visitor: NewVisitor, demonstration: Demonstration
) -> None:
    operator = new_visitor(**WIDE)
    page = operator.page
    enrol(operator, "admin", printed_password(demonstration))
    person = new_visitor(viewport={"width": 320, "height": 640}, color_scheme="dark")
    person.go_to_sign_in()
    person.identify()
    assert person.page.locator("#channel-sms").count() == 1

    open_page(operator, "/admin/operations")
    operator.look("operations")
    operator.press("channel-sms")
    operator.look("channel")
    page.locator("#reason").fill("SMS détournés")
    operator.press("channel-switch")
    page.locator("#fr").fill("Les SMS sont coupés jusqu’à ce soir.")
    page.locator("#en").fill("Text messages are off until tonight.")
    page.locator("#ends_at").fill(page.evaluate("new Date(Date.now() + 864e5).toISOString().slice(0, 16)"))
    operator.press("banner-set")
    operator.look("operations-busy")
    assert "SMS détournés" in page.locator("main").inner_text()

    person.page.reload()
    person.look("send-without-sms")
    assert person.page.locator("#channel-sms").count() == 0
    assert "suspendus" in person.page.locator("#switched-off").inner_text()
    assert "jusqu’à ce soir" in person.page.locator("#banner").inner_text()
    person.type_code(code_in(person.choose_and_send("email")))
    person.page.wait_for_url(f"{demonstration.addresses.rp}/profile")

    operator.press("channel-sms")
    operator.press("channel-switch")
    operator.press("banner-remove")
    assert page.locator("#banner").count() == 0

    open_page(operator, "/admin/limits/code.sends_per_hour")
    page.locator("#value").fill("99")
    operator.press("limit-set")
    operator.look("limit-out-of-bounds")
    page.locator("#value").fill("3")
    operator.press("limit-set")
    operator.press("limit-reset")

    for path in ("dashboard", "settings/code", "keys", "messages/code.sign-in", "texts/sms.code.sign_in"):
        open_page(operator, f"/admin/{path}")
        operator.look(re.sub(r"\W+", "-", path))
    page.locator("#text-fr").fill("https://example.fr")
    operator.press("text-set")
    operator.look("text-with-a-link")
    assert page.locator("#text-fr-error").is_visible()
